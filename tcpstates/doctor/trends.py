"""Compare the findings of a second scan with those of the first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tcpstates.doctor.findings import Finding, Severity, Trend, gravity

_PASSING = frozenset({"accept-drops"})  # events of a scan, not a state at its end


def compare(
    before: Sequence[Finding], after: Sequence[Finding], seconds: float
) -> list[Finding]:
    """Return the later findings with their trends, and those that are gone.

    A growing notice becomes a warning if growth alone is a reason to act.
    """
    return sorted(_compare(before, after, seconds), key=gravity)


def _compare(
    before: Sequence[Finding], after: Sequence[Finding], seconds: float
) -> Iterator[Finding]:
    earlier = {finding.key: finding for finding in before}
    for finding in after:
        first = earlier.pop(finding.key, None)
        if finding.rule in _PASSING:
            yield finding
            continue
        size = 0 if first is None else first.size
        trend = Trend(
            change=_change(first, finding),
            before=size,
            after=finding.size,
            seconds=seconds,
        )
        is_growing = trend.change == "grows" and _all_stay(finding, trend)
        was_reported = first is not None and not first.is_provisional
        if finding.is_provisional and not is_growing and not was_reported:
            continue
        severity = finding.severity
        if is_growing and finding.is_urgent_when_growing:
            severity = max(severity, Severity.WARNING)
        yield replace(finding, trend=trend, severity=severity)
    for finding in earlier.values():
        if not finding.is_provisional and finding.rule not in _PASSING:
            trend = Trend(change="gone", before=finding.size, after=0, seconds=seconds)
            yield replace(finding, trend=trend, severity=Severity.NOTICE, size=0)


def _all_stay(finding: Finding, trend: Trend) -> bool:
    """Check whether nearly all sockets of the first scan still exist.

    A busy program has different sockets in the same state in every scan.
    """
    if not finding.ages:
        return True
    old = len(finding.ages) - bisect_left(finding.ages, trend.seconds * 900)
    return old * 10 >= trend.before * 9


def _change(first: Finding | None, second: Finding) -> str:
    if first is None:
        return "new"
    if second.size == first.size:
        return "stays"
    return "grows" if second.size > first.size else "shrinks"
