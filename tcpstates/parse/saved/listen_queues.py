"""Parse netstat -L of FreeBSD and macOS: the queues of listening sockets.

Rows have qlen/incqlen/maxqlen (connections ready to be accepted, not yet complete, and
the backlog limit) and the local address. FreeBSD prints the protocol before them, macOS
does not; -A prints addresses of kernel structures at the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import joined
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.rows import NOT_OURS, Row

_TITLE = late(r"^Current listen queue sizes|^(?:\S+\s+){0,3}Listen\s+Local Address")
_ROW = late(
    r"^\s*(?:[0-9a-f]{8,16}\s+(?:[0-9a-f]{1,8}\s+)?)?(?:(tcp)(4|6|46)?\s+)?"
    r"(\d{1,10})/\d{1,10}/(\d{1,10})\s+(\S+)\s*$"
)
_OTHER = late(r"^\s*(?:unix|sctp|sdp|toe)\S*\s.*\d/\d")
_FAMILIES = {"4": "ipv4", "6": "ipv6", "46": "ipv6"}


class ListenQueues(Layout):
    """The table of netstat -L."""

    name = "netstat-listen"
    formats = ("netstat",)
    is_unmistakable = True
    _has_heading = False
    like_row = late(
        r"(?:^|\s)\d+/\d+/|^[0-9a-f]{12,16}\s|(?:^|\s)[^\s.]\S{0,80}\.(?:\d+|\*|[a-z]\S*)\s*$"
    )

    def heading(self, line: str) -> bool:
        """Recognise the title and the heading below it."""
        self._has_heading |= _TITLE.match(line) is not None
        return _TITLE.match(line) is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row; its queues are what ss shows as Recv-Q and Send-Q."""
        found = _ROW.match(line)
        # Without a protocol, and without the heading, it may be a date and a name.
        if found is None or not (found[1] or self._has_heading):
            return NOT_OURS if _OTHER.match(line) else None
        local = self._endpoints.split(found[5])
        anywhere = self._endpoints.split("*.*")
        family, ends, more = joined(local, anywhere, _FAMILIES.get(found[2] or ""))
        if not local[0].is_whole and found[1]:
            more["truncated"] = ("local_address",)
        queues = int(found[3]), int(found[4])
        return (Row("tcp", family, "LISTEN", *ends, *queues, more),)
