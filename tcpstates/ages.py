"""How long a socket has been in its state, and since when it moves no data.

The kernel keeps no such time, but others that lie around it, so an age is a pair of
bounds in milliseconds, and infinity where there is no upper one:

| state | age | because |
|---|---|---|
| TIME_WAIT | exact | its timer runs for 60 s (TCP_TIMEWAIT_LEN, `net/tcp.h`) |
| FIN_WAIT_2, closed | exact | the same timer runs for tcp_fin_timeout |
| FIN_WAIT_2, held | last ACK to last data sent | our FIN was sent after the data |
| CLOSE_WAIT | last ACK to last data received | the FIN carried an ACK, and no data |
| ESTABLISHED | at least the oldest of these | they are set when it is established |
| SYN_SENT | r to 2**(r+1)-1 seconds | after r retries, each as long or twice as long |
| SYN_RECEIVED | at least r seconds | its timer may start anew |

A FIN that is received again starts the timer of TIME_WAIT anew: the age counts from
there. Whether the socket was closed tells its timer. Of other states nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from tcpstates.model import Batch
from tcpstates.states import TcpState

Bounds = tuple[float, float]

TIME_WAIT_MS = 60_000
FIN_TIMEOUT_MS = 60_000  # the default of tcp_fin_timeout
_FIRST_RETRY_MS = 1000  # TCP_TIMEOUT_INIT, net/tcp.h
_TIMES = ("info.last_sent_ms", "info.last_received_ms", "info.last_ack_ms")
_WITH_DATA = frozenset(
    {
        TcpState.ESTABLISHED,
        TcpState.FIN_WAIT_1,
        TcpState.FIN_WAIT_2,
        TcpState.CLOSE_WAIT,
        TcpState.CLOSING,
        TcpState.LAST_ACK,
    }
)
_UNKNOWN: Bounds = (0, inf)


def idle_ms(batch: Batch) -> Iterator[float | None]:
    """Yield since when no data were sent or received; None: not a connection."""
    sent, received, _ = map(batch.column, _TIMES)
    for word, since_sent, since_received in zip(
        batch.column("word"), sent, received, strict=True
    ):
        known = since_sent is not None and word in _WITH_DATA
        yield min(since_sent, since_received) if known else None


def age_bounds_ms(batch: Batch, fin_timeout_ms: int) -> Iterator[Bounds]:
    """Yield the bounds of each socket's age, by this module's table.

    `fin_timeout_ms` is how long this host lets FIN_WAIT_2 last.
    """
    names = ("word", "timer", "timer_ms", "retransmits", *_TIMES)
    for word, timer, left, retries, sent, received, ack in zip(
        *map(batch.column, names), strict=True
    ):
        if timer == "time-wait" and left is not None:
            whole = TIME_WAIT_MS if word == TcpState.TIME_WAIT else fin_timeout_ms
            # Time left beyond the whole: TCP_LINGER2 has set another one.
            yield (whole - left, whole - left) if left <= whole else _UNKNOWN
        elif word == TcpState.SYN_SENT and retries is not None:
            yield retries * _FIRST_RETRY_MS, (2 ** (retries + 1) - 1) * _FIRST_RETRY_MS
        elif word == TcpState.SYN_RECEIVED and retries is not None:
            yield retries * _FIRST_RETRY_MS, inf
        elif ack is None:
            yield _UNKNOWN
        elif word == TcpState.CLOSE_WAIT:
            yield min(ack, received), received
        elif word == TcpState.FIN_WAIT_2:
            yield min(ack, sent), sent
        elif word == TcpState.ESTABLISHED:
            yield max(sent, received, ack), inf
        else:
            yield _UNKNOWN
