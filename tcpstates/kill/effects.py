"""Say what both sides will notice of the end of a socket, by its state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tcpstates.states import TcpState

S = TcpState
# Their other end may be in CLOSE_WAIT, and stay there.
HALF_CLOSED = frozenset({S.FIN_WAIT_1, S.FIN_WAIT_2, S.CLOSING, S.LAST_ACK})
_BOTH = (
    "The program gets ECONNABORTED at its next call, and the other end is reset"
    " (ECONNRESET). Data under way are lost."
)
# Measured on Linux 6.18. The other end of these is in CLOSE_WAIT or has closed.
_HALF = (
    "The other end may get nothing. If it is in CLOSE_WAIT it stays there until its"
    " program closes: look at that one."
)
_TEXTS: dict[str, str] = {
    S.LISTEN: "Nothing is accepted any more, and waiting connections are reset; the"
    " program keeps its descriptor, which is dead, and does not notice. Restart it.",
    S.SYN_SENT: "connect() fails with ECONNABORTED.",
    S.SYN_RECEIVED: "The client notices only when it sends something (ECONNRESET).",
    S.ESTABLISHED: _BOTH,
    S.CLOSE_WAIT: "The socket leaves the table, but the program keeps its descriptor"
    " until it closes it or ends: neither the descriptor nor the bug is mended. The"
    " other end is reset.",
    S.FIN_WAIT_1: _HALF,
    S.FIN_WAIT_2: _HALF,
    S.CLOSING: _HALF,
    S.LAST_ACK: _HALF,
    S.TIME_WAIT: "The pair of ports is free early: a late segment of the old connection"
    " may get into a new one.",
}
_DATAGRAMS = "The program gets ECONNABORTED at its next call."


def describe(labels: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield how many sockets are in which states, and what will be noticed of each."""
    together: dict[str, Counter[str]] = {}
    for label, number in Counter(labels).items():
        text = _TEXTS.get(label, _DATAGRAMS)
        together.setdefault(text, Counter())[label] += number
    for text, states in together.items():
        heading = ", ".join(f"{number:,} {label}" for label, number in states.items())
        yield heading, text
