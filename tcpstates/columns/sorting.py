"""Sort rows, and limit their number.

Sorting keeps all batches in memory, and a key for each socket. With a limit, only a few
thousand rows are kept at a time; a limit alone keeps none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import ge, gt, le, lt
from typing import Any, NamedTuple, TypeVar

from tcpstates.batch import Batch
from tcpstates.columns.registry import Column, find_column
from tcpstates.columns.values import Cells
from tcpstates.model import Names

T = TypeVar("T")
MakeRows = Callable[[Batch], Sequence[T]]
# Rows to read before those beyond a limit are dropped: sorting takes 0.3 us per row.
_AT_ONCE = 8192


class SortKey(NamedTuple):
    """A column to sort by."""

    column: Column
    descending: bool

    def values(self, batch: Batch, names: Names) -> Cells:
        """The values to compare; None, which is unknown, comes last."""
        fill = self.column.order or self.column.values
        return fill(batch, names)


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
        number, worst = 0, None
        for batch in batches:
            better = self._better(batch, names, worst)
            if len(better):
                held.append(better)
            number += len(better)
            if self._limit is not None and number > 2 * self._limit + _AT_ONCE:
                held = self._within_limit(held, self._order(held, names))
                number, worst = self._limit, self._worst(held, names)
        places = self._order(held, names)
        if self._limit is not None:
            held = self._within_limit(held, places)
            places = self._order(held, names)
        rows: dict[int, T] = {}
        for index, batch in enumerate(held):
            rows.update(enumerate(make(batch), index << 32))
        return list(map(rows.__getitem__, places))

    def _worst(self, batches: Sequence[Batch], names: Names) -> Any:
        """Return the last value of the first key; None if it is unknown."""
        key = self._keys[0]
        values = [v for batch in batches for v in key.values(batch, names)]
        if not values or None in values:
            return None
        return min(values) if key.descending else max(values)

    def _better(self, batch: Batch, names: Names, worst: Any) -> Batch:
        """Drop rows that are beyond the limit, as so many precede the worst value.

        In most batches of a long listing, no row is within the limit. Finding that out
        takes 0.05 us per row, sorting 0.3 us. `worst` None: it is not known yet.
        """
        if worst is None:
            return batch
        key = self._keys[0]
        values = key.values(batch, names)
        first, beyond, or_equal = (max, gt, ge) if key.descending else (min, lt, le)
        # Of rows that are equal, the first ones are shown, or another key decides.
        is_better = or_equal if len(self._keys) > 1 else beyond
        known = [v for v in values if v is not None] if None in values else values
        if known and is_better(first(known), worst):
            chosen = [v is not None and is_better(v, worst) for v in values]
        else:
            chosen = [False] * len(batch)
        self.left_out += len(batch) - sum(chosen)
        return batch.select(chosen)

    def _order(self, batches: Sequence[Batch], names: Names) -> list[int]:
        """Return the places of the rows in their order.

        A place combines a batch number and a row number in one integer.
        """
        places: list[int] = []
        for number, batch in enumerate(batches):
            places += range(number << 32, (number << 32) + len(batch))
        for key in reversed(self._keys):
            values: dict[int, Any] = {}
            for number, batch in enumerate(batches):
                values.update(enumerate(key.values(batch, names), number << 32))
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
