"""Estimate how long a socket has been in its state, and how long it has been idle.

The kernel does not record when a socket entered its state, but it records other times
that bound it. So an age is a pair of bounds in milliseconds; the upper one may be
infinity:

| state | age | reason |
|---|---|---|
| TIME_WAIT | exact | its timer runs for 60 s (TCP_TIMEWAIT_LEN, `net/tcp.h`) |
| CLOSE_WAIT | last ACK to last data received | the FIN carried an ACK but no data |
| FIN_WAIT_2, owned | last ACK to last data sent | our FIN was sent after the data |
| FIN_WAIT_2, closed | at least fin_timeout minus rest | its timer runs since close() |
| ESTABLISHED | at least the oldest of these times | they are set on establishment |
| SYN_SENT | r to 2**(r+1)-1 seconds | r retries, each wait 1 or 2 times the last |

A FIN that is received again restarts the timer of TIME_WAIT, and so the age. A program
can set a time other than tcp_fin_timeout for a socket that it closes (TCP_LINGER2).
This is not visible from outside, so the age of that socket is wrong by the difference.
The age in other states is unknown: in SYN_RECEIVED, every repeated SYN counts as a
retry.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from tcpstates.batch import Batch
from tcpstates.fields import ColumnName
from tcpstates.states import TcpState

Bounds = tuple[float, float]

# Texts, because looking up an enum member takes longer than the rest of a row.
_ESTABLISHED, _TIME_WAIT = str(TcpState.ESTABLISHED), str(TcpState.TIME_WAIT)
_SYN_SENT, _CLOSE_WAIT = str(TcpState.SYN_SENT), str(TcpState.CLOSE_WAIT)
_FIN_WAIT_2 = str(TcpState.FIN_WAIT_2)
_TIME_WAIT_MS = 60_000
_FIRST_RETRY_MS = 1000  # TCP_TIMEOUT_INIT, net/tcp.h
_SHORTEST_PROBE_MS, _LONGEST_PROBE_MS = 200, 120_000  # TCP_RTO_MIN, TCP_RTO_MAX
_TIMES: tuple[ColumnName, ...] = (
    "info.last_sent_ms",
    "info.last_received_ms",
    "info.last_ack_ms",
)
_WITH_DATA = frozenset(
    map(
        str,
        (
            TcpState.ESTABLISHED,
            TcpState.FIN_WAIT_1,
            TcpState.FIN_WAIT_2,
            TcpState.CLOSE_WAIT,
            TcpState.CLOSING,
            TcpState.LAST_ACK,
        ),
    )
)
UNKNOWN: Bounds = (0, inf)


def idle_ms(batch: Batch) -> Iterator[float | None]:
    """Yield the time without data sent or received; None if it is not a connection."""
    for word, sent, received in batch.rows(
        "state_label", "info.last_sent_ms", "info.last_received_ms"
    ):
        known = sent is not None and word in _WITH_DATA
        yield min(sent, received) if known else None


def age_bounds_ms(batch: Batch, fin_timeout_ms: float | None) -> Iterator[Bounds]:
    """Yield the bounds of each socket's age, as in the table above.

    `fin_timeout_ms` is the system's tcp_fin_timeout, or None if it has no such setting.
    """
    for word, timer, left, retries, sent, received, ack in batch.rows(
        "state_label", "timer", "timer_ms", "retransmits", *_TIMES
    ):
        if word == _ESTABLISHED:
            if ack is None:
                yield UNKNOWN
            else:
                yield max(sent, received, ack), inf
        elif word == _TIME_WAIT and left is not None:
            age = max(0, _TIME_WAIT_MS - left)
            yield age, age
        elif word == _SYN_SENT and retries is not None:
            yield retries * _FIRST_RETRY_MS, (2 ** (retries + 1) - 1) * _FIRST_RETRY_MS
        elif word == _FIN_WAIT_2 and timer == "time-wait":
            known = fin_timeout_ms is not None and left is not None
            yield (max(0, fin_timeout_ms - left) if known else 0), inf
        elif ack is None:
            yield UNKNOWN
        elif word == _CLOSE_WAIT:
            yield min(ack, received), received
        elif word == _FIN_WAIT_2:
            yield min(ack, sent), sent
        else:
            yield UNKNOWN


def probed_ms(info: dict[str, int]) -> float:
    """Return the least time for which a zero window has been probed.

    The first interval is the retransmission timeout, and each unsuccessful probe
    doubles it (`tcp_send_probe0`, net/ipv4/tcp_output.c).
    """
    first = max(info.get("rto", 0) / 1000, _SHORTEST_PROBE_MS)
    return sum(
        min(first * (1 << probe), _LONGEST_PROBE_MS)
        for probe in range(info.get("backoff", 0))
    )
