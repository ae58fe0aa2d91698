"""A kernel's sockets in every state, held there. Run as a program.

It needs a private network namespace and root. It prints one line of JSON with all
situations, unless it is called with --bare, and then answers questions, a line of JSON each: {"walk": [edges], "kind":
KIND} takes a new socket along edges of the state machine, by their places in
TRANSITIONS, and answers with what every source says after each.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from support.hosts.packets import ACK, PSH
from support.hosts.peer import Peer
from support.hosts.walker import KINDS, Walker
from support.labs.lab import loopback_up, setting
from tcpstates import snapshot
from tcpstates.lifecycle.machine import TRANSITIONS, Event
from tcpstates.parse.tcp_info import parse_tcp_info
from tcpstates.states import TcpState

E, S = Event, TcpState
SOURCES = ("netlink", "procfs", "psutil")
_PATIENCE = 12  # seconds: a SYN that nobody answers is given up after three
_OPEN = (E.ACTIVE_OPEN, E.SYN_ACK)
_ACCEPTED = (E.PASSIVE_OPEN, E.SYN, E.ACK_OF_SYN)
BARE = "--bare"  # without situations, only to walk
HELD: list[object] = []


def _read_fin(walker: Walker) -> None:
    assert walker.socket is not None
    wait_until(lambda: seen(walker)["netlink"] == S.CLOSE_WAIT)
    assert walker.socket.recv(10) == b""


def _get_data(walker: Walker) -> None:
    walker.peer.say(ACK | PSH, b"unread")


def _keep_alive(walker: Walker) -> None:
    assert walker.socket is not None
    walker.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _send(walker: Walker) -> None:
    assert walker.socket is not None
    walker.socket.send(b"data")
    walker.peer.wait(PSH)
    walker.peer.wait(PSH)  # a second time: nothing has acknowledged it


def _shut_window(walker: Walker) -> None:
    assert walker.socket is not None
    walker.peer.say(ACK, window=0)
    wait_until(lambda: not walker.socket or not _window(walker.socket))
    walker.socket.send(b"data")


def _window(made: socket.socket) -> int:
    """Return how many bytes the peer takes (RFC 9293: SND.WND)."""
    told = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return parse_tcp_info(told)["send_window"]


# What is done, by events and beyond them; the state is that of the last event.
SITUATIONS: dict[str, tuple[tuple[Event, ...], Callable[[Walker], None] | None]] = {
    "listening": ((E.PASSIVE_OPEN,), None),
    "connecting": ((E.ACTIVE_OPEN,), None),
    "half-open": ((E.PASSIVE_OPEN, E.SYN), None),
    "both open": ((E.ACTIVE_OPEN, E.SYN), None),
    "client": (_OPEN, None),
    "server": (_ACCEPTED, None),
    "keepalive": (_OPEN, _keep_alive),
    "sending": (_OPEN, _send),
    "zero window": (_OPEN, _shut_window),
    "closing": ((*_OPEN, E.CLOSE), None),
    "half closed": ((*_OPEN, E.CLOSE, E.ACK_OF_FIN), None),
    "orphan": ((*_OPEN, E.CLOSE, E.ACK_OF_FIN), Walker.release),
    "both closed": ((*_OPEN, E.CLOSE, E.FIN), None),
    "peer closed": ((*_OPEN, E.FIN), _read_fin),
    "unread end": ((*_OPEN, E.FIN), None),
    "last words": ((*_OPEN, E.CLOSE, E.FIN_AND_ACK_OF_FIN), None),
    "client first": ((*_OPEN, E.CLOSE, E.ACK_OF_FIN, E.FIN), None),
    "server first": ((*_ACCEPTED, E.CLOSE, E.ACK_OF_FIN, E.FIN), None),
    "last": ((*_OPEN, E.FIN, E.CLOSE), None),
}


def build(peer: Peer) -> dict[str, Any]:
    """Make every situation with every kind of addresses; return where they are."""
    made: dict[str, Walker] = {}
    for kind in KINDS:
        for name, (events, beyond) in SITUATIONS.items():
            walker = made[f"{name}, {kind}"] = _walked(peer, kind, events)
            if beyond is not None:
                beyond(walker)
        made[f"unread data, {kind}"] = walker = _walked(peer, kind, _OPEN)
        _get_data(walker)
        walker.go(E.FIN)
        made[f"unaccepted, {kind}"] = walker = _walked(peer, kind, _ACCEPTED[:2])
        walker.peer.say(ACK)
        walker.state = S.ESTABLISHED
    HELD.extend(made.values())
    for name, walker in made.items():
        reached = wait_until(lambda: _is_there(walker))  # noqa: B023
        assert reached, f"{name}: {seen(walker)}, not {walker.state}"
    return {name: _place(walker) for name, walker in made.items()} | bound()


def bound() -> dict[str, Any]:
    """Bind a socket, and do nothing with it."""
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    HELD.append(made)
    port = made.getsockname()[1]
    return {"bound": {"state": "BOUND", "local_port": port, "remote_port": 0}}


def _walked(peer: Peer, kind: str, events: tuple[Event, ...]) -> Walker:
    walker = Walker(peer, kind)
    walker.go(*events)
    return walker


def _place(walker: Walker) -> dict[str, Any]:
    return {
        "state": walker.state,
        "kind": walker.kind,
        "local_address": walker.here,
        "local_port": walker.local_port,
        "remote_address": walker.there,
        "remote_port": walker.remote_port,
    }


def seen(walker: Walker) -> dict[str, str]:
    """Return the state of a connection by each source.

    A connection that is gone may have left its listener, and is CLOSED without one.
    """
    told = {}
    for source in SOURCES:
        states = {
            (s.local_port, s.remote_port): s.state for s in snapshot(source=source)
        }
        listener = states.get((walker.local_port, 0), S.CLOSED)
        told[source] = str(states.get((walker.local_port, walker.peer.port), listener))
    return told


def _is_there(walker: Walker) -> bool:
    return set(seen(walker).values()) == {str(walker.state)}


def wait_until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition, not for a time; tell whether it came true."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def walk(peer: Peer, kind: str, edges: list[int]) -> list[dict[str, Any]]:
    """Take a new socket along some edges; return what was seen after each."""
    walker, found = Walker(peer, kind), []
    for number in edges:
        walker.perform(TRANSITIONS[number])
        wait_until(lambda: _is_there(walker))
        found.append(seen(walker))
    walker.release()
    return found


def main() -> None:
    """Build, and answer until standard input ends."""
    loopback_up()
    setting("ipv4/tcp_synack_retries", "8")
    peer = Peer()
    situations = {} if BARE in sys.argv else build(peer)
    parts = {"main": os.getpid(), "situations": situations}
    sys.stdout.write(json.dumps(parts) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        question = json.loads(line)
        answer = walk(peer, question["kind"], question["walk"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
    os._exit(0)
