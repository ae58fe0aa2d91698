"""Events, as columns beside the batches of their sockets."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
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


class Events(NamedTuple):
    """Events of one kind; every sequence has one item for each socket of the batch."""

    kind: Kind
    batch: Batch  # the sockets after the event; ended ones as they were last seen
    times: Sequence[float]  # seconds since the epoch, of our clock
    monotonic: Sequence[float]  # seconds
    old: Sequence[str | None]  # the state before; None: there was none, or unknown
    new: Sequence[str | None]  # the state after; None: the socket has ended
    former_ms: Sequence[int | None]  # how long it was in the state before
    former_kind: Sequence[Exactness | None]
    # What an ended TCP connection has transferred: see TRAFFIC; None: unknown.
    traffic: Sequence[dict[str, int] | None]
    was_missed: bool = False  # no look has seen these sockets

    def __len__(self) -> int:  # the number of events, not of fields
        return len(self.batch)


class Resync(NamedTuple):
    """Some events are lost: all sockets are told anew, as PRESENT."""

    time: float  # seconds since the epoch
    monotonic: float
    reason: str
    lost: int | None  # events; None: unknown
