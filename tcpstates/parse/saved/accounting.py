"""Track every line of a file, so that no row is lost silently.

A line is settled once it has given a row, belongs to a block that a layout reads as a
whole, or is counted as unreadable. Any other line that may be a socket is counted, too,
as soon as no layout can hold it back any more.
"""

from __future__ import annotations

from collections.abc import Iterable

from tcpstates.parse.saved.suspicion import EXAMINED, may_be_socket

_MOST_NUMBERS = 5  # of unreadable lines are reported
_MOST_OPEN = 20_000  # lines that are remembered
_HELD = 10_000  # lines: more than any layout holds back


class Accounts:
    """Which lines of a file are not settled yet, and how many cannot be read."""

    def __init__(self) -> None:
        self.unreadable = 0
        self.numbers: list[int] = []  # of the first unreadable lines, counted from 1
        self._open: dict[int, str] = {}

    def open(self, number: int, line: str) -> None:
        """Remember a line until it is settled."""
        self._open[number] = line[:EXAMINED]
        if len(self._open) > _MOST_OPEN:
            self.settle_before(number - _HELD)

    def close(self, *numbers: int) -> None:
        """Settle lines that have been read."""
        for number in numbers:
            self._open.pop(number, None)

    def settle_before(self, number: int) -> None:
        """Count the lines before this one that may be sockets and gave no row."""
        decided = [place for place in self._open if place < number]
        for place in decided:
            if may_be_socket(self._open.pop(place)):
                self.count((place,))

    def compare(self, number: int, parts: Iterable[str], rows: int) -> None:
        """Count a line of several parts if it gave fewer rows than it seems to have."""
        self.close(number)
        if rows < sum(map(may_be_socket, parts)):
            self.count((number,))

    def count(self, numbers: Iterable[int]) -> None:
        """Count unreadable lines; a line counts once for each of its sockets."""
        for number in numbers:
            self._open.pop(number, None)
            self.unreadable += 1
            self.numbers = sorted({*self.numbers, number})[:_MOST_NUMBERS]
