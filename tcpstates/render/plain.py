"""Aligned text, one socket a line: for pipes, and for what is too long to fit.

The first rows decide the widths, so that a listing of any length starts at once
and needs no memory. A later cell that is wider pushes the rest of its own line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tcpstates.model import Batch, Names
from tcpstates.render.columns import STATE, Column
from tcpstates.render.styles import paint

_GAP = "  "


def render_plain(
    head: Sequence[Batch],
    rest: Iterable[Batch],
    columns: Sequence[Column],
    names: Names,
    *,
    header: bool = True,
    color: bool = False,
) -> Iterator[str]:
    """Yield the heading and then a text of whole lines for each batch.

    `head` are the first batches; when nothing follows them, columns are as narrow
    as they can be.
    """
    cells = [[column.cells(batch, names) for column in columns] for batch in head]
    following = iter(rest)
    after = next(following, None)
    widths = [
        _width(column, [c[i] for c in cells], header=header, final=after is None)
        for i, column in enumerate(columns)
    ]
    if header:
        headings = [column.heading for column in columns]
        yield _row_format(columns, widths).__mod__(tuple(headings)).rstrip() + "\n"
    painted = None
    if color and STATE in columns:
        painted = columns.index(STATE)
    row = _row_format(columns, widths, unpadded=painted)
    paint_cells = _painter(painted, widths)
    for filled in cells:
        yield _lines(row.__mod__, paint_cells(filled))
    while after is not None:
        filled = [column.cells(after, names) for column in columns]
        yield _lines(row.__mod__, paint_cells(filled))
        after = next(following, None)


def _lines(format_row: Callable[[Any], str], cells: Sequence[Sequence[Any]]) -> str:
    """Return one line a row; this loop runs without Python code for each."""
    text = "\n".join(map(format_row, zip(*cells, strict=True)))
    return text + "\n" if text else ""


def _width(
    column: Column, filled: Sequence[Sequence[Any]], *, header: bool, final: bool
) -> int:
    """Return a column's width: of the cells known, and what others may need."""
    width = len(column.heading) if header else 0
    if not final:
        width = max(width, column.width)
    for cells in filled:
        if len(cells):
            width = max(width, max(map(len, map(str, cells))))
    return width


def _row_format(
    columns: Sequence[Column], widths: Sequence[int], unpadded: int | None = None
) -> str:
    """Return the format of a row; the last column is not padded on its right."""
    parts = []
    last = len(columns) - 1
    for i, (column, width) in enumerate(zip(columns, widths, strict=True)):
        if i == unpadded or (i == last and not column.right):
            parts.append("%s")
        else:
            parts.append(f"%{width}s" if column.right else f"%-{width}s")
    return _GAP.join(parts)


def _painter(
    state: int | None, widths: Sequence[int]
) -> Callable[[list[Sequence[Any]]], list[Sequence[Any]]]:
    """Return what colours the state's cells, which have to be padded before."""
    if state is None:
        return lambda cells: cells
    known: dict[str, str] = {}

    def paint_cells(cells: list[Sequence[Any]]) -> list[Sequence[Any]]:
        for word in set(cells[state]) - known.keys():
            known[word] = paint(word, widths[state])
        painted = list(map(known.__getitem__, cells[state]))
        return [*cells[:state], painted, *cells[state + 1 :]]

    return paint_cells
