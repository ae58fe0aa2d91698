"""Sort rows, and limit their number.

Sorting keeps all batches in memory, and a key for each socket. With a limit, only a few
thousand rows are kept at a time; a limit alone keeps none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from tcpstates.batch import Batch
from tcpstates.columns.registry import Column, find_column
from tcpstates.model import Names

T = TypeVar("T")
MakeRows = Callable[[Batch], Sequence[T]]
# Rows to read before those beyond a limit are dropped: sorting takes 0.3 us per row.
_AT_ONCE = 8192


class SortKey(NamedTuple):
    """A column to sort by."""

    column: Column
    descending: bool


def find_sort_keys(text: str) -> tuple[SortKey, ...]:
    """Parse sort keys such as `state,-recv-q`, where - sorts in descending order.

    Raise ColumnError for an unknown column.
    """
    return tuple(
        SortKey(find_column(name.removeprefix("-")), name.startswith("-"))
        for name in map(str.strip, text.split(","))
    )


class Arrangement:
    """Sorted rows, up to a limit; `left_out` counts the rows beyond the limit."""

    def __init__(self, keys: Sequence[SortKey], limit: int | None) -> None:
        """Without keys, keep the source's order; without a limit, show all rows."""
        self._keys = keys
        self._limit = limit
        self.left_out = 0

    def rows(
        self, batches: Iterable[Batch], names: Names, make: MakeRows[T]
    ) -> Iterator[Sequence[T]]:
        """Yield portions of rows, which `make` creates from batches."""
        if self._keys:
            yield self._sorted(batches, names, make)
        else:
            yield from map(make, self.batches(batches))

    def batches(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield batches up to the limit, in the order in which they arrive."""
        if self._limit is None:
            yield from batches
            return
        room = self._limit
        for batch in batches:
            kept = min(room, len(batch))
            self.left_out += len(batch) - kept
            room -= kept
            if kept:
                yield batch.select([index < kept for index in range(len(batch))])

    @property
    def is_sorted(self) -> bool:
        """Whether all rows have to be read before the first is shown."""
        return bool(self._keys)

    def _sorted(
        self, batches: Iterable[Batch], names: Names, make: MakeRows[T]
    ) -> list[T]:
        """Sort the rows; unknown values come last."""
        held: list[Batch] = []
        number = 0
        for batch in batches:
            held.append(batch)
            number += len(batch)
            if self._limit is not None and number > 2 * self._limit + _AT_ONCE:
                held = self._within_limit(held, self._order(held, names))
                number = self._limit
        places = self._order(held, names)
        if self._limit is not None:
            held = self._within_limit(held, places)
            places = self._order(held, names)
        rows: dict[int, T] = {}
        for index, batch in enumerate(held):
            rows.update(enumerate(make(batch), index << 32))
        return list(map(rows.__getitem__, places))

    def _order(self, batches: Sequence[Batch], names: Names) -> list[int]:
        """Return the places of the rows in their order.

        A place combines a batch number and a row number in one integer.
        """
        places: list[int] = []
        for number, batch in enumerate(batches):
            places += range(number << 32, (number << 32) + len(batch))
        for key in reversed(self._keys):
            fill = key.column.order or key.column.values
            values: dict[int, Any] = {}
            for number, batch in enumerate(batches):
                values.update(enumerate(fill(batch, names), number << 32))
            known = [place for place in places if values[place] is not None]
            unknown = [place for place in places if values[place] is None]
            known.sort(key=values.__getitem__, reverse=key.descending)
            places = known + unknown
        return places

    def _within_limit(
        self, batches: Sequence[Batch], places: Sequence[int]
    ) -> list[Batch]:
        """Return the batches without the rows whose places are beyond the limit."""
        shown = set(places[: self._limit])
        self.left_out += len(places) - len(shown)
        found = []
        for number, batch in enumerate(batches):
            start = number << 32
            here = list(map(shown.__contains__, range(start, start + len(batch))))
            if any(here):
                found.append(batch.select(here))
        return found
