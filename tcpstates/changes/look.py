"""What a look at the sockets has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tcpstates.batch import Batch
from tcpstates.changes.model import Events, Resync
from tcpstates.filters.selection import Selection
from tcpstates.model import Listing

Happening = Events | Resync


class Look(NamedTuple):
    """The sockets that are there now, and what has happened since the last look."""

    listing: Listing  # its own batches have been read
    selection: Selection | None
    batches: Sequence[Batch]
    happened: Sequence[Happening]
    time: float  # seconds since the epoch
    monotonic: float
    unread: frozenset[str] = frozenset()  # hosts that have not answered
