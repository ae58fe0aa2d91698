"""Draw a scenario: two columns of states, and the segments between them."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill, wrap

from tcpstates.lifecycle.machine import CALLS, Event
from tcpstates.lifecycle.scenarios import CLIENT, Moment, Scenario, walk
from tcpstates.render.styles import paint

_STATE = 13  # places of a column of states: SYN_RECEIVED and a space
_LEAST, _MOST = 20, 52  # places of an arrow
_SIGNS = ("│", "─", "▶", "◀")
_ASCII_SIGNS = ("|", "-", ">", "<")


def render_sequence(
    name: str, scenario: Scenario, *, width: int, color: bool, encoding: str
) -> Iterator[str]:
    """Yield the lines of the drawing; it fits into 48 places and more."""
    drawing = _Drawing(width, color=color, encoding=encoding)
    yield fill(f"{name}: {scenario.title}", max(48, width)) + "\n\n"
    yield drawing.line(CLIENT, "", "server")
    client, server = scenario.start
    yield drawing.states(client, server)
    for moment in walk(scenario):
        yield from drawing.moment(moment)
    text = fill(scenario.moral, max(48, min(width, 88)))
    yield f"\n{text}\n"


class _Drawing:
    """How wide the parts are, and of which characters."""

    def __init__(self, width: int, *, color: bool, encoding: str) -> None:
        self._arrow = max(_LEAST, min(_MOST, width - 2 * _STATE - 2))
        self._color = color
        self._signs = _SIGNS
        try:
            "".join(_SIGNS).encode(encoding)
        except UnicodeEncodeError:
            self._signs = _ASCII_SIGNS

    def line(self, left: str, middle: str, right: str) -> str:
        """Return a line of three columns."""
        text = f"{left:<{_STATE}} {middle:<{self._arrow}} {right}"
        return text.rstrip() + "\n"

    def states(self, client: str, server: str) -> str:
        """Return a line of both states."""
        gap = " " * (self._arrow + 2)
        left = self._painted(client, f"{client:<{_STATE}}")
        return f"{left}{gap}{self._painted(server, f'{server}')}\n"

    def _painted(self, state: str, text: str) -> str:
        return paint(state, text) if self._color else text

    def moment(self, moment: Moment) -> Iterator[str]:
        """Yield what a program does, if it is one, and then what comes of it."""
        bar = self._signs[0]
        is_client = moment.act.party == CLIENT
        for text in wrap(_words(moment), self._arrow):
            if is_client:
                yield self.line("", text, bar)
            else:
                yield self.line(bar, text.rjust(self._arrow), "")
        arrow = self._arrow_of(moment.segment, to_the_right=is_client)
        if moment.act.event is None:
            yield self.line(bar, arrow, bar)
            return
        state = moment.client if is_client else moment.server
        if is_client:
            cell = self._painted(state, f"{state:<{_STATE}}")
            yield f"{cell} {arrow:<{self._arrow}} {bar}\n"
        else:
            cell = self._painted(state, str(state))
            yield f"{bar:<{_STATE}} {arrow:<{self._arrow}} {cell}\n"

    def _arrow_of(self, segment: str | None, *, to_the_right: bool) -> str:
        """Return the arrow of a segment; nothing where none goes out."""
        if segment is None:
            return ""
        _, stroke, right, left = self._signs
        shaft = f" {segment} ".center(self._arrow - 1, stroke)
        return f"{shaft}{right}" if to_the_right else f"{left}{shaft}"


def _words(moment: Moment) -> str:
    """Return what is done, where a segment alone does not say it."""
    act = moment.act
    if act.text:
        return act.text
    if act.event is Event.TWO_MSL:
        return "2 MSL later (Linux: 60 s)"
    return CALLS.get(act.event, "") if act.event is not None else ""
