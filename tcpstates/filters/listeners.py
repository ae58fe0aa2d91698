"""The condition `listener`: the server side of connections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tcpstates.batch import Batch
from tcpstates.filters.conditions import Answer, Condition, Ranges, in_ranges
from tcpstates.model import WILDCARDS


class Listener(NamedTuple):
    """An address and port that a socket listens on."""

    protocol: str
    family: str
    address: str
    port: int


# The last one is IPv6 and accepts every IPv4-mapped address.
_ANYWHERE = (*WILDCARDS, "::ffff:0.0.0.0")


class ListenerCondition(Condition):
    """Whether the socket listens, or has the local address of a listener.

    Accepted connections have that address. So does a client bound to it. A connection
    whose listener has closed no longer matches.
    """

    def __init__(self, ranges: Ranges, listeners: Iterable[Listener] = ()) -> None:
        self.ranges = ranges
        self.listeners = frozenset(listeners)
        self._anywhere: dict[tuple[str, str], set[int]] = {}
        self._here: dict[tuple[str, str], set[tuple[str, int]]] = {}
        for protocol, family, address, port in self.listeners:
            kind = protocol, family
            self._here.setdefault(kind, set()).add((address, port))
            if address in _ANYWHERE:
                self._anywhere.setdefault(kind, set()).add(port)

    def with_listeners(self, listeners: Iterable[Listener]) -> ListenerCondition:
        """Return the same condition, with these listeners filled in."""
        meant = (n for n in listeners if in_ranges(n.port, self.ranges))
        return ListenerCondition(self.ranges, meant)

    def test(self, batch: Batch) -> Answer:
        """Test each socket."""
        kind = batch.protocol, batch.family
        anywhere, here = self._anywhere.get(kind, ()), self._here.get(kind, ())
        return [
            port in anywhere or (address, port) in here
            for address, port in zip(
                batch.column("local_address"), batch.column("local_port"), strict=True
            )
        ]
