"""Colours of states, by meaning: the same in tables and long listings.

Only the eight colours that terminals adapt to a dark or a light background are used,
without yellow, which is unreadable on white, and blue, which is unreadable on black.
"""

from __future__ import annotations

from tcpstates.states import OtherState, TcpState, find_state

_LISTENING = "36"  # cyan
_ALIVE = "32"  # green
_OPENING = "35"  # magenta
_STUCK_PRONE = "1;31"  # bold red: the process has to act, and no timer helps
_CLOSING = ""  # default colour: the kernel finishes it
_OVER = "2"  # dim
DIM = "dim"  # not a state: text in the background

_SGR: dict[str, str] = {
    DIM: _OVER,
    TcpState.LISTEN: _LISTENING,
    OtherState.UNCONN: _LISTENING,
    TcpState.ESTABLISHED: _ALIVE,
    TcpState.SYN_SENT: _OPENING,
    TcpState.SYN_RECEIVED: _OPENING,
    TcpState.CLOSE_WAIT: _STUCK_PRONE,
    TcpState.FIN_WAIT_1: _CLOSING,
    TcpState.FIN_WAIT_2: _CLOSING,
    TcpState.CLOSING: _CLOSING,
    TcpState.LAST_ACK: _CLOSING,
    TcpState.TIME_WAIT: _OVER,
    TcpState.CLOSED: _OVER,
}
_RICH = {
    _LISTENING: "cyan",
    _ALIVE: "green",
    _OPENING: "magenta",
    _STUCK_PRONE: "bold red",
    _CLOSING: "",
    _OVER: "dim",
}


def paint(label: str, padded: str) -> str:
    """Colour a padded state name."""
    codes = _codes(label)
    return f"\x1b[{codes}m{padded}\x1b[0m" if codes else padded


def _codes(label: str) -> str:
    """Look up the colour of a state, also in the spelling of another tool."""
    codes = _SGR.get(label)
    return _SGR.get(str(find_state(label)), "") if codes is None else codes


def paint_wrong(text: str) -> str:
    """Colour a text that differs from what is expected."""
    return f"\x1b[{_STUCK_PRONE}m{text}\x1b[0m"


def paint_severity(severity: int, text: str) -> str:
    """Colour a text by its severity: see `findings.Severity`."""
    codes = {1: _LISTENING, 2: _OPENING}.get(severity, _STUCK_PRONE)
    return f"\x1b[{codes}m{text}\x1b[0m"


def rich_style(label: str) -> str:
    """Look up the colour of a state as a style of rich."""
    return _RICH[_codes(label)]
