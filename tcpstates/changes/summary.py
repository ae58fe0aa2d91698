"""What a trace amounts to: edges, times in states, ports and processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tcpstates.changes.model import Events, Exactness, Kind, Resync
from tcpstates.fields import ColumnName

_MOST = 100_000  # durations kept for each state
_SLOWEST = 5
_ENDS: tuple[ColumnName, ...] = (
    *("local_address", "local_port"),
    *("remote_address", "remote_port"),
)


class Lasted(NamedTuple):
    """How long sockets were in a state, in milliseconds; only exact durations."""

    state: str
    number: int
    median: int
    most: int  # 95 % took no longer
    longest: int


class Slow(NamedTuple):
    """A long time in a state."""

    ms: int
    state: str
    local: tuple[str, int]
    remote: tuple[str, int]


class Summary:
    """Adds up events."""

    def __init__(self) -> None:
        self.edges: Counter[tuple[str | None, str | None]] = Counter()
        self.ports: Counter[int] = Counter()
        self.processes: Counter[bytes] = Counter()
        self.hidden: Counter[str] = Counter()  # by the state
        self.namespaces: Counter[str] = Counter()  # networks', by name
        self.causes: Counter[tuple[str, int]] = Counter()  # why it ended, and the port
        self.lost: int | None = 0  # None: unknown
        self._durations: dict[str, list[int]] = {}
        self._slowest: list[Slow] = []

    @property
    def total(self) -> int:
        """The number of events."""
        return self.edges.total()

    def add(self, happened: Events | Resync) -> None:
        """Count events."""
        if isinstance(happened, Resync):
            known = self.lost is not None and happened.lost is not None
            self.lost = (self.lost or 0) + (happened.lost or 0) if known else None
            return
        if Kind.PRESENT in happened.kinds:
            return
        self.edges.update(zip(happened.old, happened.new, strict=True))
        batch = happened.batch
        ports = [
            min(local, remote) if local and remote else local or remote
            for local, remote in batch.rows("local_port", "remote_port")
        ]
        self.ports.update(ports)
        self.namespaces.update(filter(None, batch.column("netns")))
        if any(happened.causes):
            pairs = zip(happened.causes, ports, strict=True)
            self.causes.update((why, port) for why, port in pairs if why is not None)
        for owners, number in Counter(batch.column("processes")).items():
            for owner in owners or ():
                self.processes[owner.name or b"?"] += number
        self._add_durations(happened)

    def _add_durations(self, happened: Events) -> None:
        durations, slowest = self._durations, self._slowest
        least = slowest[-1].ms if len(slowest) == _SLOWEST else -1
        rows = zip(happened.old, happened.former_ms, happened.former_kind, strict=True)
        for place, (state, ms, kind) in enumerate(rows):
            if state is None or kind is not Exactness.EXACT or ms is None:
                if state is not None and kind is Exactness.HIDDEN:
                    self.hidden[state] += 1
                continue
            kept = durations.get(state)
            if kept is None:
                kept = durations[state] = []
            if len(kept) < _MOST:
                kept.append(ms)
            if ms > least:
                self._add_slow(happened, place, state, ms)
                slowest = self._slowest
                least = slowest[-1].ms if len(slowest) == _SLOWEST else -1

    def _add_slow(self, happened: Events, place: int, state: str, ms: int) -> None:
        """Keep a long time; the columns are looked at for these few only."""
        here, port, there, peer = (happened.batch.column(name)[place] for name in _ENDS)
        slow = Slow(ms, state, (here, port), (there, peer))
        self._slowest = sorted([*self._slowest, slow], reverse=True)[:_SLOWEST]

    def lasted(self) -> list[Lasted]:
        """Return the times in each state of which some are known exactly."""
        return [
            Lasted(
                state,
                len(found),
                _quantile(found, 0.5),
                _quantile(found, 0.95),
                max(found),
            )
            for state, found in self._durations.items()
        ]

    def slowest(self) -> Sequence[Slow]:
        """Return the longest times in a state."""
        return self._slowest


def _quantile(numbers: Sequence[int], part: float) -> int:
    """Return the smallest number that is not below this part of all."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
