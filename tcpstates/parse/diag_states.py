"""Convert between socket states and their numbers in `linux/tcp_states.h`."""

from __future__ import annotations

from tcpstates.protocols import PROTOCOLS
from tcpstates.states import AnyState, OtherState, TcpState

_STATES: dict[int, AnyState] = {
    1: TcpState.ESTABLISHED,
    2: TcpState.SYN_SENT,
    3: TcpState.SYN_RECEIVED,
    4: TcpState.FIN_WAIT_1,
    5: TcpState.FIN_WAIT_2,
    6: TcpState.TIME_WAIT,
    7: TcpState.CLOSED,
    8: TcpState.CLOSE_WAIT,
    9: TcpState.LAST_ACK,
    10: TcpState.LISTEN,
    11: TcpState.CLOSING,
    12: TcpState.SYN_RECEIVED,  # TCP_NEW_SYN_RECV
    13: OtherState.BOUND,  # TCP_BOUND_INACTIVE, Linux 6.8: used in requests only
}
_ESTABLISHED, _CLOSE, _BOUND_INACTIVE = 1, 7, 13
_BY_PEER: dict[int, AnyState] = {
    _ESTABLISHED: TcpState.ESTABLISHED,
    _CLOSE: OtherState.UNCONN,
}
# Timers by their number, in sock_diag and in /proc/net (`idiag_timer`, inet_diag.h).
TIMERS = ("off", "retransmit", "keepalive", "time-wait", "probe", "delayed-ack")
# The spellings of ss; `raw_state` of this source.
# fmt: off
RAW_WORDS = (
    "0", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
    "UNCONN", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "NEW-SYN-RECV",
    "BOUND-INACTIVE",
)
# fmt: on


def states_mask(protocol: str, states: frozenset[AnyState], *, unknown: bool) -> int:
    """Return the kernel's bit mask for states; `unknown` adds those of later kernels.

    A CLOSED TCP socket is in none of the kernel's tables. Without that bit, the kernel
    can skip its large table if only listeners are requested. UDP sockets have only
    two states.
    """
    mask = sum(1 << code for code, state in _STATES.items() if state in states)
    if unknown:
        mask |= 0xFFFFFFFF << (_BOUND_INACTIVE + 1) & 0xFFFFFFFF
    if PROTOCOLS[protocol].has_states:
        return mask & ~(1 << _CLOSE)
    mask &= 1 << _ESTABLISHED
    return mask | (1 << _CLOSE if OtherState.UNCONN in states else 0)


def label_table(protocol: str, *, bound: bool) -> list[str]:
    """Return the displayed state for each of the 256 values of a state byte."""
    has_states = PROTOCOLS[protocol].has_states
    known = _STATES if has_states else _BY_PEER
    labels = [f"UNKNOWN({code})" for code in range(256)]
    for code, state in known.items():
        labels[code] = str(state)
    if bound and has_states:
        labels[_CLOSE] = str(OtherState.BOUND)
    return labels
