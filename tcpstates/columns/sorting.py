"""The order of rows, and how many of them are shown.

Sorting holds every socket, as batches, and a key for each; a limit alone holds none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, NamedTuple, TypeVar

from tcpstates.columns.registry import Column, find_column
from tcpstates.model import Batch, Names

T = TypeVar("T")
MakeRows = Callable[[Batch], Sequence[T]]


class SortKey(NamedTuple):
    """A column to sort by."""

    column: Column
    descending: bool


def find_sort_keys(words: str) -> tuple[SortKey, ...]:
    """Return what a list sorts by: `state,-recv-q`, where - means the largest first.

    Raise ColumnError for what is no column.
    """
    return tuple(
        SortKey(find_column(word.removeprefix("-")), word.startswith("-"))
        for word in map(str.strip, words.split(","))
    )


class Arrangement:
    """Rows in an order, up to a limit; `left_out` is how many the limit has cost."""

    def __init__(self, keys: Sequence[SortKey], limit: int | None) -> None:
        """Without keys the order is the source's; without limit all are shown."""
        self._keys = keys
        self._limit = limit
        self.left_out = 0

    def rows(
        self, batches: Iterable[Batch], names: Names, make: MakeRows[T]
    ) -> Iterator[Sequence[T]]:
        """Yield rows, made of batches by `make`, in portions."""
        if self._keys:
            yield self._sorted(list(batches), names, make)
        else:
            yield from map(make, self.batches(batches))

    def batches(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches up to the limit, in the order in which they come."""
        if self._limit is None:
            yield from batches
            return
        room = self._limit
        for batch in batches:
            kept = min(room, len(batch))
            self.left_out += len(batch) - kept
            room -= kept
            if kept:
                yield batch.keep([index < kept for index in range(len(batch))])

    @property
    def is_sorted(self) -> bool:
        """Tell whether every row has to be known before the first is shown."""
        return bool(self._keys)

    def _sorted(
        self, batches: Sequence[Batch], names: Names, make: MakeRows[T]
    ) -> list[T]:
        """Return the rows in order; what nobody can tell comes last."""
        # A place is a batch's number and a row in it, as one integer.
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
                rows = make(batch.keep(here))
                made.update(zip(compress(all_here, here), rows, strict=True))
        return list(map(made.__getitem__, places))
