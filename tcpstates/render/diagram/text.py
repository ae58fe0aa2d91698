"""Draw the diagram with characters, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from tcpstates.lifecycle.machine import Transition, ways_in, ways_out
from tcpstates.render.diagram.layout import (
    BOX_HEIGHT,
    BOX_WIDTH,
    BOXES,
    HEIGHT,
    ROUTES,
    WIDTH,
    Box,
    Emphasis,
    Point,
    Route,
    box_emphasis,
    route_emphasis,
)
from tcpstates.render.styles import DIM, paint
from tcpstates.states import TcpState

# Vertical, horizontal, corners (upper left and right, lower left and right).
_PLAIN, _HEAVY, _DOUBLE = map(tuple, ("│─┌┐└┘", "┃━┏┓┗┛", "║═╔╗╚╝"))
_HEADS = {(0, 1): "▼", (0, -1): "▲", (1, 0): "▶", (-1, 0): "◀"}
_ASCII = str.maketrans(
    "│─┌┐└┘┃━┏┓┗┛║═╔╗╚╝▼▲▶◀", "|-++++" + "#=####" + "#=####" + "v^><"
)
_CORNERS = {  # the two directions that meet there, both outward
    frozenset({(0, 1), (1, 0)}): 2,
    frozenset({(0, 1), (-1, 0)}): 3,
    frozenset({(0, -1), (1, 0)}): 4,
    frozenset({(0, -1), (-1, 0)}): 5,
}


class Overlap(ValueError):
    """Two parts use the same cell: the layout is wrong."""


def render_diagram(
    counts: Mapping[str, int] | None,
    *,
    highlight: TcpState | None = None,
    color: bool = False,
    encoding: str = "utf-8",
) -> Iterator[str]:
    """Yield the lines, at most 80 characters wide.

    `counts` None: not available. `highlight` draws the box of a state and its edges in
    heavier lines, and lists the edges below.
    """
    canvas = _Canvas(highlight)
    for box in BOXES:
        canvas.box(box, _number(box, counts))
    for route in ROUTES:
        canvas.route(route)
    try:
        "".join(_HEADS.values()).encode(encoding)
        signs = {}
    except UnicodeEncodeError:
        signs = _ASCII
    for line in canvas.lines(color=color):
        yield line.translate(signs) + "\n"
    if highlight is not None:
        yield "\n"
        yield from _ways(highlight)


def _number(box: Box, counts: Mapping[str, int] | None) -> str:
    if not box.counted:
        return ""
    return "?" if counts is None else str(counts.get(str(box.state), 0))


class _Canvas:
    """Cells, each with a character and the state whose colour it has, if any."""

    def __init__(self, highlight: TcpState | None) -> None:
        self._highlight = highlight
        self._cells: dict[Point, tuple[str, str]] = {}

    def put(self, x: int, y: int, text: str, style: str = "") -> None:
        """Write a text from a cell on; raise Overlap if a cell is in use."""
        for place, sign in enumerate(text, start=x):
            if (place, y) in self._cells:
                raise Overlap(f"{text!r} at {place}, {y}")
            self._cells[place, y] = sign, style

    def box(self, box: Box, number: str) -> None:
        """Draw a box with its name and number."""
        emphasis = box_emphasis(box.state, self._highlight)
        upright, level, *corners = _DOUBLE if emphasis is Emphasis.LIT else _PLAIN
        style = DIM if emphasis is Emphasis.FADED else ""
        inner = BOX_WIDTH - 2
        x, y = box.x, box.y
        self.put(x, y, corners[0] + level * inner + corners[1], style)
        for row, text in ((y + 1, str(box.state)), (y + 2, number)):
            self.put(x, row, upright, style)
            self.put(x + 1, row, text.center(inner), str(box.state))
            self.put(x + inner + 1, row, upright, style)
        last = y + BOX_HEIGHT - 1
        self.put(x, last, corners[2] + level * inner + corners[3], style)

    def route(self, route: Route) -> None:
        """Draw an edge with its arrowhead and its label."""
        emphasis = route_emphasis(route.edge, self._highlight)
        style = DIM if emphasis is Emphasis.FADED else ""
        upright, level, *_ = signs = _HEAVY if emphasis is Emphasis.LIT else _PLAIN
        cells = route.cells
        for before, here, after in zip(cells, cells[1:], cells[2:], strict=False):
            ahead = after[0] - here[0], after[1] - here[1]
            back = before[0] - here[0], before[1] - here[1]
            if after == cells[-1]:
                sign = _HEADS[ahead]
            elif ahead[0] == -back[0] and ahead[1] == -back[1]:
                sign = level if ahead[0] else upright
            else:
                sign = signs[_CORNERS[frozenset({ahead, back})]]
            self.put(*here, sign, style)
        x, y = route.label
        for row, line in enumerate(route.lines, start=y):
            self.put(x, row, line, style)

    def lines(self, *, color: bool) -> Iterator[str]:
        """Yield the lines of the drawing."""
        blank = " ", ""
        for y in range(HEIGHT):
            row = [self._cells.get((x, y), blank) for x in range(WIDTH)]
            parts = groupby(row, key=lambda cell: cell[1])
            runs = ((style, "".join(s for s, _ in cells)) for style, cells in parts)
            painted = (paint(style, text) if color else text for style, text in runs)
            yield "".join(painted).rstrip()


def _ways(state: TcpState) -> Iterator[str]:
    """Describe the edges that lead to and from a state."""
    for edge in ways_in(state):
        yield f"in:  from {edge.source}, {_recent_batches(edge)}\n"
    for edge in ways_out(state):
        yield f"out: to {edge.target}, {_recent_batches(edge)}\n"


def _recent_batches(edge: Transition) -> str:
    return f"{edge.event}" + (f", snd {edge.sends}" if edge.sends else "")
