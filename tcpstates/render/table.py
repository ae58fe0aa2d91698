"""Tables for a person at a terminal, drawn with rich.

What does not fit beside the rest goes to an indented line below its socket, the
least important first; addresses are never cut. rich is loaded here only, and gets
`Text`, never markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.padding import Padding
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
    PROTOCOL,
    SEND_Q,
    RECV_Q,
    PROCESS,
    REMOTE,
)
_ALWAYS_BELOW = (INFO, MEMORY)
_INDENT = 4


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
    beside, below = list(columns), []
    if not wide:
        beside, below = _fit(columns, lengths, screen.width)
    width = sum(lengths[column] + 2 for column in beside)
    console = _console(screen, max(width, screen.width) if wide else None)
    by_column = dict(zip(columns, cells, strict=True))
    table = _table(beside, by_column, header=header, console=console)
    if not below:
        console.print(table)
        return _printed(console)
    return _with_lines_below(table, below, by_column, console)


def _cell_len(text: str) -> int:
    from rich.cells import cell_len

    return len(text) if text.isascii() else cell_len(text)


def _fit(
    columns: Sequence[Column], lengths: dict[Column, int], width: int
) -> tuple[list[Column], list[Column]]:
    """Return the columns that fit side by side, and those that go below."""
    beside = [column for column in columns if column not in _ALWAYS_BELOW]
    for column in _LEAST_IMPORTANT:
        if sum(lengths[c] + 2 for c in beside) - 2 <= width:
            break
        # A cell that stands alone on its line may as well be the last to go.
        if column in beside:
            beside.remove(column)
    return beside, [column for column in columns if column not in beside]


def _table(
    beside: Sequence[Column],
    by_column: dict[Column, Sequence[str]],
    *,
    header: bool,
    console: Console,
) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD if header else None,
        show_header=header,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1),
        header_style="bold",
    )
    for column in beside:
        table.add_column(
            Text(column.heading),
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=False,
        )
    for row in zip(*(by_column[column] for column in beside), strict=True):
        table.add_row(
            *(
                Text(text, style=rich_style(text) if column is STATE else "")
                for column, text in zip(beside, row, strict=True)
            )
        )
    return table


def _with_lines_below(
    table: Table,
    below: Sequence[Column],
    by_column: dict[Column, Sequence[str]],
    console: Console,
) -> str:
    """Print each row of the table followed by its own cells that do not fit."""
    rows = len(next(iter(by_column.values())))
    lines = console.render_lines(table, pad=False)
    heading = len(lines) - rows
    if heading < 0 or heading > 2:  # rows were folded: a very narrow terminal
        return _one_below_the_other(by_column, console)
    for index, line in enumerate(lines):
        for segment in line:
            console.print(Text(segment.text, style=segment.style or ""), end="")
        console.print()
        if index >= heading:
            row = index - heading
            words = _words(below, by_column, row)
            if words.plain:
                console.print(Padding(words, (0, 0, 0, min(_INDENT, console.width // 8))))
    return _printed(console)


def _words(
    columns: Sequence[Column], by_column: dict[Column, Sequence[str]], row: int
) -> Text:
    """Return a row's cells as "heading value" words; what is unknown is left out."""
    words = Text(overflow="fold")
    for column in columns:
        value = by_column[column][row]
        if value in ("-", "") or (column is REMOTE and value.endswith(":*")):
            continue
        if words.plain:
            words.append("  ")
        if column not in (PROCESS, INFO, MEMORY, PROTOCOL):
            words.append(f"{column.heading.lower()} ", style="dim")
        words.append(value)
    return words


def _one_below_the_other(
    by_column: dict[Column, Sequence[str]], console: Console
) -> str:
    """Print each socket as a few lines of words, for terminals of 20 columns."""
    columns = [c for c in by_column if c not in (STATE, LOCAL)]
    for row, word in enumerate(by_column[STATE]):
        head = Text(word, style=rich_style(word), overflow="fold")
        console.print(head.append(f" {by_column[LOCAL][row]}", style="default"))
        words = _words(columns, by_column, row)
        if words.plain:
            console.print(words)
    return _printed(console)


def render_summary(
    headings: Sequence[str], rows: Sequence[tuple[str, list[int]]], screen: Screen
) -> str:
    """Return the counts by state as a table, zeros dimmed."""
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold"
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
