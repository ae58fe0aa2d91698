"""Tables for a person at a terminal, drawn with rich.

What does not fit beside the rest goes to an indented line below its socket, the
least important first; addresses are never cut. rich is loaded here only, and gets
`Text`, never markup.
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

from tcpstates.render.columns import (
    BASIC,
    CGROUP,
    COOKIE,
    INFO,
    INODE,
    INTERFACE,
    LOCAL,
    MARK,
    MEMORY,
    PROCESS,
    PROTOCOL,
    RECV_Q,
    REMOTE,
    SEND_Q,
    STATE,
    TIMER,
    USER,
    Column,
)
from tcpstates.render.styles import rich_style

# The first to leave a narrow table. State and local address stay.
_LEAST_IMPORTANT = (
    INFO,
    MEMORY,
    MARK,
    COOKIE,
    CGROUP,
    INTERFACE,
    INODE,
    USER,
    TIMER,
    PROCESS,
    PROTOCOL,
    SEND_Q,
    RECV_Q,
    REMOTE,
)
_ALWAYS_BELOW = (INFO, MEMORY)
_UNLABELLED = (PROTOCOL, PROCESS, INFO, MEMORY)  # they speak for themselves
_NOTHING = ("-", "", "0x0")  # not worth a word on a line of its own
_GAP = 2  # between columns
_INDENT = 4  # of the lines below a row


class Screen(NamedTuple):
    """What is known of the terminal."""

    width: int  # cells; 0 and less count as 1
    color: bool
    encoding: str


class _Stream(StringIO):
    """A text buffer that tells rich the terminal's encoding."""

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
        force_terminal=screen.color,
        color_system="standard" if screen.color else None,
        no_color=not screen.color,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        legacy_windows=False,
    )


def _printed(console: Console) -> str:
    stream = console.file
    assert isinstance(stream, StringIO)  # noqa: S101  (made by _console)
    lines = stream.getvalue().split("\n")
    return "\n".join(line.rstrip(" ") for line in lines)


def render_table(
    columns: Sequence[Column],
    cells: Sequence[Sequence[str]],
    screen: Screen,
    *,
    header: bool = True,
    wide: bool = False,
) -> str:
    """Return the sockets as a table; `cells` are columns, all of one length.

    `wide` keeps every column beside the others, however long the lines get.
    """
    lengths = {
        column: max([len(column.heading) * header, *map(_cell_len, filled)])
        for column, filled in zip(columns, cells, strict=True)
    }
    beside = list(columns) if wide else _fit(columns, lengths, screen.width)
    below = [column for column in columns if column not in beside]
    width = _width(beside, lengths)
    console = _console(screen, max(width, screen.width) if wide else None)
    by_column = dict(zip(columns, cells, strict=True))
    if width > console.width:  # not even state and address: very narrow
        heads: list[Text | list[Segment]] = [
            Text(f"{word} ", style=rich_style(word), overflow="fold").append(
                by_column[LOCAL][row], style="default"
            )
            for row, word in enumerate(by_column[STATE])
        ]
        heading: list[list[Segment]] = []
    else:
        table = _table(beside, by_column, header=header)
        lines = console.render_lines(table, pad=False)
        number = len(lines) - len(cells[0])
        heading, heads = lines[:number], list(lines[number:])
    for line in heading:
        console.print(_text(line))
    for row, head in enumerate(heads):
        console.print(head if isinstance(head, Text) else _text(head))
        for words in _lines_below(below, by_column, row, console.width - _INDENT):
            console.print(Padding(words, (0, 0, 0, min(_INDENT, console.width // 8))))
    return _printed(console)


def _cell_len(text: str) -> int:
    from rich.cells import cell_len

    return len(text) if text.isascii() else cell_len(text)


def _width(columns: Sequence[Column], lengths: dict[Column, int]) -> int:
    return sum(lengths[column] + _GAP for column in columns) - _GAP


def _fit(
    columns: Sequence[Column], lengths: dict[Column, int], width: int
) -> list[Column]:
    """Return the columns that fit side by side; the others go below their row."""
    beside = [column for column in columns if column not in _ALWAYS_BELOW]
    for column in _LEAST_IMPORTANT:
        if _width(beside, lengths) <= width:
            break
        if column in beside:
            beside.remove(column)
    return beside


def _table(
    beside: Sequence[Column],
    by_column: dict[Column, Sequence[str]],
    *,
    header: bool,
) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        show_header=header,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
        header_style="bold",
    )
    for column in beside:
        justify: Any = "right" if column.right else "left"
        table.add_column(Text(column.heading), justify=justify, no_wrap=True)
    for row in zip(*(by_column[column] for column in beside), strict=True):
        table.add_row(
            *(
                Text(text, style=rich_style(text) if column is STATE else "")
                for column, text in zip(beside, row, strict=True)
            )
        )
    return table


def _text(line: Sequence[Segment]) -> Text:
    """Return a rendered line as text that is printed as it is."""
    text = Text(no_wrap=True, overflow="ignore", end="")
    for segment in line:
        text.append(segment.text.rstrip("\n"), style=segment.style)
    text.rstrip()
    text.end = "\n"
    return text


def _lines_below(
    columns: Sequence[Column],
    by_column: dict[Column, Sequence[str]],
    row: int,
    width: int,
) -> list[Text]:
    """Return a row's other cells as "name value" words, in lines of whole words.

    A cell longer than a line is folded; what is unknown is left out.
    """
    lines: list[Text] = []
    for column in columns:
        value = by_column[column][row]
        if value in _NOTHING or (column is REMOTE and value.endswith(":*")):
            continue
        label = "" if column in _UNLABELLED else f"{column.key} "
        item = Text(label, style="dim", overflow="fold").append(value, style="default")
        if lines and lines[-1].cell_len + 2 + item.cell_len <= width:
            lines[-1].append("  ").append_text(item)
        else:
            lines.append(item)
    return lines


def render_summary(
    headings: Sequence[str], rows: Sequence[tuple[str, list[int]]], screen: Screen
) -> str:
    """Return the counts by state as a table, zeros dimmed."""
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
        header_style="bold",
    )
    table.add_column(Text("state"))
    for heading in headings:
        table.add_column(Text(heading), justify="right")
    for word, numbers in rows:
        if word == "total":
            table.add_section()
        cells = [Text(str(n), style="" if n else "dim") for n in numbers]
        table.add_row(Text(word, style=rich_style(word)), *cells)
    console = _console(screen)
    console.print(table)
    return _printed(console)


assert set(_LEAST_IMPORTANT) >= set(BASIC) - {STATE, LOCAL}  # noqa: S101
