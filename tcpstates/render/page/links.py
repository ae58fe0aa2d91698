"""Anchors of the page, and links to them in place of commands that explain."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tcpstates.lifecycle.rule_topics import ALL_TOPICS
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.states import TcpState, find_state


def topic_anchor(name: str) -> str:
    """Name the place of a topic; the glossary has its own part."""
    return name if name == "glossary" else f"topic-{name}"


def sequence_anchor(name: str) -> str:
    """Name the place of a sequence."""
    return f"sequence-{name}"


def state_link(state: TcpState | str) -> str:
    """Link to the explanation of a state."""
    return f'<a href="#{state}">{state}</a>'


def see_also(commands: Iterable[str]) -> str:
    """Format what to read next: links for what the page has, else commands."""
    return ", ".join(map(_see, commands))


def _see(command: str) -> str:
    place = _place(command)
    text = escape(command)
    if place is None:
        return f"<code>{text}</code>"
    return f'<a href="#{place}">{text.removeprefix("tcpstates ")}</a>'


def _place(command: str) -> str | None:
    """Find the place on the page that shows what a command prints."""
    match command.split():
        case ["tcpstates", "explain", word] if word in ALL_TOPICS:
            return topic_anchor(word)
        case ["tcpstates", "explain", word]:
            state = find_state(word)
            return str(state) if isinstance(state, TcpState) else None
        case ["tcpstates", "sequence", name] if name in SCENARIOS:
            return sequence_anchor(name)
        case ["tcpstates", "states"]:
            return "names"
        case ["tcpstates", "diagram"]:
            return "drawing"
        case _:
            return None
