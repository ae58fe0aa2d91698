"""Perform a scenario on loopback, and observe the kernel's states at every step.

The sockets of both parties have gates: a segment reaches the peer only at its step, and
every state lasts until it has been observed. Lost segments are resent after a second,
so a scenario takes some seconds. shutdown() replaces close(), because the gate of a
closed socket cannot be moved. Simultaneous scenarios use a single socket, which
connects to its own port: its SYN and its FIN cross with themselves. What an attacker's
socket is in is not observed: he need not have one.
"""

from __future__ import annotations

import errno
import platform
import socket
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress

from tcpstates.api import Socket, snapshot
from tcpstates.errors import TcpstatesError
from tcpstates.lifecycle.acts import (
    CLIENT,
    SERVER,
    Act,
    Observation,
    Scenario,
    StepResult,
)
from tcpstates.lifecycle.machine import Event
from tcpstates.lifecycle.walks import walk
from tcpstates.live.cast import Cast
from tcpstates.live.namespace import enter_private_namespace
from tcpstates.live.segment_filter import (
    BITS,
    DATA,
    SYN_AGAIN,
    are_gates_allowed,
    let_through,
)
from tcpstates.states import TcpState

_ADDRESS = "127.0.0.1"
_PATIENCE = 15.0  # seconds: segments are resent after 1, 3 and 7
_LOOK_EVERY = 0.02  # seconds
_MSG_DONTWAIT = 0x40  # linux/socket.h
_SO_COOKIE = 57  # asm-generic/socket.h


class CannotPerform(TcpstatesError):
    """A scenario cannot be performed here."""


def perform(scenario: Scenario) -> Iterator[tuple[StepResult | None, Observation]]:
    """Yield the states at the start, without a moment, and then at every step.

    The first step that differs from what is expected is the last one.

    This may move the process permanently into a network namespace of its own. Raise
    CannotPerform if segments cannot be held back, neither here nor there, or OSError.
    """
    if platform.system() != "Linux":
        raise CannotPerform(
            "cannot perform the scenario: only Linux can hold segments back"
        )
    try:
        if not are_gates_allowed():
            enter_private_namespace()
    except OSError as error:
        text = "holding segments back needs CAP_NET_ADMIN here, or a network namespace"
        raise CannotPerform(
            f"cannot perform the scenario: {text} of its own ({error.strerror}); try it"
            " as root"
        ) from error
    if not _is_loopback_up():
        raise CannotPerform(
            "cannot perform the scenario: the loopback interface is down; use: ip link"
            " set lo up"
        )
    with ExitStack() as stack:
        stage = _Stage(stack, scenario)
        yield None, stage.look()
        moments = list(walk(scenario))
        for number, result in enumerate(moments, start=1):
            seen = stage.step(result, [m.act for m in moments[number:]])
            yield result, seen
            if seen.differs(result):
                return  # what follows would differ, too


def _is_loopback_up() -> bool:
    """Check whether this network namespace has a way to its own address."""
    with socket.socket(type=socket.SOCK_DGRAM) as tried:
        return tried.connect_ex((_ADDRESS, 9)) == 0  # sends nothing


