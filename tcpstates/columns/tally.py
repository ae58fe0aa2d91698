"""Count sockets by the values of columns.

Every socket is in exactly one group, so the groups add up to the number of sockets. A
socket of several processes is in the group of all their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress, product
from operator import not_
from typing import Any

from tcpstates.batch import Batch
from tcpstates.columns.registry import FAMILY, PROTOCOL, STATE, Column
from tcpstates.model import FAMILIES, Names, Request, reason_without_file
from tcpstates.protocols import PROTOCOLS

Group = tuple[Any, ...]  # one value per column; None: unknown

BY_STATE: tuple[Column, ...] = (PROTOCOL, FAMILY, STATE)


class Tally:
    """The number of sockets in each group."""

    def __init__(self, columns: Sequence[Column], counts: Counter[Group]) -> None:
        """Group by these columns; without columns, there is one group."""
        self.columns = tuple(columns)
        self.counts = counts
        self._order: dict[Group, int] = {}

    @property
    def total(self) -> int:
        """The number of sockets."""
        return self.counts.total()

    def groups(self, most: int | None) -> tuple[list[tuple[Group, int]], int, int]:
        """Return the groups, and how many groups and sockets are beyond `most`.

        The largest groups come first, equally large ones by their values. If every
        state has a group, the states keep their own order.
        """
        groups = sorted(self.counts.items(), key=_by_number)
        rest = [] if most is None else groups[most:]
        groups = groups[:most]
        if self._order:
            groups.sort(key=lambda item: self._order.get(item[0], len(self._order)))
        return groups, len(rest), sum(number for _, number in rest)

    def add_zeros(
        self, request: Request, labels: Sequence[str], *, in_order: bool = False
    ) -> None:
        """Add groups for those of these states that have no sockets.

        This requires grouping by protocol, family and state only: other columns have no
        list of possible values. `in_order` keeps the order of the states.
        """
        if STATE not in self.columns or not set(self.columns) <= set(BY_STATE):
            return
        for protocol, family in kinds(request):
            known = (*state_rows((protocol,)), *rows_on_request((protocol,)))
            here = [label for label in labels if label in known]
            named = {PROTOCOL: [protocol], FAMILY: [family], STATE: here}
            for group in product(*(named[column] for column in self.columns)):
                self.counts.setdefault(group, 0)
                if in_order:
                    self._order.setdefault(group, len(self._order))

    def renamed(self, labels: Mapping[str, str]) -> Tally:
        """Return the same tally with other names for states."""
        if STATE not in self.columns or not labels:
            return self
        place = self.columns.index(STATE)

        def rename(group: Group) -> Group:
            label = labels.get(group[place], group[place])
            return (*group[:place], label, *group[place + 1 :])

        counts: Counter[Group] = Counter()
        for group, number in self.counts.items():
            counts[rename(group)] += number
        made = Tally(self.columns, counts)
        made._order = {rename(group): row for group, row in self._order.items()}
        return made


def _by_number(item: tuple[Group, int]) -> tuple[Any, ...]:
    group, number = item
    # A column has texts or numbers, and None, which compares with neither.
    return -number, [(value is None, 0 if value is None else value) for value in group]


def count_by(
    batches: Iterable[Batch], columns: Sequence[Column], names: Names
) -> Tally:
    """Count the sockets in each group; without columns, in a single group."""
    counts: Counter[Group] = Counter()
    if not columns:
        counts[()] = sum(map(len, batches))
    else:
        fillers = [column.group or column.values for column in columns]
        for batch in batches:
            values = [fill(batch, names) for fill in fillers]
            counts.update(zip(*values, strict=True))
    return Tally(columns, counts)


def count_without_file(
    batches: Iterable[Batch], counts: Counter[str]
) -> Iterator[Batch]:
    """Pass batches through and count, by reason, sockets that no file refers to."""
    for batch in batches:
        inodes = batch.get("inode")
        if inodes is not None and 0 in inodes:
            labels = compress(batch.column("state_label"), map(not_, inodes))
            for label, number in Counter(labels).items():
                counts[reason_without_file(label)] += number
        yield batch


def kinds(request: Request) -> list[tuple[str, str]]:
    """List the requested (protocol, family) pairs, in a fixed order."""
    return [
        (protocol, family)
        for protocol in PROTOCOLS
        for family in FAMILIES
        if protocol in request.protocols and family in request.families
    ]


def requested_rows(request: Request) -> list[str]:
    """List the names of all requested states."""
    labels = [*state_rows(request.protocols), *rows_on_request(request.protocols)]
    return [label for label in labels if label in request.states]


def state_rows(protocols: Collection[str]) -> list[str]:
    """List the names of all states that sockets of these protocols can have."""
    asked = [each for name, each in PROTOCOLS.items() if name in protocols]
    return list(dict.fromkeys(label for each in asked for label in each.labels))


def rows_on_request(protocols: Collection[str]) -> list[str]:
    """List the names of states that are reported only if they are requested."""
    asked = [each for name, each in PROTOCOLS.items() if name in protocols]
    return [label for each in asked for label in each.labels_on_request]
