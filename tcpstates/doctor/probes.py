"""Connections whose peer accepts no data, and whether the peer still answers.

While the peer's window is zero, the kernel sends probes at growing intervals. A peer
that is there acknowledges each of them, which sets the number of unanswered probes back
to 0 (`icsk_probes_out`, net/ipv4/tcp_input.c). So a peer that does not read can be told
from one that is gone by that number, and by the age of the last ACK.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from tcpstates.ages import probe_interval_ms, probed_ms
from tcpstates.batch import Batch
from tcpstates.doctor.facts import FlaggedSocket, RuleContext

_UNANSWERED = 2  # probes: one may be lost, or still be on its way
_SLACK_MS = 1000  # until an answer arrives and the timer is set anew


class PeerHost(Enum):
    """What the probes of a zero window show of the peer's host."""

    ANSWERS = "answers"
    SILENT = "silent"
    UNKNOWN = "unknown"  # one probe is unanswered, or the next one is not due yet


class ProbedSocket(NamedTuple):
    """A socket with a zero window, and what is known of its probes."""

    socket: FlaggedSocket  # its `since_ms` is the time it has been probed, at least
    last_ack_ms: int | None
    interval_ms: float  # between the last probe and the next

    @property
    def peer(self) -> PeerHost:
        """What the probes show."""
        unanswered = self.socket.retransmits
        if unanswered is not None and unanswered >= _UNANSWERED:
            return PeerHost.SILENT
        if unanswered is None or self.last_ack_ms is None:
            return PeerHost.UNKNOWN
        is_recent = self.last_ack_ms <= self.interval_ms + _SLACK_MS
        return PeerHost.ANSWERS if is_recent else PeerHost.UNKNOWN


def probed_sockets(context: RuleContext, batch: Batch) -> Iterator[ProbedSocket]:
    """Yield the sockets whose window is zero, for as long as a threshold says."""
    timers = batch.column("timer")
    if "probe" not in timers:
        return
    full = batch.select([timer == "probe" for timer in timers])
    rows = zip(context.sockets(full), full.column("info"), strict=True)
    for socket, info in rows:
        lasts = probed_ms(info or {})
        unanswered = (socket.retransmits or 0) >= _UNANSWERED
        if info is None or unanswered or lasts >= context.thresholds.zero_window_ms:
            last_ack, moved = (
                None if info is None else info.get(name)
                for name in ("last_ack_ms", "bytes_acked")
            )
            yield ProbedSocket(
                socket._replace(since_ms=lasts, moved=moved),
                last_ack,
                probe_interval_ms(info or {}),
            )


def answer_line(probed: Sequence[ProbedSocket]) -> str:
    """Describe what the peers' hosts have answered, as far as it is known."""
    number = len(probed)
    answering = [each for each in probed if each.peer is PeerHost.ANSWERS]
    if not answering:
        return "whether their hosts still answer cannot be seen yet"
    are = "all" if len(answering) == number else f"{len(answering):,} of {number:,}"
    return f"{are} answered the last probe: their hosts are there"
