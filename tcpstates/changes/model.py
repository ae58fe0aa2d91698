"""Events, as columns beside the batches of their sockets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import compress
from typing import NamedTuple

from tcpstates.batch import Batch

# Fields of tcp_info that an ended TCP connection has, and what they are called here.
TRAFFIC = ("bytes_acked", "bytes_received", "total_retransmits")


class Kind(str, Enum):
    """What has happened to a socket."""

    PRESENT = "present"  # it was there when we began, or after a resync
    OPENED = "opened"
    CHANGED = "changed"
    CLOSED = "closed"

    def __str__(self) -> str:
        return self.value


class Exactness(str, Enum):
    """What the duration of a state means."""

    EXACT = "exact"
    AT_LEAST = "at-least"
    HIDDEN = "hidden"  # the kernel does not show it

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Events:
    """Events; every sequence has one item for each socket of the batch."""

    kinds: Sequence[Kind]  # those of a look: all the same
    batch: Batch  # the sockets after the event; ended ones as they were last seen
    times: Sequence[float]  # seconds since the epoch, of our clock
    monotonic: Sequence[float]  # seconds
    old: Sequence[str | None]  # the state before; None: there was none, or unknown
    new: Sequence[str | None]  # the state after; None: the socket has ended
    former_ms: Sequence[int | None]  # how long it was in the state before
    former_kind: Sequence[Exactness | None]
    # What an ended TCP connection has transferred: see TRAFFIC; None: unknown.
    traffic: Sequence[dict[str, int] | None]
    # Why a connection has ended: see `traced`; empty: not known of any.
    causes: Sequence[str | None] = ()
    was_missed: bool = False  # no look has seen these sockets
    is_traced: bool = False  # every change is there, also those between two looks

    @property
    def kind(self) -> Kind:
        """The kind of all these events of a look."""
        return self.kinds[0]

    def select(self, chosen: Sequence[bool]) -> Events:
        """Return the chosen ones of these events."""
        return replace(
            self,
            kinds=list(compress(self.kinds, chosen)),
            batch=self.batch.select(chosen),
            times=list(compress(self.times, chosen)),
            monotonic=list(compress(self.monotonic, chosen)),
            old=list(compress(self.old, chosen)),
            new=list(compress(self.new, chosen)),
            former_ms=list(compress(self.former_ms, chosen)),
            former_kind=list(compress(self.former_kind, chosen)),
            traffic=list(compress(self.traffic, chosen)),
            causes=list(compress(self.causes, chosen)),
        )

    def __len__(self) -> int:  # the number of events, not of fields
        return len(self.batch)


class Resync(NamedTuple):
    """Some events are lost; all sockets follow again, as PRESENT."""

    time: float  # seconds since the epoch
    monotonic: float
    reason: str
    lost: int | None  # events; None: unknown


def plain_events(
    kind: Kind,
    batch: Batch,
    wall: float = 0.0,
    now: float = 0.0,
    *,
    old: Sequence[str | None] | None = None,
    new: Sequence[str | None] | None = None,
    times: Sequence[float] | None = None,
    monotonic: Sequence[float] | None = None,
    former_ms: Sequence[int | None] | None = None,
    traffic: Sequence[dict[str, int] | None] | None = None,
) -> Events:
    """Make events; what is not given is the same for all of them, or unknown."""
    nothing: list[None] = [None] * len(batch)
    former = nothing if former_ms is None else former_ms
    return Events(
        [kind] * len(batch),
        batch,
        [wall] * len(batch) if times is None else times,
        [now] * len(batch) if monotonic is None else monotonic,
        nothing if old is None else old,
        batch.column("state_label") if new is None else new,
        former,
        [None if ms is None else Exactness.AT_LEAST for ms in former],
        nothing if traffic is None else traffic,
    )
