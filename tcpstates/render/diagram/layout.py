"""The layout of states and edges: 80 cells wide, 45 high.

It is laid out by hand, because no program makes it as clear as RFC 9293's figure 5. The
text of an edge comes from the table of transitions; only its route is defined here.
"""

from __future__ import annotations

from enum import Enum
from textwrap import wrap
from typing import NamedTuple

from tcpstates.lifecycle.machine import CALLS, FIGURE, Event, Transition
from tcpstates.states import TcpState

E, S = Event, TcpState
Point = tuple[int, int]  # column, row

WIDTH, HEIGHT = 80, 45
BOX_WIDTH, BOX_HEIGHT = 18, 4


class Box(NamedTuple):
    """A state's box, by its upper left cell."""

    state: TcpState
    x: int
    y: int
    counted: bool = True  # False: another box of the state shows the count


class Route(NamedTuple):
    """The route of an edge, from border to border, and the position of its label."""

    edge: Transition
    points: tuple[Point, ...]
    label: Point

    @property
    def lines(self) -> list[str]:
        """The lines of the label: the event, and the segment that is sent."""
        event = self.edge.event
        words = CALLS.get(event, str(event)).split(" or ")[0]
        sent = [f"snd {self.edge.sends}"] if self.edge.sends else []
        room = 22 if sent else 9  # without a segment, the event may take two lines
        return [*wrap(words, room, break_long_words=False), *sent]

    @property
    def cells(self) -> list[Point]:
        """All cells on the route, including the two on the borders."""
        passed = [self.points[0]]
        for x, y in self.points[1:]:
            while passed[-1] != (x, y):
                here_x, here_y = passed[-1]
                passed.append((here_x + _sign(x - here_x), here_y + _sign(y - here_y)))
        return passed


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


class Emphasis(Enum):
    """The emphasis of a part when one state is highlighted."""

    USUAL = "usual"
    LIT = "lit"
    FADED = "faded"


def route_emphasis(edge: Transition, highlight: TcpState | None) -> Emphasis:
    """Determine the emphasis of an edge: those of the highlighted state are lit."""
    if highlight is None:
        return Emphasis.USUAL
    is_own = highlight in (edge.source, edge.target)
    return Emphasis.LIT if is_own else Emphasis.FADED


def box_emphasis(state: TcpState, highlight: TcpState | None) -> Emphasis:
    """Determine the emphasis of a state: neighbours of the highlight are as usual."""
    if highlight is None:
        return Emphasis.USUAL
    if state is highlight:
        return Emphasis.LIT
    is_near = any({edge.source, edge.target} == {state, highlight} for edge in FIGURE)
    return Emphasis.USUAL if is_near else Emphasis.FADED


BOXES = (
    Box(S.CLOSED, 29, 0),
    Box(S.LISTEN, 29, 7),
    Box(S.SYN_RECEIVED, 6, 13),
    Box(S.SYN_SENT, 61, 13),
    Box(S.ESTABLISHED, 29, 20),
    Box(S.FIN_WAIT_1, 6, 27),
    Box(S.CLOSE_WAIT, 61, 27),
    Box(S.FIN_WAIT_2, 6, 34),
    Box(S.CLOSING, 29, 34),
    Box(S.LAST_ACK, 61, 34),
    Box(S.TIME_WAIT, 29, 41),
    Box(S.CLOSED, 61, 41, counted=False),
)

# By source and event: the points, and the start of the label.
_WAYS: dict[tuple[TcpState, Event], tuple[tuple[Point, ...], Point]] = {
    (S.CLOSED, E.PASSIVE_OPEN): (((33, 3), (33, 7)), (23, 5)),
    (S.CLOSED, E.ACTIVE_OPEN): (((46, 1), (77, 1), (77, 13)), (67, 4)),
    (S.LISTEN, E.CLOSE): (((42, 7), (42, 3)), (44, 5)),
    (S.LISTEN, E.SYN): (((35, 10), (35, 14), (23, 14)), (37, 11)),
    (S.LISTEN, E.SEND): (((46, 8), (63, 8), (63, 13)), (49, 9)),
    (S.SYN_SENT, E.SYN): (((61, 15), (23, 15)), (40, 16)),
    (S.SYN_SENT, E.SYN_ACK): (((70, 16), (70, 21), (46, 21)), (58, 18)),
    (S.SYN_SENT, E.CLOSE): (((65, 13), (65, 2), (46, 2)), (57, 4)),
    (S.SYN_RECEIVED, E.ACK_OF_SYN): (((18, 16), (18, 21), (29, 21)), (20, 18)),
    (S.SYN_RECEIVED, E.CLOSE): (((9, 16), (9, 27)), (1, 20)),
    (S.SYN_RECEIVED, E.RST): (((12, 13), (12, 8), (29, 8)), (15, 9)),
    (S.ESTABLISHED, E.CLOSE): (((33, 23), (33, 25), (18, 25), (18, 27)), (21, 23)),
    (S.ESTABLISHED, E.FIN): (((42, 23), (42, 25), (70, 25), (70, 27)), (49, 23)),
    (S.FIN_WAIT_1, E.ACK_OF_FIN): (((9, 30), (9, 34)), (1, 31)),
    (S.FIN_WAIT_1, E.FIN): (((20, 30), (20, 32), (33, 32), (33, 34)), (25, 30)),
    (S.FIN_WAIT_1, E.FIN_AND_ACK_OF_FIN): (
        ((23, 28), (53, 28), (53, 39), (43, 39), (43, 41)),
        (26, 26),
    ),
    (S.FIN_WAIT_2, E.FIN): (((9, 37), (9, 42), (29, 42)), (12, 39)),
    (S.CLOSE_WAIT, E.CLOSE): (((70, 30), (70, 34)), (72, 31)),
    (S.CLOSING, E.ACK_OF_FIN): (((33, 37), (33, 41)), (35, 38)),
    (S.LAST_ACK, E.ACK_OF_FIN): (((70, 37), (70, 41)), (72, 38)),
    (S.TIME_WAIT, E.TWO_MSL): (((46, 43), (61, 43)), (48, 42)),
}
ROUTES = tuple(Route(edge, *_WAYS[edge.source, edge.event]) for edge in FIGURE)