class _Stage:
    """Both parties, their gates, and the step that the performance is at."""

    def __init__(self, stack: ExitStack, scenario: Scenario) -> None:
        self._cast = Cast(stack, scenario)
        self._sockets = self._cast.parties
        # Others may wait in the accept queue, or still close connections that had the
        # same port.
        playing = self._playing = set(map(_cookie, self._sockets.values()))
        played = scenario.start[1] if scenario.start[1] is TcpState.TIME_WAIT else None
        self._foreign = {
            row.cookie
            for row in self._rows()
            if row.cookie not in playing and row.state != played
        }
        self._received: dict[str, frozenset[int]] = {}
        self._repeated = {CLIENT: 0, SERVER: 0}  # segments, as of the last look
        self._last_sent: dict[str, str | None] = {}
        self._is_connected = scenario.start[0] is TcpState.ESTABLISHED
        self._is_attack = False
        self._has_half_open = False  # the server, at any time
        self._client_port = 0  # it has none before it connects
        self._move_gates(scenario.acts)

    def look(self) -> Observation:
        """Observe the states that the kernel reports now."""
        port = self._cast.end[1]
        self._client_port = self._cast.client_port() or self._client_port
        rows = [row for row in self._rows() if self._plays(row)]
        client = [row for row in rows if row.remote_port == port]
        server = [row for row in rows if row.local_port == port]
        # A connection takes precedence over the listener.
        server.sort(key=lambda row: row.state == TcpState.LISTEN)
        self._repeated = {CLIENT: _repeated(client), SERVER: _repeated(server)}
        timer = client[0].timer if client else None
        is_waiting = timer is not None and timer.kind == "time-wait"
        left = timer.expires_ms if timer and is_waiting else None
        states = _state(client), _state(server)
        if states[1] is TcpState.LISTEN and self._has_half_open:
            states = states[0], TcpState.CLOSED  # of what the listener had created
        self._has_half_open |= states[1] is TcpState.SYN_RECEIVED
        return Observation(None if self._is_attack else states[0], states[1], left)

    def _plays(self, row: Socket) -> bool:
        """Check whether a socket is of this scenario.

        Once the server has left its port, any program may be given it.
        """
        if row.state == TcpState.LISTEN:
            return row.cookie in self._playing
        ports = {row.local_port, row.remote_port}
        return row.cookie not in self._foreign and self._client_port in ports

    def _rows(self) -> Sequence[Socket]:
        """Read the sockets with the port of the server, on either side."""
        port = self._cast.end[1]
        return snapshot(f"sport = :{port} or dport = :{port}").sockets

    def step(self, result: StepResult, later: Sequence[Act]) -> Observation:
        """Perform a step; return the states when it is complete or has timed out."""
        act = result.act
        if act.event is Event.TWO_MSL:
            seen = self.look()
            if act.party == CLIENT or self._cast.is_alone:
                seen = seen._replace(client=None)
            if act.party == SERVER or self._cast.is_alone:
                seen = seen._replace(server=None)
            return seen
        other = SERVER if act.party == CLIENT else CLIENT
        is_answer = act.sends == "ACK" and self._last_sent.get(other) == "data"
        passing = {other: DATA} if act.sends == "data" or is_answer else {}
        self._receive(act)
        self._move_gates(later, passing)
        self._do(result, is_answer=is_answer)
        self._last_sent[act.party] = result.segment
        seen = self._wait(result)
        if act.error:
            seen = seen._replace(error=self._error(act.party))
        self._move_gates(later)
        return self._masked(seen, result)

    def _error(self, party: str) -> str:
        """Return the name of the error that a party's socket has got."""
        code = self._sockets[party].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return errno.errorcode.get(code, str(code)) if code else "no error"

    def _receive(self, act: Act) -> None:
        """Record that a party may receive these segments, now and later."""
        bits = BITS.get(act.event, frozenset()) if act.event else frozenset()
        if self._cast.is_alone and act.event is Event.ACK_OF_SYN:
            bits |= SYN_AGAIN
        if act.drops is not None:
            bits |= BITS[act.drops]
        for party in self._parties(act.party):
            self._received[party] = self._received.get(party, frozenset()) | bits

    def _parties(self, party: str) -> Collection[str]:
        return (CLIENT, SERVER) if self._cast.is_alone else (party,)

    def _move_gates(
        self, later: Sequence[Act], passing: dict[str, frozenset[int]] | None = None
    ) -> None:
        """Let each party receive earlier kinds of segments, but not the next one."""
        for party, gated in self._sockets.items():
            coming = (
                BITS[act.event]
                for act in later
                if party in self._parties(act.party) and act.event in BITS
            )
            received = self._received.get(party, frozenset())
            bits = received - next(coming, frozenset())
            if gated.fileno() >= 0:
                let_through(gated, bits | (passing or {}).get(party, frozenset()))

    def _do(self, result: StepResult, *, is_answer: bool) -> None:
        """Perform the program's part of a step."""
        act = result.act
        mine = self._sockets[act.party]
        match act.event:
            case Event.PASSIVE_OPEN:
                mine.listen()
            case Event.ACTIVE_OPEN if act.party == CLIENT:
                self._cast.open()
            case Event.SYN if act.party == SERVER:
                self._cast.welcome()
            case Event.CLOSE if act.party == CLIENT or not self._cast.is_alone:
                mine.shutdown(socket.SHUT_WR)
            case Event.ABORT:
                self._cast.abort(act)
            case Event.NO_PROCESS:
                self._cast.leave(act.party)
            case Event.ACK_OF_FIN:
                self._read_ends()
            case Event.RST if self._is_connected:
                with suppress(BrokenPipeError):  # after shutdown(): its FIN is resent
                    mine.send(b"?")  # a RST is not resent, but answers any segment
            case None:
                self._do_without_event(result, is_answer=is_answer)
            case _:
                pass  # left to the kernel

    def _do_without_event(self, result: StepResult, *, is_answer: bool) -> None:
        """Send data, receive them, attack, or wait until the kernel repeats itself."""
        act = result.act
        mine = self._sockets[act.party]
        if act.sends == "data":
            mine.send(b"data")
        elif is_answer:
            mine.recv(len(b"data"))
        elif result.client is TcpState.CLOSED and act.sends == "SYN":
            self._is_attack = True
            self._cast.open()
        elif act.is_repetition:
            if self._is_attack:
                self._sockets[CLIENT].close()  # without a segment: it is in SYN_SENT
            self._wait_for_repetition(act.party)

    def _read_ends(self) -> None:
        """Read arrived data: Linux resends no FIN that is still in a queue here."""
        for gated in self._sockets.values():
            with suppress(OSError):
                gated.recv(1, _MSG_DONTWAIT)

    def _wait_for_repetition(self, party: str) -> None:
        before, end = self._repeated[party], time.monotonic() + _PATIENCE
        while self._repeated[party] <= before and time.monotonic() < end:
            time.sleep(_LOOK_EVERY)
            self.look()

    def _wait(self, result: StepResult) -> Observation:
        """Observe until the states are as expected, or the time is up."""
        end = time.monotonic() + _PATIENCE
        seen = self.look()
        while self._masked(seen, result).differs(result) and time.monotonic() < end:
            time.sleep(_LOOK_EVERY)
            seen = self.look()
        return seen

    def _masked(self, seen: Observation, result: StepResult) -> Observation:
        """Hide the state of a single socket while the parties should differ."""
        if self._cast.is_alone and result.client is not result.server:
            return Observation(None, None)
        return seen


def _cookie(made: socket.socket) -> int:
    """Return the kernel's own number of a socket."""
    return int.from_bytes(
        made.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), sys.byteorder
    )


def _repeated(rows: Sequence[Socket]) -> int:
    """Return how often the first socket has repeated its last segment, or probed."""
    timer = rows[0].timer if rows else None
    if timer is None or timer.kind == "time-wait":
        return 0
    return timer.retransmits or 0


def _state(rows: Sequence[Socket]) -> TcpState:
    """Return the state of the first socket; an unlisted one is CLOSED."""
    return TcpState(rows[0].state) if rows and rows[0].state else TcpState.CLOSED
