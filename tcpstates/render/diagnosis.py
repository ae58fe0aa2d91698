"""Render a diagnosis for people: a dozen lines per finding, most severe first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from tcpstates.doctor.findings import Diagnosis, Finding, Severity
from tcpstates.processes import Process
from tcpstates.render.paragraphs import LABEL, Whole, lines, paragraph, readable
from tcpstates.render.styles import DIM, paint, paint_severity
from tcpstates.states import TcpState
from tcpstates.text import (
    decode_name,
    format_ms,
    format_name,
    sanitise,
    sanitise_line,
)
from tcpstates.wording import counted

_IN_FULL = 8  # findings; any further ones are verdicts only
_MOST_COMMAND = 200  # characters of a command line
_MANY_TIME_WAITS = 1000  # from this number on, people ask whether it is normal


def render_diagnosis(
    diagnosis: Diagnosis, *, width: int, color: bool, height: int | None = None
) -> Iterator[str]:
    """Yield the findings, what was examined, and what could not be examined.

    `height` is the number of lines of a terminal; None: there is none. Where a report
    is higher, its verdicts follow once more, so that all of them are on the screen.
    """
    rows = 0
    for text in _report(diagnosis, width, color=color):
        rows += text.count("\n")
        yield text
    if height is not None and rows >= height and len(diagnosis.findings) > 1:
        yield "\n"
        yield from _verdicts(diagnosis, width, color=color)


def render_brief(
    diagnosis: Diagnosis, *, width: int, color: bool, is_terminal: bool = False
) -> Iterator[str]:
    """Yield what was examined and the verdicts, the most severe where one looks first.

    That is the end on a terminal, and the beginning elsewhere.
    """
    if is_terminal:
        yield from _closing(diagnosis, readable(width), color=color)
        yield from _verdicts(diagnosis, width, color=color)
        return
    for finding in diagnosis.findings:
        yield from _verdict(finding, readable(width), color=color)
    yield from _closing(diagnosis, readable(width), color=color)


def _verdicts(diagnosis: Diagnosis, width: int, *, color: bool) -> Iterator[str]:
    for finding in reversed(diagnosis.findings):
        yield from _verdict(finding, readable(width), color=color)


def _report(diagnosis: Diagnosis, width: int, *, color: bool) -> Iterator[str]:
    wide = readable(width)
    for number, finding in enumerate(diagnosis.findings):
        yield from _verdict(finding, wide, color=color)
        if number < _IN_FULL and not _is_gone(finding):
            for label, texts in _sections(finding):
                escaped = list(map(_escaped, texts))
                yield from paragraph(label, escaped, wide, breaks=True)
            yield "\n"
    if len(diagnosis.findings) > _IN_FULL:
        yield "\n"
    yield from _closing(diagnosis, wide, color=color)


def _closing(diagnosis: Diagnosis, width: int, *, color: bool) -> Iterator[str]:
    for text in _closing_lines(diagnosis):
        whole = [text] if isinstance(text, Whole) else lines(text, width, rest="  ")
        for line in whole:
            yield (paint(DIM, line) if color else line) + "\n"


def _verdict(finding: Finding, width: int, *, color: bool) -> Iterator[str]:
    is_gone = _is_gone(finding)
    label = ("GONE" if is_gone else finding.severity.name).ljust(LABEL)
    first = True
    text = sanitise_line(finding.verdict)
    for line in lines(text, width - LABEL):
        head = label if first else " " * LABEL
        yield (paint_severity(finding.severity, head) if color else head) + line + "\n"
        first = False


def _is_gone(finding: Finding) -> bool:
    return finding.trend is not None and finding.trend.change == "gone"


def _sections(finding: Finding) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the sections of a finding: a label and its lines."""
    yield "who", list(_who(finding))
    if finding.trend is not None:
        trend = finding.trend
        later = format_ms(trend.seconds * 1000)
        text = f"{trend.before:,}, then {trend.after:,} {later} later"
        yield "trend", [f"{trend.change}: {text}"]
    if finding.peers:
        named = (f"{sanitise(peer.name)} ({peer.sockets:,})" for peer in finding.peers)
        yield "peers", [", ".join(named)]
    if finding.evidence:
        yield "evidence", ["; ".join(finding.evidence)]
    yield "means", [finding.means]
    yield "do", [*map(Whole, finding.commands), *finding.advice]
    if finding.last_resort is not None:
        yield "at last", [Whole(finding.last_resort)]
    yield "unless", [finding.unless]


