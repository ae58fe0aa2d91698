"""Explain a state or a topic in text as wide as the terminal, or list all states."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tcpstates.advice import possible
from tcpstates.lifecycle.basics import BASICS
from tcpstates.lifecycle.errors import ERRORS
from tcpstates.lifecycle.explanations import MEANINGS
from tcpstates.lifecycle.machine import SIDES
from tcpstates.lifecycle.rule_topics import ALL_TOPICS, RULE_TOPICS
from tcpstates.lifecycle.topics import TOPICS
from tcpstates.render.edges import describe_ways_in, describe_ways_out
from tcpstates.render.paragraphs import filled, lines, paragraph, readable
from tcpstates.render.styles import paint
from tcpstates.settings import KernelSettings
from tcpstates.states import SYSTEMS, TcpState, names_of

_LONG_LIST = 6  # lines without blank ones between them
_SETTING = re.compile(r"\{(\w+)\}")


class HostCounts(NamedTuple):
    """The current counts on this host; None: they are not available."""

    counts: Mapping[str, int] | None
    holders: Sequence[tuple[str, int]]  # the largest owners, the first one first


def fill_in_settings(text: str, settings: KernelSettings) -> str:
    """Replace the names of settings in a text by this host's values."""
    return _SETTING.sub(lambda found: str(getattr(settings, found[1])), text)


def sections(
    state: TcpState, settings: KernelSettings, systems: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield the sections of a state: a label and its lines."""
    meaning = MEANINGS[state]
    yield "", [meaning.text]
    yield "who", [SIDES[state]]
    yield "waits", [meaning.waits]
    yield "lasts", [fill_in_settings(meaning.lasts, settings)]
    yield "trouble", [fill_in_settings(meaning.trouble, settings)]
    yield "do", [fill_in_settings(meaning.remedy, settings)]
    yield "in", list(describe_ways_in(state))
    yield "out", list(describe_ways_out(state))
    yield "called", [_called(state, systems)]
    yield "see", ["; ".join(possible(meaning.see))]
    yield "note", _foreign(systems)


def _foreign(systems: Sequence[str]) -> list[str]:
    """Say whose settings and commands a text has, where they are another system's."""
    text = (
        "settings (net.ipv4...), queues, timers and ages are those of Linux; this"
        " system has others, or does not report them"
    )
    return [text] if sys.platform != "linux" and "linux" not in systems else []


def _called(state: TcpState, systems: Sequence[str]) -> str:
    """List the names of a state on each system; of several, only differing ones."""
    reported = []
    for key in systems:
        names = names_of(state, key)
        if names and (len(systems) == 1 or names != [str(state)]):
            reported.append(f"{', '.join(names)} ({SYSTEMS[key]})")
    return "; ".join(reported) or f"{state} on every system"


def render_state(
    state: TcpState,
    settings: KernelSettings,
    here: HostCounts,
    systems: Sequence[str],
    *,
    width: int,
    color: bool,
) -> Iterator[str]:
    """Yield a heading and the sections of a state."""
    name = paint(state, str(state)) if color else str(state)
    yield f"{name}: {MEANINGS[state].summary}\n\n"
    wide = readable(width)
    for label, texts in sections(state, settings, systems):
        yield from paragraph(label, texts, wide)
        if not label:
            yield "\n"
    yield from paragraph("here", [_live_counts(state, here)], wide)


def _live_counts(state: TcpState, here: HostCounts) -> str:
    if here.counts is None:
        return "unknown: no source could be read"
    number = here.counts.get(str(state), 0)
    if not number:
        return "none now"
    holders = ", ".join(f"{name} {count}" for name, count in here.holders)
    return f"{number} now" + (f"; owners: {holders}" if holders else "")


def render_glance(
    here: HostCounts, *, width: int, color: bool, where: str = "of this host"
) -> Iterator[str]:
    """Yield one line for each of the eleven states, with its live count `where`."""
    wide = readable(width, 42)
    yield filled(
        f"How many TCP sockets {where} are in each state. This side is the host of the"
        " socket, the peer the other end.",
        wide,
    )
    for state in TcpState:
        number = "?" if here.counts is None else str(here.counts.get(str(state), 0))
        padded = f"{state:<13}"
        name = paint(state, padded) if color else padded
        summary = lines(MEANINGS[state].summary, wide - 22)
        yield f"{number:>7}  {name}{summary[0]}\n"
        for line in summary[1:]:
            yield " " * 22 + line + "\n"
    text = (
        "what a state means, and what to do: tcpstates explain STATE; what is wrong"
        " here: tcpstates doctor"
    )
    yield "\n" + filled(text, wide)
    for title, topics in (
        ("the basics", BASICS),
        ("questions", TOPICS),
        ("errors and limits", ERRORS),
        ("rules of the doctor", RULE_TOPICS),
    ):
        yield filled(f"{title}: {', '.join(topics)}", wide)


def render_topic(name: str, *, width: int) -> Iterator[str]:
    """Yield the answer to a question."""
    topic, wide = ALL_TOPICS[name], readable(width)
    yield filled(f"{name}: {topic.title}", wide)
    is_list = topic.answer.count("\n") >= _LONG_LIST
    yield "\n" if is_list else ""
    for text in topic.answer.splitlines():
        if is_list:  # one item per line, its further lines indented
            yield "\n".join(lines(text, wide, rest="  ")) + "\n"
        else:
            yield "\n" + filled(text, wide)
    if topic.code:
        yield "\n" + textwrap.indent(topic.code, "    ") + "\n"
    yield "\n"
    yield from paragraph("see", possible(topic.see), wide)
