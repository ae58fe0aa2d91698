"""Join what was found in several namespaces, or on several hosts, to one diagnosis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tcpstates.doctor.findings import Diagnosis, Finding, NotExamined, gravity
from tcpstates.origin import Origin
from tcpstates.text import sanitise


class _Place(NamedTuple):
    """Where a part is: in a namespace of this host, or on another one."""

    name: str  # as it is shown
    preposition: str
    origin: Origin


def merged(parts: Sequence[tuple[Origin, Diagnosis]]) -> Diagnosis:
    """Join diagnoses; a single one stays as it is, but for where it is from."""
    findings: list[Finding] = []
    gaps: list[NotExamined] = []
    for origin, each in parts:
        place = _place_of(origin)
        if place is None:
            findings += each.findings
            gaps += each.not_examined
        else:
            findings += [_placed(place, finding) for finding in each.findings]
            gaps += [_gap(place, gap) for gap in each.not_examined]
    diagnoses = [each for _, each in parts]
    first = diagnoses[0]
    if len(parts) == 1:
        return replace(first, findings=tuple(findings), not_examined=tuple(gaps))
    counted: Counter[str] = Counter()
    for each in diagnoses:
        counted.update(each.counted)
    hosts = sum(origin.host is not None for origin, _ in parts)
    processes = [each.processes for each in diagnoses]
    return replace(
        first,
        findings=tuple(sorted(findings, key=gravity)),
        not_examined=tuple(dict.fromkeys(gaps)),
        source=",".join(dict.fromkeys(each.source for each in diagnoses)),
        limitations=tuple(
            dict.fromkeys(limit for each in diagnoses for limit in each.limitations)
        ),
        counted=dict(counted),
        # Namespaces of one host share its processes.
        processes=sum(processes) if hosts else max(processes),
        has_udp=any(each.has_udp for each in diagnoses),
        namespaces=1 if hosts else len(diagnoses),
        hosts=hosts or 1,
    )


def _place_of(origin: Origin) -> _Place | None:
    """Return where a part is; None: here."""
    if origin.host is not None:
        return _Place(sanitise(origin.host), "on", origin)
    if origin.place is None or origin.is_here:
        return None
    return _Place(origin.place, "in", origin)


def _placed(place: _Place, finding: Finding) -> Finding:
    """Name the place in a finding, and in the commands that need it."""
    there = place.origin.there
    return replace(
        finding,
        netns=place.origin.place,
        host=place.origin.host,
        subject=f"{place.name}: {finding.subject}",
        verdict=f"{place.preposition} {place.name}: {finding.verdict}",
        commands=tuple(map(there, finding.commands)),
        last_resort=finding.last_resort and there(finding.last_resort),
    )


def _gap(place: _Place, gap: NotExamined) -> NotExamined:
    """Name the place in what was not examined, where a command needs it."""
    if gap.command is None:
        return gap
    return replace(
        gap,
        text=f"{gap.text} {place.preposition} {place.name}",
        command=place.origin.there(gap.command),
    )
