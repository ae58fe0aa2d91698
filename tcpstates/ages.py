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

Where only the time of its creation is known (Windows), no state is older than that,
unless the clock has been set back since.

A FIN that is received again restarts the timer of TIME_WAIT, and so the age. A program
can set a time other than tcp_fin_timeout for a socket that it closes (TCP_LINGER2).
This is not visible from outside, so the age of that socket is wrong by the difference.
The age in other states is unknown: in SYN_RECEIVED, every repeated SYN counts as a
retry.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from math import inf
from typing import Any

from tcpstates.batch import Batch
from tcpstates.fields import InfoColumn
from tcpstates.states import TcpState

Bounds = tuple[float, float]

# Texts, because looking up an enum member takes longer than the rest of a row.
_ESTABLISHED, _TIME_WAIT = str(TcpState.ESTABLISHED), str(TcpState.TIME_WAIT)
_SYN_SENT, _CLOSE_WAIT = str(TcpState.SYN_SENT), str(TcpState.CLOSE_WAIT)
_FIN_WAIT_2 = str(TcpState.FIN_WAIT_2)
_TIME_WAIT_MS = 60_000
_FIRST_RETRY_MS = 1000  # TCP_TIMEOUT_INIT, net/tcp.h
_SHORTEST_PROBE_MS, _LONGEST_PROBE_MS = 200, 120_000  # TCP_RTO_MIN, TCP_RTO_MAX
_TIMES: tuple[InfoColumn, ...] = (
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


def idle_ms(batch: Batch) -> list[float | None]:
    """The time without data sent or received; None if it is not a connection."""
    sent = batch.column("info.last_sent_ms")
    received = batch.column("info.last_received_ms")
    labels = batch.column("state_label")
    if None not in sent and _WITH_DATA.issuperset(labels):
        return list(map(min, sent, received))
    return [
        min(s, r) if s is not None and label in _WITH_DATA else None
        for label, s, r in zip(labels, sent, received, strict=True)
    ]


def age_bounds_ms(batch: Batch, fin_timeout_ms: int | None) -> list[Bounds]:
    """The bounds of each socket's age, as in the table above.

    `fin_timeout_ms` is the system's tcp_fin_timeout, or None if it has no such setting.
    """
    least, others = ages_ms(batch, fin_timeout_ms)
    found: list[Bounds] = list(zip(least, repeat(inf)))
    for place, bounds in others.items():
        found[place] = bounds
    return found


def ages_ms(
    batch: Batch, fin_timeout_ms: int | None
) -> tuple[Sequence[int], dict[int, Bounds]]:
    """The lower bound of each age, and both bounds of the ages that may have two.

    The latter are by place; the lower bounds at these places have no meaning. Most
    sockets are ESTABLISHED, and their ages have one bound: without pairs, they take
    0.2 us each instead of 0.5.
    """
    labels = batch.column("state_label")
    sent, received, ack = (batch.column(name) for name in _TIMES)
    created = batch.get("created_ms")
    others: Sequence[int] = range(len(batch))
    are_known = None not in ack
    least = list(map(max, sent, received, ack)) if are_known else [0] * len(batch)
    if are_known and created is None:
        have_one = labels.count(_ESTABLISHED) == len(batch)
        others = () if have_one else [i for i in others if labels[i] != _ESTABLISHED]
    found: dict[int, Bounds] = {}
    if others:
        rows = list(batch.rows("timer", "timer_ms", "retransmits"))
        for i in others:
            times = sent[i], received[i], ack[i]
            found[i] = _bounds(labels[i], rows[i], times, fin_timeout_ms)
    if created is not None:
        for i, known in enumerate(created):
            if known is not None:
                low, high = found[i]
                found[i] = low, min(high, known)
    return least, found


def _bounds(
    label: str,
    running: tuple[str | None, int | None, int | None],
    times: tuple[Any, Any, Any],
    fin_timeout_ms: int | None,
) -> Bounds:
    timer, left, retries = running
    sent, received, ack = times
    if label == _TIME_WAIT and left is not None:
        age = max(0, _TIME_WAIT_MS - left)
        return age, age
    if label == _SYN_SENT and retries is not None:
        return retries * _FIRST_RETRY_MS, (2 ** (retries + 1) - 1) * _FIRST_RETRY_MS
    if label == _FIN_WAIT_2 and timer == "time-wait":
        if fin_timeout_ms is None or left is None:
            return UNKNOWN
        return max(0, fin_timeout_ms - left), inf
    if ack is None:
        return UNKNOWN
    if label == _ESTABLISHED:
        return max(sent, received, ack), inf
    if label == _CLOSE_WAIT:
        return min(ack, received), received
    if label == _FIN_WAIT_2:
        return min(ack, sent), sent
    return UNKNOWN


def probed_ms(info: dict[str, int]) -> float:
    """Return the least time for which a zero window has been probed.

    The first interval is the retransmission timeout, and each unsuccessful probe
    doubles it (`tcp_send_probe0`, net/ipv4/tcp_output.c).
    """
    return sum(_interval_ms(info, probe) for probe in range(info.get("backoff", 0)))


def probe_interval_ms(info: dict[str, int]) -> float:
    """Return the time between the last probe of a zero window and the next one."""
    return _interval_ms(info, info.get("backoff", 0))


def _interval_ms(info: dict[str, int], probe: int) -> float:
    first = max(info.get("rto", 0) / 1000, _SHORTEST_PROBE_MS)
    return min(first * (1 << probe), _LONGEST_PROBE_MS)
