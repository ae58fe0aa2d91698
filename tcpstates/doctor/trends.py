"""Compare the findings of a second scan with those of the first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tcpstates.doctor.findings import Finding, Severity, Trend, gravity
from tcpstates.wording import counted

_PASSING = frozenset(
    {"accept-drops", "connect-failed"}
)  # events of a scan, not a state at its end


def compare(
    before: Sequence[Finding], after: Sequence[Finding], seconds: float
) -> list[Finding]:
    """Return the later findings with their trends, and those that are gone.

    A notice becomes a warning if growth, or staying, is a reason to act. A warning
    becomes a notice if most connections still move, or if it matters only when it
    grows.
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
        size, zero = 0 if first is None else first.size, finding.starts_at_zero
        trend = Trend(
            change="grows" if first is None and zero else _change(first, finding),
            before=size,
            after=finding.size,
            seconds=seconds,
        )
        is_urgent = _is_urgent(finding, trend)
        was_reported = first is not None and not first.is_provisional
        is_notable = is_urgent or was_reported or _grows_notably(finding, trend)
        if finding.is_provisional and not is_notable:
            continue
        moved = 0 if first is None else _moved(first, finding)
        evidence = finding.evidence
        if moved:
            number = f"{moved:,} of {counted(finding.size, 'connection')}"
            evidence = (*evidence, f"bytes have moved meanwhile on {number}")
        # Where most are still moving, the others may be, too.
        is_harmless = moved * 2 > finding.size or (
            finding.is_harmless_when_staying and trend.change in ("stays", "shrinks")
        )
        yield replace(
            finding,
            trend=trend,
            evidence=evidence,
            severity=_severity(finding, is_urgent=is_urgent, is_harmless=is_harmless),
        )
    for finding in earlier.values():
        if not finding.is_provisional and finding.rule not in _PASSING:
            trend = Trend(change="gone", before=finding.size, after=0, seconds=seconds)
            yield replace(finding, trend=trend, severity=Severity.NOTICE, size=0)


def _severity(finding: Finding, *, is_urgent: bool, is_harmless: bool) -> Severity:
    """Grade a finding anew; what is at a limit stays CRITICAL."""
    if finding.severity is Severity.CRITICAL:
        return finding.severity
    if is_urgent:
        return Severity.WARNING
    return Severity.NOTICE if is_harmless else finding.severity


def _is_urgent(finding: Finding, trend: Trend) -> bool:
    """Check whether a second scan has seen a reason to act."""
    if not _all_stay(finding, trend):
        return False
    is_known = bool(finding.ages)  # without ages, they may be others than before
    grows = trend.change == "grows" and finding.is_urgent_when_growing
    stays = trend.change in ("grows", "stays") and finding.is_urgent_when_staying
    if finding.is_urgent_when_staying:
        return is_known and (grows or stays)
    return grows or stays


def _grows_notably(finding: Finding, trend: Trend) -> bool:
    """Check whether a provisional finding is worth reporting, because it grows."""
    least, growth = finding.notable_growth, trend.after - trend.before
    if least is None:
        return trend.change == "grows" and _all_stay(finding, trend)
    return growth >= least


def _moved(first: Finding, second: Finding) -> int:
    """Count the sockets on which bytes have moved between two scans."""
    return sum(
        number > first.moved.get(ends, number) for ends, number in second.moved.items()
    )


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
