"""Draw tables for a terminal with rich.

Columns that do not fit move to an indented line below their socket, the least important
first; addresses are never cut. rich is loaded only here, and gets `Text`, never markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tcpstates.columns.registry import (
    INFO,
    INFO_IN_FULL,
    MEMORY,
    PROCESS,
    PROTOCOL,
    REMOTE,
    STATE,
    Column,
)
from tcpstates.render.styles import rich_style
from tcpstates.render.table_layout import GAP, Cells, fit_table

_UNLABELLED = (PROTOCOL, PROCESS, INFO, INFO_IN_FULL, MEMORY)  # they need no label
_NOTHING = ("-", "", "0x0")  # values not shown below a row
_INDENT = 4  # of the lines below a row
_HEIGHT = 25  # lines; no output depends on it


class Screen(NamedTuple):
    """The properties of the terminal."""

    width: int  # cells; less than 1 counts as 1
    color: bool
    encoding: str


class _Stream(StringIO):
    """A text buffer with the encoding of the terminal, for rich."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


def _console(screen: Screen, width: int | None = None) -> Console:
    return Console(
        file=_Stream(screen.encoding),
        width=max(1, screen.width if width is None else width),
        height=_HEIGHT,
        force_terminal=screen.color,
        color_system="standard" if screen.color else None,
        no_color=not screen.color,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        legacy_windows=False,
        _environ={},  # rich would parse COLUMNS and LINES unchecked
    )


def _printed(console: Console) -> str:
    stream = console.file
    assert isinstance(stream, StringIO)  # noqa: S101  (made by _console)
    lines = stream.getvalue().split("\n")
    return "\n".join(line.rstrip(" ") for line in lines)


def render_table(
    columns: Sequence[Column],
    filled: Sequence[Sequence[str]],
    screen: Screen,
    *,
    header: bool = True,
    wide: bool = False,
) -> str:
    """Render sockets as a table; `filled` holds columns, all of the same length.

    `wide` keeps all columns beside each other, however long the lines get.
    """
    cells: Cells = dict(zip(columns, filled, strict=True))
    fit = fit_table(cells, screen.width, header=header, wide=wide)
    console = _console(screen, max(fit.width, screen.width) if wide else None)
    if fit.width > console.width:
        heading: list[Text] = []
        rows = [[line] for line in _bare_rows(fit.beside, cells)]
    else:
        if PROCESS in cells:
            cells[PROCESS] = fit.processes
        table = _table(fit.beside, cells, header=header)
        lines = [_text(line) for line in console.render_lines(table, pad=False)]
        heights = [1 + cell.count("\n") for cell in fit.processes]
        if not (heights and PROCESS in fit.beside):
            heights = [1] * len(filled[0])
        start = len(lines) - sum(heights)
        heading, rows = lines[:start], []
        for height in heights:
            rows.append(lines[start : start + height])
            start += height
    for line in heading:
        console.print(line)
    for number, row in enumerate(rows):
        for line in row:
            console.print(line)
        for words in _lines_below(fit.below, cells, number, console.width - _INDENT):
            console.print(Padding(words, (0, 0, 0, min(_INDENT, console.width // 8))))
    return _printed(console)


def _bare_rows(beside: Sequence[Column], cells: Cells) -> list[Text]:
    """Format state and address of each row, for widths that fit not even these."""
    rows = []
    for values in zip(*(cells[column] for column in beside), strict=True):
        row = Text(" ", overflow="fold").join(
            Text(value, style=rich_style(value) if column is STATE else "")
            for column, value in zip(beside, values, strict=True)
        )
        rows.append(row)
    return rows


def _bare_table(*, header: bool) -> Table:
    """Make a table without columns, in the style that all tables share."""
    return Table(
        box=box.SIMPLE_HEAD,
        show_header=header,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
        header_style="bold",
    )


def _table(beside: Sequence[Column], cells: Cells, *, header: bool) -> Table:
    table = _bare_table(header=header)
    for column in beside:
        justify: Any = "right" if column.right else "left"
        table.add_column(Text(column.heading), justify=justify, no_wrap=True)
    for row in zip(*(cells[column] for column in beside), strict=True):
        table.add_row(
            *(
                Text(text, style=rich_style(text) if column is STATE else "")
                for column, text in zip(beside, row, strict=True)
            )
        )
    return table


def _text(line: Sequence[Segment]) -> Text:
    """Convert a rendered line to text that is printed unchanged."""
    text = Text(no_wrap=True, overflow="ignore", end="")
    for segment in line:
        text.append(segment.text.rstrip("\n"), style=segment.style)
    text.rstrip()
    text.end = "\n"
    return text


def _lines_below(
    columns: Sequence[Column],
    cells: Cells,
    row: int,
    width: int,
) -> list[Text]:
    """Format a row's other cells as "name value" pairs, without splitting pairs.

    A cell longer than a line is folded; unknown values are left out.
    """
    lines: list[Text] = []
    for column in columns:
        if column is PROTOCOL and len(set(cells[column])) == 1:
            continue  # it would be the same below every row
        value = cells[column][row].replace("\n", "")
        if value in _NOTHING or (column is REMOTE and value.endswith(":*")):
            continue
        label = "" if column in _UNLABELLED else f"{column.key} "
        item = Text(overflow="fold").append(label, style="dim").append(value)
        if lines and lines[-1].cell_len + 2 + item.cell_len <= width:
            lines[-1].append("  ").append_text(item)
        else:
            lines.append(item)
    return lines


def render_summary(
    headings: Sequence[str],
    rows: Sequence[tuple[str, list[int]]],
    screen: Screen,
    *,
    header: bool,
) -> str:
    """Render the counts by state as a table, zeros dimmed."""
    table = _bare_table(header=header)
    table.add_column(Text("state"))
    for heading in headings:
        table.add_column(Text(heading), justify="right")
    for label, numbers in rows:
        if label == "total":
            table.add_section()
        cells = [Text(str(n), style="" if n else "dim") for n in numbers]
        table.add_row(Text(label, style=rich_style(label)), *cells)
    console = _console(screen)
    console.print(table)
    return _printed(console)


def render_groups(
    columns: Sequence[Column],
    rows: Sequence[tuple[Sequence[str], int]],
    screen: Screen,
    *,
    header: bool,
) -> str:
    """Render the counts of groups as a table; the last row is the sum."""
    table = _bare_table(header=header)
    table.add_column(Text("Count"), justify="right", no_wrap=True)
    for column in columns:
        table.add_column(Text(column.heading), overflow="fold")
    for number, (texts, counted) in enumerate(rows):
        if number == len(rows) - 1:
            table.add_section()
        cells = [
            Text(text, style=rich_style(text) if column is STATE else "")
            for column, text in zip(columns, texts, strict=True)
        ]
        table.add_row(Text(str(counted), style="" if counted else "dim"), *cells)
    console = _console(screen)
    console.print(table)
    return _printed(console)
