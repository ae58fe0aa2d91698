"""Draw a scenario: two columns of states, and the segments between them.

If the scenario is performed, the outer columns show what the kernel reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from tcpstates.lifecycle.acts import CLIENT, Observation, Scenario, StepResult
from tcpstates.lifecycle.machine import CALLS, Event
from tcpstates.render.paragraphs import filled, readable
from tcpstates.render.styles import paint, paint_wrong
from tcpstates.states import TcpState

_STATE = 13  # width of a column of states: SYN_RECEIVED and a space
_LEAST, _MOST = 20, 52  # width of an arrow
_SIGNS = ("│", "─", "▶", "◀")
_ASCII_SIGNS = ("|", "-", ">", "<")

Step = tuple[
    StepResult | None, Observation | None
]  # no moment: the start; not seen: not observed


def render_sequence(
    name: str,
    scenario: Scenario,
    steps: Iterable[Step],
    *,
    width: int,
    color: bool,
    encoding: str,
    is_live: bool = False,
) -> Iterator[str]:
    """Yield the lines of the drawing, at least 48 characters wide; live, 74."""
    drawing = _Drawing(width, color=color, encoding=encoding, is_live=is_live)
    yield filled(f"{name}: {scenario.title}", max(48, width)) + "\n"
    yield drawing.heading()
    for result, seen in steps:
        if result is None:
            client, server = scenario.start
            yield drawing.line(str(client), "", str(server), seen, scenario.start)
        else:
            yield from drawing.result(result, seen)
    yield "\n" + filled(scenario.moral, readable(width, 48))


class _Drawing:
    """The widths of the parts, and the characters to draw with."""

    def __init__(
        self, width: int, *, color: bool, encoding: str, is_live: bool
    ) -> None:
        self._kernel = _STATE + 1 if is_live else 0
        room = width - 2 * _STATE - 2 - 2 * self._kernel
        self._arrow = max(_LEAST, min(_MOST, room))
        self._color = color
        self._signs = _SIGNS
        try:
            "".join(_SIGNS).encode(encoding)
        except UnicodeEncodeError:
            self._signs = _ASCII_SIGNS

    def heading(self) -> str:
        """Format the heading line."""
        left, right = ("kernel", "kernel") if self._kernel else ("", "")
        text = f"{left:<{self._kernel}}{'client':<{_STATE}} {'':<{self._arrow}} "
        return f"{text}{'server':<{_STATE}} {right}".rstrip() + "\n"

    def line(
        self,
        left: str,
        middle: str,
        right: str,
        seen: Observation | None = None,
        expected: tuple[TcpState, TcpState] | None = None,
    ) -> str:
        """Format a line of three columns, with the observed states outside of them."""
        parts = [self._cell(left), " ", f"{middle:<{self._arrow}}", " "]
        if self._kernel:
            client, server = self._seen(seen, expected)
            parts = [client, " ", *parts, self._cell(right), " ", server]
        else:
            parts.append(self._cell(right))
        # The last column has no trailing blanks, even inside colour codes.
        return _without_end("".join(parts)) + "\n"

    def _cell(self, text: str) -> str:
        padded = f"{text:<{_STATE}}"
        return paint(text, padded) if self._color else padded

    def _seen(
        self, seen: Observation | None, expected: tuple[TcpState, TcpState] | None
    ) -> tuple[str, str]:
        """Format the two cells of states that the kernel reports."""
        if seen is None or expected is None:
            return " " * _STATE, ""
        cells = []
        for found, wanted in zip((seen.client, seen.server), expected, strict=True):
            if found in (None, wanted):
                cells.append(self._cell(str(found or "")))
            else:
                wrong = f"{f'!{found}':<{_STATE}}"
                cells.append(paint_wrong(wrong) if self._color else wrong)
        if seen.client is None and seen.left_ms is not None:
            cells[0] = f"{f'{seen.left_ms / 1000:.0f} s left':<{_STATE}}"
        return cells[0], cells[1]

    def result(self, result: StepResult, seen: Observation | None) -> Iterator[str]:
        """Yield the lines of an act, if it has a text, and then of its result."""
        bar = self._signs[0]
        is_client = result.act.party == CLIENT
        for text in wrap(describe_act(result), self._arrow):
            if is_client:
                yield self.line("", text, bar)
            else:
                yield self.line(bar, text.rjust(self._arrow), "")
        arrow = self._arrow_of(result, to_the_right=is_client)
        left = right = bar
        if result.act.event is not None and is_client:
            left = str(result.client)
        elif result.act.event is not None:
            right = str(result.server)
        yield self.line(left, arrow, right, seen, (result.client, result.server))

    def _arrow_of(self, result: StepResult, *, to_the_right: bool) -> str:
        """Format the arrow of a segment; empty if no segment is sent."""
        if result.segment is None:
            return ""
        _, stroke, right, left = self._signs
        text = f" {result.segment} {result.numbers} "
        if len(text) > self._arrow - 3:
            text = f" {result.segment} "
        shaft = text.center(self._arrow - 1, stroke)
        return f"{shaft}{right}" if to_the_right else f"{left}{shaft}"


def _without_end(text: str) -> str:
    """Strip trailing blanks from a line, coloured or not."""
    stripped = text.rstrip()
    if stripped.endswith("\x1b[0m"):
        return stripped.removesuffix("\x1b[0m").rstrip() + "\x1b[0m"
    return stripped


def describe_act(result: StepResult) -> str:
    """Describe an act that its segment alone does not explain."""
    act = result.act
    if act.text:
        return act.text
    if act.event is Event.TWO_MSL:
        return "2 MSL later (Linux 60 s)"
    return CALLS.get(act.event, "") if act.event is not None else ""
