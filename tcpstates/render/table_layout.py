"""Fit a table to a terminal: which columns stay, move below their row, or wrap.

Only the list of processes may wrap, between two processes. If the table is too wide,
other columns move below their row, the least important first. Addresses are never cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tcpstates.columns.registry import (
    CGROUP,
    COOKIE,
    INFO,
    INFO_IN_FULL,
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

# The order in which columns leave a narrow table. State and local address stay.
_LEAST_IMPORTANT = (
    INFO,
    INFO_IN_FULL,
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
_ALWAYS_BELOW = (INFO, INFO_IN_FULL, MEMORY)
GAP = 2  # cells between columns
# A name, which may be quoted and contain anything, then pid and descriptor.
_HOLDER = re.compile(r'(?:^|(?<=,))(?:"(?:\\.|[^"\\])*"|[^",(]*)\([^()]*\),?')

Cells = dict[Column, Sequence[str]]


class TableLayout(NamedTuple):
    """The layout of a table for one width."""

    beside: list[Column]
    below: list[Column]
    width: int  # of the columns beside; if it exceeds the terminal's, nothing fits
    processes: list[str]  # cells of that column, with line breaks where they wrap


def fit_table(cells: Cells, width: int, *, header: bool, wide: bool) -> TableLayout:
    """Compute the layout; `wide` keeps all columns beside, whatever the width."""
    lengths = {
        column: max([len(column.heading) * header, *map(cell_length, filled)])
        for column, filled in cells.items()
    }
    processes = list(cells.get(PROCESS, ()))
    if wide:
        return TableLayout(list(cells), [], _width(lengths), processes)
    whole = lengths.get(PROCESS, 0)
    if PROCESS in cells:
        items = [item for cell in processes for item in split_holders(cell)]
        heading = len(PROCESS.heading) * header
        lengths[PROCESS] = max([heading, *map(cell_length, items)])
    beside = {c: n for c, n in lengths.items() if c not in _ALWAYS_BELOW}
    # Columns that were requested by name leave first, the last named one before others.
    named = [c for c in reversed(cells) if c not in (*_LEAST_IMPORTANT, STATE, LOCAL)]
    for column in (*named, *_LEAST_IMPORTANT):
        if _width(beside) <= width or len(beside) == 1:
            break
        beside.pop(column, None)
    if PROCESS in beside:
        beside[PROCESS] = min(whole, beside[PROCESS] + width - _width(beside))
        processes = [wrap_holders(cell, beside[PROCESS]) for cell in processes]
    below = [column for column in cells if column not in beside]
    return TableLayout(list(beside), below, _width(beside), processes)


def _width(lengths: dict[Column, int]) -> int:
    return sum(length + GAP for length in lengths.values()) - GAP


def natural_width(cells: Sequence[Sequence[str]]) -> int:
    """Compute the width of a table in which nothing wraps."""
    return sum(max(map(cell_length, filled), default=0) + GAP for filled in cells)


def cell_length(text: str) -> int:
    """Count the terminal cells that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def split_holders(cell: str) -> list[str]:
    """Split a cell into its processes, each but the last with its comma."""
    parts = _HOLDER.findall(cell)
    return parts if "".join(parts) == cell else [cell]


def wrap_holders(cell: str, width: int) -> str:
    """Wrap a cell of processes to lines of at most `width`, if each process fits."""
    lines: list[str] = []
    for item in split_holders(cell):
        if lines and cell_length(lines[-1] + item) <= width:
            lines[-1] += item
        else:
            lines.append(item)
    return "\n".join(lines)
