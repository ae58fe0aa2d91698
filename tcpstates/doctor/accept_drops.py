"""Drops at accept queues, which the kernel counts for a whole network namespace."""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.doctor.facts import Facts
from tcpstates.doctor.findings import Finding, Severity
from tcpstates.wording import counted

COUNTERS = ("ListenOverflows", "ListenDrops")


def counter_lines(facts: Facts) -> Iterator[str]:
    """Yield the drop counters of this network namespace."""
    for name in COUNTERS:
        ever, now = facts.counters.get(name, 0), facts.grown.get(name, 0)
        if ever:
            yield f"{name} {ever:,} so far, {now:,} of them during this run"


def drops_finding(number: int, facts: Facts) -> Finding:
    """Report drops that no full queue explains."""
    return Finding(
        rule="accept-drops",
        subject="host",
        severity=Severity.WARNING,
        size=number,
        verdict=f"an accept queue overflows: {counted(number, 'SYN')} dropped during"
        " this run",
        evidence=tuple(counter_lines(facts)),
        numbers={f"new_{name.lower()}": facts.grown.get(name) for name in COUNTERS},
        means="A queue was full for a moment, and had room again when it was"
        " examined. A client resends its SYN after a second.",
        commands=("tcpstates -ltnp --sort -recv-q", "tcpstates doctor --watch 5"),
        unless="a single burst in several days may be harmless",
    )
