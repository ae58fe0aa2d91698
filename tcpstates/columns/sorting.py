"""Sort rows, and limit their number.

Sorting keeps all batches in memory, and a key for each socket; a limit alone keeps
none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, NamedTuple, TypeVar

from tcpstates.batch import Batch
from tcpstates.columns.registry import Column, find_column
from tcpstates.model import Names

T = TypeVar("T")
MakeRows = Callable[[Batch], Sequence[T]]


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
            yield self._sorted(list(batches), names, make)
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
        self, batches: Sequence[Batch], names: Names, make: MakeRows[T]
    ) -> list[T]:
        """Sort the rows; unknown values come last."""
        # A place combines a batch number and a row number in one integer.
        places: list[int] = []
        for number, batch in enumerate(batches):
            places += range(number << 32, (number << 32) + len(batch))
        for key in reversed(self._keys):
            fill = key.column.order or key.column.values
            values: dict[int, Any] = {}
            for number, batch in enumerate(batches):
                start = number << 32
                values.update(enumerate(fill(batch, names), start))
            known = [place for place in places if values[place] is not None]
            unknown = [place for place in places if values[place] is None]
            known.sort(key=values.__getitem__, reverse=key.descending)
            places = known + unknown
        if self._limit is not None:
            self.left_out = max(0, len(places) - self._limit)
            places = places[: self._limit]
        shown = set(places)
        made: dict[int, T] = {}
        for number, batch in enumerate(batches):
            start = number << 32
            all_here = range(start, start + len(batch))
            here = list(map(shown.__contains__, all_here))
            if any(here):
                rows = make(batch.select(here))
                made.update(zip(compress(all_here, here), rows, strict=True))
        return list(map(made.__getitem__, places))
