"""Batches of sockets, held as columns.

A *batch* is a few hundred sockets of one protocol and family. Records are too slow for
a million of them: for 100,000 sockets, columns cut from the kernel's answer and joined
by `map` take 0.12 s, one NamedTuple per row 0.31 s, one frozen dataclass 0.45 s.

The columns are those of `fields.ColumnName`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, TypeVar

from tcpstates.fields import COLUMN_NAMES, ColumnName, InfoColumn

B = TypeVar("B", bound="Batch")
Later = Mapping[ColumnName, Callable[["Batch"], Sequence[Any]]]


class Batch:
    """Sockets of one protocol, family and origin as columns.

    Every method that takes the name of a column raises KeyError for an unknown one.
    """

    __slots__ = ("_columns", "_is_extended", "family", "later", "origin", "protocol")

    def __init__(self, protocol: str, family: str) -> None:
        self.protocol = protocol
        self.family = family
        self.origin = ""  # the label of where it was read; "": this host
        # Columns are made when they are first asked for.
        self._columns: dict[ColumnName, Sequence[Any]] = {}
        self._is_extended = False  # whether another stage has added columns
        # Columns that another stage makes of the batch when they are first asked for.
        self.later: Later = {}

    def __len__(self) -> int:
        raise NotImplementedError

    def column(self, name: ColumnName) -> Sequence[Any]:
        """One value per socket, None for each that the source does not report."""
        values = self.get(name)
        return [None] * len(self) if values is None else values

    def get(self, name: ColumnName) -> Sequence[Any] | None:
        """One value per socket; None: the source does not report the column."""
        values = self._columns.get(name)
        if values is None:
            _check(name)
            make = self.later.get(name)
            values = self._make(name) if make is None else make(self)
            if values is not None:
                self._columns[name] = values
        return values

    def rows(self, *names: ColumnName) -> Iterator[tuple[Any, ...]]:
        """Iterate over the sockets, as tuples of these columns."""
        return zip(*map(self.column, names), strict=True)

    def info_columns(self) -> tuple[InfoColumn, ...] | None:
        """The fields of tcp_info that every socket has; (): no socket has tcp_info.

        None if sockets differ in their fields, or if the source does not know: then
        only the column `info` shows which fields a socket has.
        """
        return None

    def set(self, name: ColumnName, values: Sequence[Any]) -> None:
        """Add a column that another stage has determined."""
        _check(name)
        self._columns[name] = values
        self._is_extended = True

    def parts(self) -> tuple[Any, ...] | None:
        """The arguments of its class, to make the batch again in another process.

        They are of types that `marshal` knows. None: it has to stay in this process.
        """
        return None

    def select(self: B, chosen: Sequence[Any]) -> B:
        """The sockets for which `chosen` is true, with every column."""
        if all(chosen):
            return self
        selected = self._only(chosen)
        selected.origin = self.origin
        selected._is_extended = self._is_extended
        selected.later = self.later
        selected._columns = {
            name: list(compress(values, chosen))
            for name, values in self._columns.items()
        }
        return selected

    def copy(self: B) -> B:
        """The same sockets, in a batch whose columns can be set independently."""
        from copy import copy  # rarely needed, and slow to load

        made = copy(self)
        made._columns = dict(self._columns)
        return made

    def _only(self: B, chosen: Sequence[Any]) -> B:
        """A batch of the chosen sockets that can make their columns again."""
        raise NotImplementedError

    def _make(self, name: ColumnName) -> Sequence[Any] | None:
        """Make a column; None: the source does not report it."""
        raise NotImplementedError


class LateColumn(Sequence[Any]):
    """A column whose values are made when the first of them is asked for.

    It brings what they are made of; `Batch.later` makes columns of other columns.
    """

    __slots__ = ("_count", "_make", "_values")

    def __init__(self, count: int, make: Callable[[], Sequence[Any]]) -> None:
        self._count, self._make = count, make
        self._values: Sequence[Any] | None = None

    def _made(self) -> Sequence[Any]:
        if self._values is None:
            self._values = self._make()
        return self._values

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        return self._made()[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._made())


class ColumnBatch(Batch):
    """A batch whose columns were all given to it."""

    __slots__ = ("_count",)

    def __init__(
        self,
        protocol: str,
        family: str,
        count: int,
        columns: Mapping[ColumnName, Sequence[Any]],
    ) -> None:
        super().__init__(protocol, family)
        for name in columns:
            _check(name)
        self._columns = dict(columns)
        self._count = count

    def __len__(self) -> int:
        return self._count

    def _make(self, name: ColumnName) -> Sequence[Any] | None:
        infos = self._columns.get("info")
        if infos is None or not name.startswith("info."):
            return None
        key = name.removeprefix("info.")
        return [info.get(key) if info else None for info in infos]

    def _only(self, chosen: Sequence[Any]) -> ColumnBatch:
        count = sum(map(bool, chosen))
        return ColumnBatch(self.protocol, self.family, count, {})


def _check(name: str) -> None:
    if name not in COLUMN_NAMES:
        raise KeyError(f"unknown column {name!r}: see tcpstates.fields.ColumnName")
