"""Say in plain words how a state is entered and left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tcpstates.lifecycle.machine import (
    BEYOND,
    EVENTS,
    FIGURE,
    Event,
    Transition,
    ways_in,
    ways_out,
)
from tcpstates.states import TcpState

_EDGES = tuple(edge for edge in (*FIGURE, *BEYOND) if edge.is_on_linux)


def describe_ways_in(state: TcpState) -> Iterator[str]:
    """Yield one line for each state from which this one is entered."""
    # CLOSED is entered from everywhere; the last line says so.
    edges = ways_in(state, FIGURE if state is TcpState.CLOSED else _EDGES)
    for source in dict.fromkeys(edge.source for edge in edges):
        if source is not state:
            yield f"{source}: {_joined([e for e in edges if e.source is source])}"
    if state is TcpState.CLOSED:
        yield "any other state: abort, reset or timeout"


def describe_ways_out(state: TcpState) -> Iterator[str]:
    """Yield one line for each state to which this one leads."""
    edges = ways_out(state, _EDGES)
    for target in dict.fromkeys(edge.target for edge in edges):
        if target is not state:
            yield f"{target}: {_joined([e for e in edges if e.target is target])}"


def _joined(edges: Sequence[Transition]) -> str:
    """Describe the edges between two states: the event, and what is sent."""
    figure = [edge for edge in edges if edge in FIGURE]
    words = [
        EVENTS[e.event] + (f", sends {e.sends}" if e.sends else "") for e in figure
    ]
    beyond = [EVENTS[edge.event] for edge in edges if edge not in FIGURE]
    if len(beyond) > 1:
        beyond = [f"{', '.join(beyond[:-1])} or {beyond[-1]}"]
    if edges[0][:2] == (TcpState.LISTEN, Event.SYN):
        words.append("it is a new socket; the listener stays")
    return "; ".join(dict.fromkeys((*words, *beyond)))
