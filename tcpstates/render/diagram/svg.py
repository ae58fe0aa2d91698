"""Draw the diagram as SVG, with a light and a dark theme.

It loads no external resources and runs no scripts, so it can be attached to a report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from tcpstates.lifecycle.explanations import MEANINGS
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
from tcpstates.render.styles import rich_style
from tcpstates.states import TcpState

_CELL_WIDTH, _CELL_HEIGHT = 9, 18  # pixels
_FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
# The colours of the table, readable on a light and on a dark background.
_COLORS = {
    "cyan": ("#0b7285", "#66d9e8"),
    "green": ("#2b8a3e", "#69db7c"),
    "magenta": ("#9c36b5", "#e599f7"),
    "bold red": ("#c92a2a", "#ff8787"),
    "dim": ("#6c757d", "#a0a7ad"),
    "": ("#212529", "#e9ecef"),
}
_GROUNDS = (("#fff", "#212529", "#d9480f"), ("#14171a", "#e9ecef", "#ffa94d"))
_WAY = "#868e96"  # grey, for the lines: readable on both backgrounds
_CLASSES = {color: f"c{number}" for number, color in enumerate(_COLORS)}


def render_svg(
    counts: Mapping[str, int] | None,
    *,
    highlight: TcpState | None = None,
    is_linked: bool = False,
) -> Iterator[str]:
    """Yield the drawing as one SVG element; counts and highlight as in the text.

    `is_linked`: every state links to the place of that name on the same page.
    """
    width, height = WIDTH * _CELL_WIDTH, HEIGHT * _CELL_HEIGHT
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" role="img"'
        f' font-family="{_FONT}" font-size="15">\n'
        "<title>The TCP states, and the number of sockets in each</title>\n"
        f"<style>{_style()}</style>\n"
        f"<defs>{_head('head', 9)}{_head('lithead', 13)}</defs>\n"
        f'<rect width="{width}" height="{height}" class="ground"/>\n'
    )
    for route in ROUTES:
        yield from _route(route, highlight)
    for box in BOXES:
        drawn = _box(box, counts, highlight)
        if is_linked:
            yield f'<a href="#{box.state}">'
        yield from drawn
        if is_linked:
            yield "</a>"
    yield "</svg>\n"


def _style() -> str:
    """Format the rules for the light theme, and the dark ones that override them.

    They use no CSS variables, which many image viewers do not support.
    """
    always = (
        ".way{fill:none}.box,.way{stroke-width:1.5}.number{font-weight:bold}"
        ".middle{text-anchor:middle}.lit .way{stroke-width:3}"
        ".lit .box,.now .box{stroke-width:4}.faded{opacity:.35}"
    )
    return f"{always}{_rules(0)}@media (prefers-color-scheme:dark){{{_rules(1)}}}"


def _rules(ground: int) -> str:
    """Format the colour rules for a light (0) or a dark (1) background."""
    paper, ink, lit = _GROUNDS[ground]
    states = (
        f".{_CLASSES[color]} .box{{stroke:{pair[ground]}}}"
        f".{_CLASSES[color]} .name{{fill:{pair[ground]}}}"
        for color, pair in _COLORS.items()
    )
    return (
        f".ground,.box{{fill:{paper}}}.number,.label{{fill:{ink}}}"
        f".way{{stroke:{_WAY}}}.head{{fill:{_WAY}}}{''.join(states)}"
        f".lit .way{{stroke:{lit}}}.lit .label,.lithead{{fill:{lit}}}"
    )


def _place(point: Point) -> tuple[float, float]:
    """Compute the centre of a cell in pixels."""
    return (point[0] + 0.5) * _CELL_WIDTH, (point[1] + 0.5) * _CELL_HEIGHT


def _head(name: str, size: int) -> str:
    """Format an arrowhead."""
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" orient="auto"'
        f' markerWidth="{size}" markerHeight="{size}" markerUnits="userSpaceOnUse">'
        f'<path d="M0 0 10 5 0 10z" class="{name}"/></marker>'
    )


def _route(route: Route, highlight: TcpState | None) -> Iterator[str]:
    points = " ".join(f"{x:g},{y:g}" for x, y in map(_place, route.points))
    emphasis = route_emphasis(route.edge, highlight)
    head = "lithead" if emphasis is Emphasis.LIT else "head"
    edge = route.edge
    yield (
        f'<g class="{emphasis.value}" data-from="{edge.source}"'
        f' data-to="{edge.target}">'
    )
    yield f'<polyline points="{points}" class="way" marker-end="url(#{head})"/>'
    x, y = route.label
    for row, line in enumerate(route.lines, start=y):
        yield _text(x, row, line, "label")
    yield "</g>\n"


def _box(
    box: Box, counts: Mapping[str, int] | None, highlight: TcpState | None
) -> Iterator[str]:
    left, top = _place((box.x, box.y))
    width, height = (BOX_WIDTH - 1) * _CELL_WIDTH, (BOX_HEIGHT - 1) * _CELL_HEIGHT
    emphasis = box_emphasis(box.state, highlight)
    yield f'<g class="{emphasis.value}" data-state="{box.state}">'
    yield f'<g class="{_CLASSES[rich_style(str(box.state))]}">'
    yield f"<title>{box.state}: {escape(MEANINGS[box.state].summary)}</title>"
    yield (
        f'<rect x="{left:g}" y="{top:g}" width="{width}" height="{height}"'
        ' rx="4" class="box"/>'
    )
    number = _number(box.state, counts) if box.counted else ""
    middle = left + width / 2
    for row, text, kind in ((1, str(box.state), "name"), (2, number, "number")):
        y = _base(box.y + row)
        yield f'<text x="{middle:g}" y="{y:g}" class="{kind} middle">{text}</text>'
    yield "</g></g>\n"


def _number(state: TcpState, counts: Mapping[str, int] | None) -> str:
    return "?" if counts is None else str(counts.get(str(state), 0))


def _base(row: int) -> float:
    """Compute the baseline of a row in pixels."""
    return (row + 0.78) * _CELL_HEIGHT


def _text(x: int, row: int, text: str, kind: str) -> str:
    """Format a text that takes one cell per character, in any font."""
    return (
        f'<text x="{x * _CELL_WIDTH}" y="{_base(row):g}"'
        f' textLength="{len(text) * _CELL_WIDTH}" lengthAdjust="spacingAndGlyphs"'
        f' class="{kind}">{escape(text)}</text>'
    )
