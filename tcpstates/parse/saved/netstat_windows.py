"""Parse what netstat of Windows prints behind the endpoints, and below a row."""

from __future__ import annotations

from itertools import takewhile

from tcpstates.parse.saved.rows import More, Row, owner, state_of, take_windows_pid
from tcpstates.protocols import PROTOCOLS
from tcpstates.states import TcpState


def read_windows(
    after: list[str], protocol: str, remote_port: int | str, more: More
) -> str | None:
    """Parse the columns after the endpoints on Windows; return the state.

    The remote port identifies a listener if the translated state is unknown.
    """
    raw = None
    # In some languages, the name of a state has several words.
    words = list(takewhile(lambda word: not word.isdecimal(), after))
    if PROTOCOLS[protocol].has_states and words:
        raw, after = " ".join(words), after[len(words) :]
        if state_of(raw) is None and state_of(words[0]) is not None:
            raw = words[0]  # what follows is a remark
        state = state_of(raw)
        if state is None and remote_port == 0:
            more["state_label"] = str(TcpState.LISTEN)
    if after:
        take_windows_pid(after[0], more)
    return raw


def with_program(row: Row, name: str) -> Row:
    """Add the program name to the process of a row; without -o, there is no pid."""
    more = dict(row.more or {})
    if more.get("pid") != 0:
        pid = str(more["pid"]) if "pid" in more else None
        more["processes"] = (owner(pid, name),)
    return row._replace(more=more)