def _escaped(text: str) -> str:
    """Escape what a text quotes; a line to be copied stays one."""
    return type(text)(sanitise_line(text))


def _who(finding: Finding) -> Iterator[str]:
    for process in finding.processes:
        yield _process(process)
    if finding.no_process is not None:
        yield finding.no_process


def _process(process: Process) -> str:
    parts = [f"{format_name(process.name)}, pid {process.pid}"]
    if process.user is not None:
        parts.append(f"user {sanitise(process.user)}")
    if process.started_at is not None:
        started = time.localtime(process.started_at)
        parts.append(f"since {time.strftime('%Y-%m-%d %H:%M', started)}")
    if process.descriptors is not None:
        limit = process.descriptors_limit
        of = "" if limit is None else f" of {limit:,}"
        parts.append(f"{process.descriptors:,}{of} descriptors open")
    if process.command:
        words = " ".join(map(decode_name, process.command)).split(" ")
        command = " ".join(filter(None, words))  # without the padding of a title
        if len(command) > _MOST_COMMAND:
            command = command[:_MOST_COMMAND] + "..."
        parts.append(sanitise(command))
    if process.is_stopped:
        parts.append("stopped")
    elif process.state == "disk-sleep":
        parts.append("in uninterruptible sleep")
    return ", ".join(parts)


def _closing_lines(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield what was examined, what is normal, and what could not be examined."""
    found = diagnosis.findings
    here = [f for f in found if not _is_gone(f)]
    numbers = [(s, sum(f.severity == s for f in here)) for s in reversed(Severity)]
    reported = [
        f"{count} {severity.name.lower()}{'s' if count > 1 and severity < 3 else ''}"
        for severity, count in numbers
        if count
    ]
    sockets = sum(diagnosis.counted.values())
    kinds = counted(sockets, "TCP socket") + (" and UDP" if diagnosis.has_udp else "")
    which = f" matching {sanitise_line(diagnosis.filter)}" if diagnosis.filter else ""
    nothing = "nothing stuck" if sockets or not diagnosis.filter else "nothing to see"
    where = ""
    if diagnosis.hosts > 1:
        where = f", {counted(diagnosis.hosts, 'host')}"
    elif diagnosis.namespaces > 1:
        where = f", {counted(diagnosis.namespaces, 'network namespace')}"
    yield (
        f"{', '.join(reported) or nothing}: examined"
        f" {kinds}{which},"
        f" {counted(diagnosis.processes, 'process', 'processes')}{where}"
        f" ({diagnosis.source}, {diagnosis.seconds:.1f} s)"
    )
    rules = dict.fromkeys(finding.rule for finding in here)
    if rules:
        yield f"more about these: tcpstates explain {' '.join(rules)}"
    if found and diagnosis.note is not None:
        yield diagnosis.note
    waiting = diagnosis.counted.get(TcpState.TIME_WAIT, 0)
    if waiting >= _MANY_TIME_WAITS and not any(f.rule == "time-wait" for f in found):
        yield (
            f"{waiting:,} in TIME_WAIT are normal: each stays 60 s after this side"
            " closed first"
        )
    gaps = [each for each in diagnosis.not_examined if not each.is_fixed]
    if gaps:
        yield "not examined: " + "; ".join(dict.fromkeys(each.text for each in gaps))
    for gap in gaps:
        if gap.command is not None:
            yield Whole(f"  {gap.command}")
