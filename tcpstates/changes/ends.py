"""What the kernel's notices say of sockets that have ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tcpstates.batch import Batch
from tcpstates.changes.identity import Key, keys_of
from tcpstates.changes.model import TRAFFIC
from tcpstates.collect.ended import Ear
from tcpstates.origin import LiveHost, Origin
from tcpstates.parse.ended import Ended, Notice


class End(NamedTuple):
    """When a socket ended, and what it has transferred."""

    notice: Notice
    traffic: dict[str, int] | None


def ears_of(parts: Iterable[Origin]) -> list[Ear]:
    """Return where to listen for ends; nowhere for saved listings."""
    return [
        Ear(part.connect, part.place, part.number)
        for part in parts
        if isinstance(part, LiveHost)
    ]


def ends_of(ended: Ended) -> Iterator[tuple[Key, End]]:
    """Yield the key of each ended socket, and how it ended."""
    keys, told = keys_of(ended.batch), traffic_of(ended.batch)
    for key, notice, traffic in zip(keys, ended.notices, told, strict=True):
        yield key, End(notice, traffic)


def traffic_of(batch: Batch) -> list[dict[str, int] | None]:
    """What each ended connection has transferred; None: unknown, or no connection.

    Where this side has aborted, the kernel has set the numbers to zero with the port.
    """
    if batch.protocol != "tcp":
        return [None] * len(batch)
    columns = [batch.column(f"info.{name}") for name in TRAFFIC]  # type: ignore[arg-type]
    ports = batch.column("remote_port")
    return [
        dict(zip(TRAFFIC, values, strict=True)) if port and None not in values else None
        for port, *values in zip(ports, *columns, strict=True)
    ]
