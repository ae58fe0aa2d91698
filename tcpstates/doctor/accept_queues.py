"""The connections that wait to be accepted at one endpoint.

For a LISTEN socket, Recv-Q is the number of waiting connections and Send-Q the limit
(`tcp_diag_get_info`, net/ipv4/tcp_diag.c). The kernel drops SYNs once the number
exceeds the limit (`sk_acceptq_is_full`, net/sock.h). A waiting connection is a socket
without an inode. If several listeners share an endpoint (SO_REUSEPORT), the kernel does
not report in whose queue a connection waits.
"""

from __future__ import annotations

from typing import NamedTuple

from tcpstates.doctor.facts import FlaggedSocket, Port
from tcpstates.doctor.links import Place
from tcpstates.doctor.phrases import percent
from tcpstates.text import format_ms
from tcpstates.wording import counted

_ALL = 100  # percent


class AcceptQueue(NamedTuple):
    """The connections that wait at one endpoint, for one listener or for several."""

    place: Place
    listeners: list[FlaggedSocket]  # those whose queue is not empty
    waiting: list[FlaggedSocket]
    limits: tuple[int, ...] | None  # None: not reported by the source

    @property
    def port(self) -> Port:
        """The port that they wait for."""
        return self.place[1]

    @property
    def backlog(self) -> int:
        """The number of waiting connections."""
        return sum(listener.recv_q or 0 for listener in self.listeners)

    @property
    def longest(self) -> float:
        """The longest wait in milliseconds, as a lower bound."""
        return max((each.age[0] for each in self.waiting), default=0.0)

    @property
    def share(self) -> int | None:
        """The fill level of the fullest queue, in percent."""
        if self.limits is None:
            return None
        shares = (
            percent(listener.recv_q or 0, max(limit, 1)) or 0
            for listener, limit in zip(self.listeners, self.limits, strict=True)
        )
        return max(shares, default=0)

    @property
    def is_at_limit(self) -> bool:
        """Whether a queue has as many connections as its limit, or one more."""
        return (self.share or 0) >= _ALL

    @property
    def is_full(self) -> bool:
        """Whether the kernel drops further connections: see above."""
        pairs = zip(self.listeners, self.limits or (), strict=False)
        return any((listener.recv_q or 0) > limit for listener, limit in pairs)

    @property
    def limit(self) -> int | None:
        """How many connections may wait at the endpoint; None: not reported."""
        return None if self.limits is None else sum(self.limits)

    def __str__(self) -> str:
        """Describe how many connections wait, and how long."""
        of = "" if self.limit is None else f" (limit {self.limit:,})"
        waits = f", the longest for {format_ms(self.longest)}" if self.longest else ""
        return f"{counted(self.backlog, 'connection')} waiting{of}{waits}"


def longer_queue(limits: tuple[int, ...] | None, somaxconn: int | None) -> str:
    """Suggest how to make a queue longer; None: the limit is not known."""
    raised = "for bursts: raise the backlog passed to listen()"
    if somaxconn is None:
        return f"{raised}, and the limit of the system (Linux: net.core.somaxconn)"
    if limits is not None and max(limits) >= somaxconn:
        return f"{raised}, and net.core.somaxconn ({somaxconn:,}, the current limit)"
    return f"{raised}; net.core.somaxconn allows {somaxconn:,}"
