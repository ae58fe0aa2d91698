"""What a scenario is made of: acts of two parties, and what comes of them."""

from __future__ import annotations

from typing import NamedTuple

from tcpstates.lifecycle.machine import Event
from tcpstates.states import TcpState

CLIENT, SERVER = "client", "server"
NOTHING = "-"  # no segment yet: it is sent together with the next one


class Act(NamedTuple):
    """One party meets an event or, if `event` is None, does something else."""

    party: str
    event: Event | None
    text: str = ""  # an action of a program or the kernel, besides the event
    sends: str = ""  # replaces the table's segment: one that carries more, or none
    error: str = ""  # the error that a call of the party's program gets
    is_probe: bool = False  # of keepalive: it repeats the last number
    drops: Event | None = None  # what arrives, and is not taken

    @property
    def is_repetition(self) -> bool:
        """Whether a timer of the kernel sends what the party has sent before."""
        return self.event is None and (self.is_probe or "SYN" in self.sends)

    @property
    def has_crashed(self) -> bool:
        """Whether the party's kernel forgets the connection without a segment."""
        return self.event is Event.ABORT and self.sends == NOTHING


class Scenario(NamedTuple):
    """A course of events in a connection."""

    title: str
    start: tuple[TcpState, TcpState]  # client, server
    acts: tuple[Act, ...]
    moral: str
    live_note: str = ""  # how a live performance differs
    is_queue_full: bool = False  # the server's accept queue, at the start


class StepResult(NamedTuple):
    """The states of both parties after an act, and the segment that it sends."""

    act: Act
    client: TcpState
    server: TcpState
    segment: str | None
    numbers: str = ""  # of the segment, as "seq=A ack=B+1"


class Observation(NamedTuple):
    """The states that the kernel reports after a step; None: party not examined."""

    client: TcpState | None
    server: TcpState | None
    left_ms: int | None = None  # until TIME_WAIT ends, which is not awaited
    error: str = ""  # that the program got, if the act has one

    def differs(self, result: StepResult) -> bool:
        """Check whether the states differ from those that the scenario expects."""
        pairs = ((self.client, result.client), (self.server, result.server))
        has_other_error = self.error not in ("", result.act.error)
        return has_other_error or any(
            seen not in (None, expected) for seen, expected in pairs
        )
