"""What the sockets of one rule mean for the findings of another.

One trouble has many symptoms: a full accept queue leaves clients in SYN_SENT, others
with data that nobody acknowledges, and half-open connections on the listener's side.
Rules report such sockets here before any of them writes a finding, so that the finding
about the cause lists them, and the others leave them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tcpstates.doctor.facts import FlaggedSocket, Port, is_loopback, unmap_ipv4
from tcpstates.model import WILDCARDS
from tcpstates.states import TcpState

Place = tuple[str, Port]  # of a listener: local address and port
_SYN_SENT = str(TcpState.SYN_SENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """What the rules have learned from the sockets and tell each other."""

    own_addresses: frozenset[str] = frozenset()  # of this host, as far as sockets show
    listeners: frozenset[Place] = frozenset()
    full_queues: frozenset[Place] = frozenset()  # listeners that accept no more
    unanswered: Sequence[FlaggedSocket] = ()  # of clients
    # The number of closing sockets that get no answer, by remote address.
    unfinished: Mapping[str, int] = field(default_factory=dict)
    # The number of half-open connections that were answered again, by local port.
    half_open: Mapping[Port, int] = field(default_factory=dict)

    def is_here(self, address: str) -> bool:
        """Check whether an address is one of this host's."""
        return address in self.own_addresses or is_loopback(address)

    def full_queue(self, socket: FlaggedSocket) -> Place | None:
        """Return the full queue of this host that a client's socket leads to.

        A listener on the address itself gets its connections, not one on the wildcard.
        """
        address, port = unmap_ipv4(socket.remote_address), socket.remote_port
        places = [(address, port)]
        if self.is_here(address):
            places += ((wildcard, port) for wildcard in sorted(WILDCARDS))
        place = next((p for p in places if p in self.listeners), None)
        return place if place in self.full_queues else None

    def waiting_for(self, place: Place) -> Counter[str]:
        """Count the clients' sockets, by state, that wait for a full queue."""
        return Counter(
            socket.state_label
            for socket in self.unanswered
            if self.full_queue(socket) == place
        )

    def half_open_behind(self, port: Port) -> int:
        """Count the half-open connections on a port whose queues are all full."""
        places = {place for place in self.listeners if place[1] == port}
        is_full = places and places <= self.full_queues
        return self.half_open.get(port, 0) if is_full else 0

    def silent_addresses(self) -> frozenset[str]:
        """Return the addresses that leave connections unanswered without a reason."""
        return frozenset(
            unmap_ipv4(socket.remote_address)
            for socket in self.unanswered
            if socket.state_label != _SYN_SENT and self.full_queue(socket) is None
        )
