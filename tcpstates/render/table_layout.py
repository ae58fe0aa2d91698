"""Decide how a table fits a terminal: what stands beside, below, or wraps.

Only the list of processes may be broken into lines, between two processes. Other
columns leave the table when it is too wide, the least important first, and stand
below their row. Addresses are never cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tcpstates.columns.registry import (
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
GAP = 2  # cells between columns
# A name, which may be quoted and hold anything, then pid and descriptor.
_HOLDER = re.compile(r'(?:^|(?<=,))(?:"(?:\\.|[^"\\])*"|[^",(]*)\([^()]*\),?')

Cells = dict[Column, Sequence[str]]


class Fit(NamedTuple):
    """How a table is laid out for one width."""

    beside: list[Column]
    below: list[Column]
    width: int  # of what stands beside; more than the terminal's: nothing fits
    processes: list[str]  # cells of that column with line ends where they wrap


def fit_table(cells: Cells, width: int, *, header: bool, wide: bool) -> Fit:
    """Return the layout; `wide` puts everything beside, whatever the width."""
    lengths = {
        column: max([len(column.heading) * header, *map(cell_length, filled)])
        for column, filled in cells.items()
    }
    processes = list(cells.get(PROCESS, ()))
    if wide:
        return Fit(list(cells), [], _width(lengths), processes)
    whole = lengths.get(PROCESS, 0)
    if PROCESS in cells:
        items = [item for cell in processes for item in split_holders(cell)]
        heading = len(PROCESS.heading) * header
        lengths[PROCESS] = max([heading, *map(cell_length, items)])
    beside = {c: n for c, n in lengths.items() if c not in _ALWAYS_BELOW}
    # What was asked for by name only goes first, the last one named before others.
    named = [c for c in reversed(cells) if c not in (*_LEAST_IMPORTANT, STATE, LOCAL)]
    for column in (*named, *_LEAST_IMPORTANT):
        if _width(beside) <= width or len(beside) == 1:
            break
        beside.pop(column, None)
    if PROCESS in beside:
        beside[PROCESS] = min(whole, beside[PROCESS] + width - _width(beside))
        processes = [wrap_holders(cell, beside[PROCESS]) for cell in processes]
    below = [column for column in cells if column not in beside]
    return Fit(list(beside), below, _width(beside), processes)


def _width(lengths: dict[Column, int]) -> int:
    return sum(length + GAP for length in lengths.values()) - GAP


def natural_width(cells: Sequence[Sequence[str]]) -> int:
    """Return how wide a table is in which nothing wraps."""
    return sum(max(map(cell_length, filled), default=0) + GAP for filled in cells)


def cell_length(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def split_holders(cell: str) -> list[str]:
    """Return the processes of a cell, each but the last with its comma."""
    parts = _HOLDER.findall(cell)
    return parts if "".join(parts) == cell else [cell]


def wrap_holders(cell: str, width: int) -> str:
    """Return a cell of processes in lines of at most `width`, if each one fits."""
    lines: list[str] = []
    for item in split_holders(cell):
        if lines and cell_length(lines[-1] + item) <= width:
            lines[-1] += item
        else:
            lines.append(item)
    return "\n".join(lines)
