"""What the sockets of one rule mean for the findings of another.

One trouble has many symptoms: a full accept queue leaves clients in SYN_SENT, others
with data that nobody acknowledges, and half-open connections on the listener's side.
Rules report such sockets here before any of them writes a finding, so that the finding
about the cause lists them, and the others leave them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tcpstates.doctor.facts import FlaggedSocket, Port, unmap_ipv4
from tcpstates.model import WILDCARDS

Place = tuple[str, Port]  # of a listener: local address and port


def is_loopback(address: str) -> bool:
    """Check whether an address never leaves this host."""
    return address.startswith("127.") or address == "::1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """What the rules have learned from the sockets and tell each other."""

    own_addresses: frozenset[str] = frozenset()  # of this host, as far as sockets show
    full_queues: frozenset[Place] = frozenset()  # listeners at the limit of their queue
    silent: frozenset[str] = frozenset()  # addresses that leave connections unanswered
    # The number of closing sockets that get no answer, by remote address.
    unfinished: Mapping[str, int] = field(default_factory=dict)
    # The sockets of clients that get no answer, by the place that they lead to.
    unanswered: Mapping[Place, Counter[str]] = field(default_factory=dict)
    # The number of half-open connections that were answered again, by local port.
    half_open: Mapping[Port, int] = field(default_factory=dict)

    def is_here(self, address: str) -> bool:
        """Check whether an address is one of this host's."""
        return address in self.own_addresses or is_loopback(address)

    def leads_to_full_queue(self, socket: FlaggedSocket) -> bool:
        """Check whether a client's socket waits for a full queue of this host."""
        address, port = unmap_ipv4(socket.remote_address), socket.remote_port
        if (address, port) in self.full_queues:
            return True
        return self.is_here(address) and any(
            (wildcard, port) in self.full_queues for wildcard in WILDCARDS
        )

    def waiting_for(self, place: Place) -> Counter[str]:
        """Count the sockets of clients on this host that a full queue holds up."""
        address, port = place
        found: Counter[str] = Counter()
        for (remote, number), states in self.unanswered.items():
            is_there = remote == address or (
                address in WILDCARDS and self.is_here(remote)
            )
            if number == port and is_there:
                found.update(states)
        return found

    def has_full_queue(self, port: Port) -> bool:
        """Check whether a listener on this port has a full queue."""
        return any(own == port for _, own in self.full_queues)


def by_place(sockets: Iterable[FlaggedSocket]) -> dict[Place, Counter[str]]:
    """Count sockets in each state by the place that they lead to."""
    found: dict[Place, Counter[str]] = {}
    for socket in sockets:
        place = unmap_ipv4(socket.remote_address), socket.remote_port
        found.setdefault(place, Counter())[socket.state_label] += 1
    return found
