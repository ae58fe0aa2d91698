"""The kernel's sockets walk every edge of the state machine, as the table has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Lab, enter_lab
from tcpstates.lifecycle.machine import FIGURE, TRANSITIONS, Event, Transition, step
from tcpstates.states import TcpState

E, S = Event, TcpState
KINDS = ("ipv4", "ipv6", "mapped", "link-local")
SOURCES = ("netlink", "procfs", "psutil")


@pytest.fixture(scope="module")
def walker() -> Iterator[Lab]:
    """Return a laboratory that walks, with no sockets of its own."""
    yield from enter_lab("statelab", "--bare")


# How a socket gets to where an edge begins.
_OPEN = (E.ACTIVE_OPEN, E.SYN_ACK)
WAYS: dict[TcpState, tuple[Event, ...]] = {
    S.CLOSED: (),
    S.LISTEN: (E.PASSIVE_OPEN,),
    S.SYN_SENT: (E.ACTIVE_OPEN,),
    S.SYN_RECEIVED: (E.ACTIVE_OPEN, E.SYN),
    S.ESTABLISHED: _OPEN,
    S.FIN_WAIT_1: (*_OPEN, E.CLOSE),
    S.FIN_WAIT_2: (*_OPEN, E.CLOSE, E.ACK_OF_FIN),
    S.CLOSING: (*_OPEN, E.CLOSE, E.FIN),
    S.TIME_WAIT: (*_OPEN, E.CLOSE, E.FIN_AND_ACK_OF_FIN),
    S.CLOSE_WAIT: (*_OPEN, E.FIN),
    S.LAST_ACK: (*_OPEN, E.FIN, E.CLOSE),
}
SERVER = (E.PASSIVE_OPEN, E.SYN)  # the other way to SYN_RECEIVED
NOT_WALKED = {
    (S.LISTEN, E.SEND): "no socket interface offers this",
    (S.TIME_WAIT, E.ABORT): "no program holds a socket in TIME_WAIT",
    (S.SYN_RECEIVED, E.SYN): "Linux acknowledges it and stays (RFC 5961)",
    (S.TIME_WAIT, E.SYN): "the socket is another one: lifecycle/test_experiments.py",
    (S.TIME_WAIT, E.FIN): "the socket has no process any more that could tell",
    (S.FIN_WAIT_2, E.NO_PROCESS): "likewise; it takes a minute",
    (S.TIME_WAIT, E.TWO_MSL): "it takes a minute: a test of its own waits for it",
}


def walks() -> Iterator[Any]:
    """Yield every edge with the way to where it begins."""
    for edge in TRANSITIONS:
        if (edge.source, edge.event) in NOT_WALKED:
            continue
        name = f"{edge.source}, {edge.event}"
        is_server = edge.event is E.RST and edge.target is S.LISTEN
        yield pytest.param(SERVER if is_server else WAYS[edge.source], edge, id=name)
        if edge.source is S.SYN_RECEIVED and edge.event is E.ACK_OF_SYN:
            yield pytest.param(SERVER, edge, id=f"{name}, server")


def path(way: tuple[Event, ...], last: Transition) -> list[Transition]:
    """Return the edges of a way, and the last one."""
    edges, state = [], S.CLOSED
    for event in way:
        edges.append(step(state, event))
        state = edges[-1].target
    return [*edges, last]


def walk(walker: Lab, edges: list[Transition], kind: str) -> None:
    """Take a real socket along edges; see after each where the table says it is."""
    numbers = [TRANSITIONS.index(edge) for edge in edges]
    found = walker.ask({"walk": numbers, "kind": kind})
    assert found == [dict.fromkeys(SOURCES, str(edge.target)) for edge in edges]


@pytest.mark.parametrize(("way", "edge"), list(walks()))
def test_the_kernel_walks_every_edge(
    walker: Lab, way: tuple[Event, ...], edge: Transition
) -> None:
    for kind in KINDS if edge in FIGURE else KINDS[:1]:
        walk(walker, path(way, edge), kind)
