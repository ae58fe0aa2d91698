"""Tell apart the snapshots in one file."""

from __future__ import annotations

from collections.abc import Iterable

Kind = tuple[str, ...]  # protocol and family


class Snapshots:
    """Counts snapshots.

    A repeated heading starts another snapshot if a protocol and family repeat below it:
    some tools repeat the heading for each protocol and family.
    """

    def __init__(self, wanted: int | None) -> None:
        """Name the one to read, counted from 1; None: all."""
        self.number = 1
        self._wanted = wanted
        self._headings: set[tuple[str, str]] = set()
        self._kinds: set[Kind] = set()  # of this snapshot
        self.is_undecided = False  # the next row decides whether another one begins

    @property
    def is_wanted(self) -> bool:
        """Whether the current snapshot is to be read."""
        return self._wanted in (None, self.number)

    def add_heading(self, layout: str, heading: str) -> None:
        """Take a heading."""
        key = (layout, heading.strip())
        self.is_undecided = key in self._headings
        self._headings.add(key)

    def add_row(self, kind: Kind) -> None:
        """Take a row, which may be the first one below a repeated heading."""
        if self.is_undecided:
            self.is_undecided = False
            if kind in self._kinds:
                self.number += 1
                self._kinds.clear()
        self._kinds.add(kind)

    def add_run(self, kinds: Iterable[Kind]) -> None:
        """Take rows that follow others below the same heading."""
        self._kinds.update(kinds)
