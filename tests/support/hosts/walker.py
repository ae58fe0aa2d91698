"""Takes one of the kernel's sockets through the state machine, event by event.

What the program of a host does is done to the socket here, and what its peer does is
said by a scripted one, so that each event of RFC 9293 comes when it is wanted.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from support.hosts.packets import ACK, FIN, RST, SYN
from support.hosts.peer import (
    DEVICE,
    HERE,
    HERE_LOCAL,
    HERE_V6,
    THERE,
    THERE_LOCAL,
    THERE_V6,
    Conversation,
    Peer,
    Place,
)
from tcpstates.lifecycle.machine import Event, Transition, step
from tcpstates.states import TcpState

E, S = Event, TcpState
_TCP_SYNCNT, _TCP_LINGER2, _TCP_USER_TIMEOUT = 7, 8, 18
_PATIENCE = 5  # seconds
# The kernel's address and the peer's, as packets have them, and what to put before the
# first for a socket of IPv6.
_PLACES = {
    "ipv4": (socket.AF_INET, Place(HERE, THERE), ""),
    "ipv6": (socket.AF_INET6, Place(HERE_V6, THERE_V6), ""),
    "mapped": (socket.AF_INET6, Place(HERE, THERE), "::ffff:"),
    "link-local": (socket.AF_INET6, Place(HERE_LOCAL, THERE_LOCAL), ""),
}
KINDS = tuple(_PLACES)


class Walker:
    """One connection: the kernel's socket, and the other half."""

    def __init__(self, peer: Peer, kind: str = "ipv4") -> None:
        self.kind = kind
        self._family, place, prefix = _PLACES[kind]
        self.here, self.there = prefix + place.here, prefix + place.there
        self.peer = Conversation(peer, place)
        self.state: TcpState = S.CLOSED  # as the table has it
        self.socket: socket.socket | None = None  # of the connection
        self.listener: socket.socket | None = None

    @property
    def local_port(self) -> int:
        """Return the kernel's port, 0 before there is one."""
        return self.peer.kernel_port

    @property
    def remote_port(self) -> int:
        """Return the peer's port; 0 of a listener, which has none."""
        return 0 if self.state is S.LISTEN else self.peer.port

    def perform(self, edge: Transition) -> None:
        """Let the event of an edge happen, whoever makes it."""
        assert edge.source is self.state, f"{self.state}, not {edge.source}"
        getattr(self, f"_{edge.event.name.lower()}")()
        self.state = edge.target

    def go(self, *events: Event) -> None:
        """Let events happen, one after the other."""
        for event in events:
            self.perform(step(self.state, event))

    def _new_socket(self) -> socket.socket:
        made = socket.socket(self._family)
        made.setblocking(False)
        return made

    def _address(self, address: str, port: int) -> tuple[Any, ...]:
        if self.kind != "link-local":
            return (address, port)
        return (address, port, 0, socket.if_nametoindex(DEVICE))

    # What the program does.

    def _passive_open(self) -> None:
        self.listener = self._new_socket()
        self.listener.bind(self._address(self.here, 0))
        self.listener.listen(8)
        self.peer.kernel_port = self.listener.getsockname()[1]

    def _active_open(self) -> None:
        self.socket = self._new_socket()
        self.socket.connect_ex(self._address(self.there, self.peer.port))
        self.peer.wait(SYN)

    def _close(self) -> None:
        """End the stream; where there is none yet, close the socket."""
        if self.state in (S.LISTEN, S.SYN_SENT, S.SYN_RECEIVED):
            self.release()
        else:
            self._held.shutdown(socket.SHUT_WR)

    def _abort(self) -> None:
        made = self.listener if self.state is S.LISTEN else self._held
        assert made is not None
        linger = struct.pack("ii", 1, 0)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.release()

    def _user_timeout(self) -> None:
        """Let the kernel lose its patience: with SYNs, with data or with the FIN."""
        if self.state is S.FIN_WAIT_2:
            self._held.setsockopt(socket.IPPROTO_TCP, _TCP_LINGER2, 1)
            self.release()
        else:
            self._held.setsockopt(socket.IPPROTO_TCP, _TCP_SYNCNT, 1)
            self._held.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, 100)
            if self.state in (S.ESTABLISHED, S.CLOSE_WAIT):
                self._held.send(b"is anybody there?")

    @property
    def _held(self) -> socket.socket:
        assert self.socket is not None, f"no program has this socket in {self.state}"
        return self.socket

    def release(self) -> None:
        """Close what the program holds."""
        for made in (self.socket, self.listener):
            if made is not None:
                made.close()

    def accept(self) -> None:
        """Take the connection from the listener."""
        assert self.listener is not None
        self.listener.settimeout(_PATIENCE)
        self.socket, _ = self.listener.accept()

    # What the peer does.

    def _syn(self) -> None:
        self.peer.say(SYN)
        self.peer.wait(SYN | ACK)

    def _syn_ack(self) -> None:
        self.peer.say(SYN | ACK)
        self.peer.wait(ACK)

    def _ack_of_syn(self) -> None:
        self.peer.say(ACK)
        if self.socket is None:
            self.accept()

    def _fin(self) -> None:
        if self.state is S.FIN_WAIT_1:
            self.peer.wait(FIN)  # to know that it is not acknowledged
        self.peer.say(FIN | ACK, acknowledge=False)

    def _ack_of_fin(self) -> None:
        if self.state is not S.CLOSING:
            self.peer.wait(FIN)
        self.peer.say(ACK)

    def _fin_and_ack_of_fin(self) -> None:
        self.peer.wait(FIN)
        self.peer.say(FIN | ACK)

    def _rst(self) -> None:
        self.peer.say(RST | ACK)

    def _two_msl(self) -> None:
        """Wait: the kernel has one time for all, 60 s (TCP_TIMEWAIT_LEN)."""
