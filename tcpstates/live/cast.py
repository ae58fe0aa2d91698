"""The sockets that play a scenario on loopback, and the options that each needs.

In place of a crash, TCP_REPAIR (`linux/tcp.h`) lets the kernel forget a connection
without a segment. Options of the sockets shorten waits of minutes; the scenario's
`live_note` says so.
"""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack, suppress

from tcpstates.lifecycle.acts import CLIENT, SERVER, Act, Scenario
from tcpstates.lifecycle.machine import Event
from tcpstates.lifecycle.walks import is_simultaneous
from tcpstates.states import TcpState

_ADDRESS = "127.0.0.1"
_MSG_DONTWAIT = 0x40  # linux/socket.h
# linux/tcp.h; not every system's `socket` module defines them.
_TCP_KEEPIDLE, _TCP_KEEPINTVL, _TCP_KEEPCNT, _TCP_SYNCNT = 4, 5, 6, 7
_TCP_LINGER2, _TCP_REPAIR = 8, 19
_RETRIES = 2  # of SYN and of SYN,ACK, before the timeout: 7 seconds at most
_PROBES = 9  # of keepalive, a second apart
_FIN_TIMEOUT = 1  # second
_ROOM = 16  # in the accept queue, where it is not to be full


class Cast:
    """The sockets of both parties, possibly the same one, at the scenario's start."""

    def __init__(self, stack: ExitStack, scenario: Scenario) -> None:
        self._stack = stack
        self._scenario = scenario
        self._filler: socket.socket | None = None  # waits in the accept queue
        self.is_alone = is_simultaneous(scenario)
        client = self._socket()
        server = client if self.is_alone else self._socket()
        self._limit_retries(client, server)
        if scenario.start[1] is TcpState.TIME_WAIT:
            self._leave_time_wait(client, server)
        else:
            server.bind((_ADDRESS, 0))  # reserves the port, without listening
        self.end: tuple[str, int] = server.getsockname()
        self.parties = {CLIENT: client, SERVER: server}
        if scenario.start[0] is TcpState.ESTABLISHED:
            self._connect()
        elif scenario.start[1] is TcpState.LISTEN:
            server.listen(0 if scenario.is_queue_full else _ROOM)
        if scenario.is_queue_full:
            self._filler = self._socket()  # listen(0) has room for one
            self._filler.connect(self.end)

    def _socket(self) -> socket.socket:
        return self._stack.enter_context(socket.socket())

    def _limit_retries(self, client: socket.socket, server: socket.socket) -> None:
        """Shorten what ends in a timeout."""
        acts = self._scenario.acts
        if not self._scenario.is_queue_full:  # what does not answer ends the client
            client.setsockopt(socket.IPPROTO_TCP, _TCP_SYNCNT, _RETRIES)
        if any(a.party == SERVER and a.event is Event.USER_TIMEOUT for a in acts):
            # A listener's option is that of its SYN,ACKs.
            server.setsockopt(socket.IPPROTO_TCP, _TCP_SYNCNT, _RETRIES)
        if any(act.is_probe for act in acts):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option in (_TCP_KEEPIDLE, _TCP_KEEPINTVL):
                client.setsockopt(socket.IPPROTO_TCP, option, 1)
            client.setsockopt(socket.IPPROTO_TCP, _TCP_KEEPCNT, _PROBES)

    def _connect(self) -> None:
        """Connect both parties; the server is the accepted socket."""
        client, server = self.parties[CLIENT], self.parties[SERVER]
        if not self.is_alone:
            server.listen()
        client.connect(self.end)
        if not self.is_alone:
            self.parties[SERVER] = self._stack.enter_context(server.accept()[0])
            server.close()

    def _leave_time_wait(self, client: socket.socket, server: socket.socket) -> None:
        """Bind both to the ports of a connection that a server closed first."""
        with socket.socket() as listener, socket.socket() as former:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_ADDRESS, 0))
            listener.listen()
            former.connect(listener.getsockname())
            with listener.accept()[0] as accepted:
                accepted.shutdown(socket.SHUT_WR)
                former.recv(1)
                former_end, end = former.getsockname(), listener.getsockname()
                former.close()
                accepted.recv(1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(end)
        client.bind(former_end)

    def client_port(self) -> int:
        """Return the client's port; 0 before it has one, and once it is closed."""
        client = self.parties[CLIENT]
        return int(client.getsockname()[1]) if client.fileno() >= 0 else 0

    def welcome(self) -> None:
        """Let the server accept what comes from now on."""
        server = self.parties[SERVER]
        if self._filler is not None:
            self._stack.enter_context(server.accept()[0])
        elif self._scenario.start[1] is TcpState.TIME_WAIT:
            server.listen()

    def open(self) -> None:
        """Let the client send its SYN, without waiting for the answer."""
        self.parties[CLIENT].settimeout(0)
        self.parties[CLIENT].connect_ex(self.end)

    def abort(self, act: Act) -> None:
        """Let a party reset its connection or, if it sends nothing, forget it."""
        mine = self.parties[act.party]
        if act.event is Event.ABORT and act.has_crashed:
            with suppress(OSError):  # else it sends RST, which the gate holds back
                mine.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        if not has_unread_data(mine):  # with these, close() aborts, too
            linger = struct.pack("ii", 1, 0)
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        mine.close()

    def leave(self, party: str) -> None:
        """Close a socket in FIN_WAIT_2, so that no process holds it."""
        mine = self.parties[party]
        mine.setsockopt(socket.IPPROTO_TCP, _TCP_LINGER2, _FIN_TIMEOUT)
        mine.close()


def has_unread_data(made: socket.socket) -> bool:
    """Check whether data have arrived that nobody has read."""
    with suppress(OSError):
        return bool(made.recv(1, socket.MSG_PEEK | _MSG_DONTWAIT))
    return False
