"""Join what was found in several network namespaces to one diagnosis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tcpstates.collect.netns.find import own_number
from tcpstates.doctor.findings import Diagnosis, Finding, NotExamined, gravity
from tcpstates.origin import Origin
from tcpstates.text import command_line, sanitise

# Commands that see the network namespace in which they run.
_OF_NETWORK = frozenset({"ss", "ip", "sysctl", "tcpdump"})
_OURS = frozenset({"doctor", "check", "kill"})  # our commands that read sockets


def merged(parts: Sequence[tuple[Origin, Diagnosis]]) -> Diagnosis:
    """Join diagnoses; a single one stays as it is, but for where it is from."""
    placed = [(_placed(origin, each), each) for origin, each in parts]
    findings = [finding for found, _ in placed for finding in found]
    diagnoses = [each for _, each in placed]
    first = diagnoses[0]
    gaps = [_gaps(origin, each) for origin, each in parts]
    if len(parts) == 1:
        return replace(first, findings=tuple(findings), not_examined=tuple(gaps[0]))
    counted: Counter[str] = Counter()
    for each in diagnoses:
        counted.update(each.counted)
    return replace(
        first,
        findings=tuple(sorted(findings, key=gravity)),
        not_examined=tuple(dict.fromkeys(gap for each in gaps for gap in each)),
        limitations=tuple(
            dict.fromkeys(limit for each in diagnoses for limit in each.limitations)
        ),
        counted=dict(counted),
        processes=max(each.processes for each in diagnoses),
        has_udp=any(each.has_udp for each in diagnoses),
        namespaces=len(diagnoses),
    )


def _placed(origin: Origin, diagnosis: Diagnosis) -> list[Finding]:
    """Name the namespace in the findings, and in the commands that need it."""
    name = origin.place
    if name is None or origin.number == own_number():
        return list(diagnosis.findings)
    return [
        replace(
            finding,
            netns=name,
            subject=f"{name}: {finding.subject}",
            verdict=f"in {name}: {finding.verdict}",
            commands=tuple(_there(origin, text) for text in finding.commands),
            last_resort=finding.last_resort and _there(origin, finding.last_resort),
        )
        for finding in diagnosis.findings
    ]


def _gaps(origin: Origin, diagnosis: Diagnosis) -> list[NotExamined]:
    """Name the namespace in what was not examined, where a command needs it."""
    if origin.place is None or origin.number == own_number():
        return list(diagnosis.not_examined)
    return [
        replace(
            gap,
            text=f"{gap.text} in {origin.place}",
            command=_there(origin, gap.command),
        )
        if gap.command is not None
        else gap
        for gap in diagnosis.not_examined
    ]


def _name(origin: Origin) -> str:
    """Name the namespace so that it can be typed."""
    name = str(origin.place)
    return name if name == sanitise(name) else f"net:[{origin.number}]"


def _there(origin: Origin, command: str) -> str:
    """Make a command act in the namespace, if it is about the network."""
    program, _, rest = command.partition(" ")
    if program == "tcpstates":
        word, _, after = rest.partition(" ")
        if word == "trace":  # it covers all namespaces
            return f"{command} {command_line('and netns = {}', _name(origin))}"
        if word in _OURS:
            program, rest = f"{program} {word}", after
        return " ".join(
            filter(None, (program, command_line("--netns {}", _name(origin)), rest))
        )
    if program in _OF_NETWORK and origin.path is not None:
        return f"{command_line('nsenter --net={}', origin.path)} {command}"
    return command
