"""How long a socket has been in its state, and since when it moves no data.

The kernel keeps no such time, but others that lie around it, so an age is a pair of
bounds in milliseconds, and infinity where there is no upper one:

| state | age | because |
|---|---|---|
| TIME_WAIT | exact | its timer runs for 60 s (TCP_TIMEWAIT_LEN, `net/tcp.h`) |
| CLOSE_WAIT | last ACK to last data received | the FIN carried an ACK, and no data |
| FIN_WAIT_2, held | last ACK to last data sent | our FIN was sent after the data |
| FIN_WAIT_2, closed | at least fin_timeout less the rest | its timer since close() |
| ESTABLISHED | at least the oldest of these | they are set when it is established |
| SYN_SENT | r to 2**(r+1)-1 seconds | after r retries, each as long or twice as long |

A FIN that is received again starts the timer of TIME_WAIT anew: the age counts from
there. A program can set another time than tcp_fin_timeout for a socket that it closes
(TCP_LINGER2), which nobody can see from outside: its age is wrong by the difference.
Of other states nothing is known: in SYN_RECEIVED every SYN that is repeated counts as
a retry.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from tcpstates.model import Batch
from tcpstates.states import TcpState

Bounds = tuple[float, float]

# Texts, because looking a member up takes longer than all else that a row takes.
_ESTABLISHED, _TIME_WAIT = str(TcpState.ESTABLISHED), str(TcpState.TIME_WAIT)
_SYN_SENT, _CLOSE_WAIT = str(TcpState.SYN_SENT), str(TcpState.CLOSE_WAIT)
_FIN_WAIT_2 = str(TcpState.FIN_WAIT_2)
_TIME_WAIT_MS = 60_000
_FIRST_RETRY_MS = 1000  # TCP_TIMEOUT_INIT, net/tcp.h
_SHORTEST_PROBE_MS, _LONGEST_PROBE_MS = 200, 120_000  # TCP_RTO_MIN, TCP_RTO_MAX
_SENT, _RECEIVED = "info.last_sent_ms", "info.last_received_ms"
_TIMES = (_SENT, _RECEIVED, "info.last_ack_ms")
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
    """Yield since when no data were sent or received; None: not a connection."""
    for word, sent, received in zip(
        *map(batch.column, ("state_label", _SENT, _RECEIVED)), strict=True
    ):
        known = sent is not None and word in _WITH_DATA
        yield min(sent, received) if known else None


def age_bounds_ms(batch: Batch, fin_timeout_ms: float | None) -> Iterator[Bounds]:
    """Yield the bounds of each socket's age, by this module's table.

    `fin_timeout_ms` is the system's tcp_fin_timeout; None: it has no such setting.
    """
    names = ("state_label", "timer", "timer_ms", "retransmits", *_TIMES)
    for word, timer, left, retries, sent, received, ack in zip(
        *map(batch.column, names), strict=True
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
    """Return for how long a zero window has been probed at least.

    Each probe without success doubles the time to the next one, from the timeout of
    retransmission on (`tcp_send_probe0`, net/ipv4/tcp_output.c).
    """
    first = max(info.get("rto", 0) / 1000, _SHORTEST_PROBE_MS)
    return sum(
        min(first * (1 << probe), _LONGEST_PROBE_MS)
        for probe in range(info.get("backoff", 0))
    )
