"""Render listings and tallies as CSV (RFC 4180), safe to open in a spreadsheet.

Text that a spreadsheet would interpret as a formula gets a leading apostrophe, as
OWASP's page on CSV injection recommends. Cells with unknown values are empty.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

from tcpstates.batch import Batch
from tcpstates.columns.registry import Column
from tcpstates.columns.tally import Tally
from tcpstates.model import Names

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def row_maker(
    columns: Sequence[Column], names: Names
) -> Callable[[Batch], list[tuple[Any, ...]]]:
    """Make a function that turns each socket of a batch into a row."""

    def rows(batch: Batch) -> list[tuple[Any, ...]]:
        values = (_harmless(column.values(batch, names)) for column in columns)
        return list(zip(*values, strict=True))

    return rows


def _harmless(values: Sequence[Any]) -> Sequence[Any]:
    """Quote values that a spreadsheet would interpret as formulas."""
    texts = {value for value in values if isinstance(value, str)}
    formulas = {text: f"'{text}" for text in texts if text.startswith(_FORMULA)}
    return [formulas.get(value, value) for value in values] if formulas else values


def csv_heading(columns: Sequence[Column]) -> str:
    """Return the heading."""
    return csv_lines([[_name(column) for column in columns]])


def render_tally_csv(tally: Tally, most: int | None, *, header: bool) -> Iterator[str]:
    """Yield a heading and one line per group, the number last."""
    if header:
        yield csv_lines([[*map(_name, tally.columns), "count"]])
    groups, _, _ = tally.groups(most)
    yield csv_lines([(*_harmless(group), number) for group, number in groups])


def _name(column: Column) -> str:
    return column.key.replace("-", "_")


def csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    """Format one line per row."""
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
