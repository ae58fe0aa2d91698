"""Parse SCF STATUS PROCESS of HP NonStop, which prints ports in columns of their own.

A row has the protocol, the state (TCP only), address and port of both ends, and the
queues, Send-Q first. It names no process.
"""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import joined
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.rows import NOT_OURS, Row, state_of

_HEADING = late(r"^\s*Proto\s+State\s+Laddr\s+Lport\s+Faddr\s+Fport\s")
_ROW = late(
    r"^\s*(TCP|UDP|\d{1,3})\s+(?:([A-Z][A-Z0-9-]+)\s+)?([\w.:-]+)\s+([\w-]+|\*)\s+"
    r"([\w.:-]+)\s+([\w-]+|\*)\s+(\d{1,15})\s+(\d{1,15})\s*$"
)


class NonStop(Layout):
    """The table below `Proto State Laddr Lport Faddr Fport SendQ RecvQ`."""

    name = "nonstop"
    formats = ("netstat",)
    has_snapshots = True
    like_row = late(r"^\s*(?:TCP|UDP)\s|\s(?:\d+|\*)\s+\d+\s+\d+\s*$")

    def heading(self, line: str) -> bool:
        """Recognise the heading."""
        return _HEADING.match(line) is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row."""
        found = _ROW.match(line)
        if found is None:
            return None
        protocol, raw = found[1].lower(), found[2]
        if protocol.isdecimal():
            return NOT_OURS
        if raw is not None and state_of(raw) is None:
            return None
        local, remote = (
            (self._endpoints.address(found[i]), self._endpoints.port(found[i + 1]))
            for i in (3, 5)
        )
        family, ends, more = joined(local, remote)
        is_listener = raw == "LISTEN"  # its Send-Q is no backlog limit
        sent = None if is_listener else int(found[7])
        return (Row(protocol, family, raw, *ends, int(found[8]), sent, more),)
