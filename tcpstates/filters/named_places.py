"""Conditions about where a socket is: its network namespace, its host."""

from __future__ import annotations

from tcpstates.batch import Batch
from tcpstates.fields import ColumnName
from tcpstates.filters.conditions import Answer, ColumnCondition, Undecidable


class _Named(ColumnCondition):
    """Whether the socket is in one of the places with these names."""

    option = ""  # that reads such places

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self._names = names

    def judge(self, value: str | None) -> bool | None:
        """Test one name."""
        return None if value is None else value in self._names

    def test(self, batch: Batch) -> Answer:
        """Test each socket; Undecidable where the places were not read."""
        if batch.get(self.column) is None:
            raise Undecidable(self.option)
        return super().test(batch)


class Netns(_Named):
    """Whether the socket is in one of these network namespaces."""

    column: ColumnName = "netns"
    option = "the key netns requires --netns all"


class OnHost(_Named):
    """Whether the socket is on one of these hosts."""

    column: ColumnName = "host"
    option = "the key on-host requires --host; a socket's addresses are: host ADDRESS"
