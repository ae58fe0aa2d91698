"""What a second look says of the findings of the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tcpstates.findings import Finding, Severity, Trend


def compare(
    before: Sequence[Finding], after: Sequence[Finding], seconds: float
) -> list[Finding]:
    """Return the later findings with their trends, and those that are gone.

    What is only worth a line becomes a warning when it grows.
    """
    return sorted(
        _compare(before, after, seconds),
        key=lambda finding: (-finding.severity, -finding.size),
    )


def _compare(
    before: Sequence[Finding], after: Sequence[Finding], seconds: float
) -> Iterator[Finding]:
    earlier = {finding.key: finding for finding in before}
    for finding in after:
        first = earlier.pop(finding.key, None)
        size = 0 if first is None else first.size
        trend = Trend(_word(first, finding), size, finding.size, seconds)
        if finding.is_provisional and not _has_grown(finding, trend):
            continue
        severity = finding.severity
        if trend.word == "grows":
            severity = max(severity, Severity.WARNING)
        yield finding._replace(trend=trend, severity=severity)
    for finding in earlier.values():
        if finding.is_provisional:
            continue
        trend = Trend("gone", finding.size, 0, seconds)
        yield finding._replace(trend=trend, severity=Severity.NOTICE, size=0)


def _has_grown(finding: Finding, trend: Trend) -> bool:
    """Tell whether there are more, and those of the first look are still there."""
    oldest = finding.numbers.get("oldest_ms") or 0
    return trend.word == "grows" and oldest >= trend.seconds * 900  # nine tenths


def _word(first: Finding | None, second: Finding) -> str:
    if first is None:
        return "new"
    if second.size == first.size:
        return "stays"
    return "grows" if second.size > first.size else "shrinks"
