"""The Python API over time: events of sockets, as they are seen.

>>> for event in tcpstates.events("sport = :443"):
...     print(event.kind, event.socket.remote_address, event.old, event.new)
"""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from tcpstates.api import Socket, records
from tcpstates.changes.follow import Follower
from tcpstates.changes.model import Resync
from tcpstates.errors import ArgumentError, chosen
from tcpstates.model import FAMILIES, Request
from tcpstates.origin import Origin, to_origin
from tcpstates.protocols import DEFAULT_PROTOCOL, PROTOCOLS


class Event(NamedTuple):
    """Something that has happened to a socket."""

    kind: str  # present, opened, changed, closed; resync: events were lost
    time: datetime  # of the look that saw it, or of the kernel's notice; UTC
    monotonic: float  # the same on the clock of time.monotonic
    socket: Socket | None  # after the event, an ended one as last seen; None: resync
    old: str | None  # the state before; None: there was none, or it is unknown
    new: str | None  # the state after; None: it has ended
    former_ms: int | None  # how long it was in the state before; None: unknown
    former_kind: str | None  # what that is: exact, at-least, hidden
    missed: bool  # it was opened and closed between two looks
    # What an ended TCP connection has transferred: bytes_acked, bytes_received,
    # total_retransmits. None: unknown.
    traffic: dict[str, int] | None
    lost: int | None = None  # events, of a resync; None: unknown


def events(
    filter: str | Sequence[str] = (),  # noqa: A002  (as in `snapshot`)
    *,
    interval: float = 1.0,
    protocols: str | Collection[str] = DEFAULT_PROTOCOL,
    families: str | Collection[str] = FAMILIES,
    processes: bool = False,
    info: bool = False,
    source: str | Origin = "auto",
) -> Generator[Event]:
    """Yield what happens to the sockets that a filter selects, without an end.

    It looks every `interval` seconds, and first tells the sockets that are there. On
    Linux, the kernel also tells of sockets that end between two looks. Arguments and
    errors are those of `snapshot`; a source that is a saved listing never changes.
    """
    if interval <= 0:
        raise ArgumentError(f"invalid interval {interval}; it must be above 0")
    request = Request(
        protocols=chosen("protocol", protocols, PROTOCOLS),
        families=chosen("family", families, FAMILIES),
        processes=processes,
        info=info,
    )
    origin = to_origin(source)
    texts = [filter] if isinstance(filter, str) else list(filter)
    return _events(Follower(request, origin, texts), origin, interval)


def _events(follower: Follower, origin: Origin, interval: float) -> Generator[Event]:
    names = origin.names(numeric=False)
    next_look = time.monotonic()
    try:
        while True:
            for happened in follower.look().happened:
                if isinstance(happened, Resync):
                    yield _resync(happened)
                    continue
                rows = zip(
                    happened.kinds,
                    happened.times,
                    happened.monotonic,
                    records(happened.batch, names),
                    happened.old,
                    happened.new,
                    happened.former_ms,
                    happened.former_kind,
                    happened.traffic,
                    strict=True,
                )
                for kind, at, clock, socket, old, new, ms, exactness, traffic in rows:
                    yield Event(
                        str(kind),
                        datetime.fromtimestamp(at, timezone.utc),
                        clock,
                        socket,
                        old,
                        new,
                        ms,
                        None if exactness is None else str(exactness),
                        happened.was_missed,
                        traffic,
                    )
            next_look = max(next_look + interval, time.monotonic())
            time.sleep(max(0.0, next_look - time.monotonic()))
    finally:
        follower.close()


def _resync(happened: Resync) -> Event:
    at = datetime.fromtimestamp(happened.time, timezone.utc)
    return Event(
        "resync",
        at,
        happened.monotonic,
        None,
        None,
        None,
        None,
        None,
        missed=False,
        traffic=None,
        lost=happened.lost,
    )
