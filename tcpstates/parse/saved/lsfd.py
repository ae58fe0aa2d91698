"""Parse lsfd of util-linux 2.39 and later, which shows the endpoints of sockets.

The column NAME has `state=listen laddr=0.0.0.0:22` or `state=... laddr=... raddr=...`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import Endpoints
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.rows import (
    NOT_OURS,
    MalformedLine,
    More,
    Row,
    owner,
    take_user,
)

_HEADING = late(r"^COMMAND\s+PID\s.*\bASSOC\s.*\bTYPE\s.*\bNAME\b")
_NAME = late(
    r"state=(?P<state>[\w-]+)\s+laddr=(?P<local>\S+)(?:\s+raddr=(?P<remote>\S+))?"
)
_TYPE = late(r"\s(TCP|UDP)(v6)?\s")
_LEFT = late(r"^\s*(\S.{0,60}?)\s+(\d{1,10})\s+(?:\d{1,10}\s+)?(\S+)\s+(\d+)\s")
_INODE = late(r"\ssockfs\s+\d+\s+(\d{1,20})\s")
_OTHER = late(r"\s(?:UDP-Lite|RAW|PING|AF_VSOCK|UNIX|sockfs|REG|DIR|CHR|FIFO)\b")


_OTHER_SOCKET = late(r"\s(?:UDP-Lite|RAW|PING|AF_VSOCK|UNIX)(?:v6|-\S+)?\s")
# A socket without an address, or one that lsfd could not look up.
_WITHOUT_NAME = late(r"(?:TCP|UDP|socket)(?:v6)?:\[\d+\]|sockfs\s+\d+\s+\d+\s*$")


class Lsfd(Layout):
    """The table of lsfd, aligned or --raw."""

    name = "lsfd"
    formats = ("lsfd",)
    has_snapshots = True
    is_unmistakable = True
    like_row = late(r"\s\d+\s+\S+\s+\d+\s+[rwDmpx-]{1,6}\s*$")

    @staticmethod
    def may_be_row(line: str) -> bool:
        """Check for the column NAME of a socket with an address."""
        return " state=" in line.replace("\t", " ") and "laddr=" in line

    def heading(self, line: str) -> bool:
        """Recognise the heading."""
        return _HEADING.match(line) is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row."""
        text = line.strip().replace("\\x20", " ")  # of --raw
        name = _NAME.search(text)
        kind = _TYPE.search(text)
        if name is not None and kind is None and not _OTHER_SOCKET.search(text):
            raise MalformedLine(line)
        if name is None or kind is None:
            if kind is not None and not _WITHOUT_NAME.search(text):
                raise MalformedLine(line)
            return NOT_OURS if _OTHER.search(text) else None
        more: More = {}
        left = _LEFT.match(text[: kind.start() + 1])
        if left:
            more["processes"] = (owner(left[2], left[1], left[4]),)
            take_user(left[3], more)
        inode = _INODE.search(text)
        if inode:
            more["inode"] = int(inode[1])
        return (_row(self._endpoints, kind[1], kind[2], name, more),)


def _row(
    endpoints: Endpoints,
    protocol: str,
    six: str | None,
    name: re.Match[str],
    more: More,
) -> Row:
    protocol = protocol.lower()
    any_peer = "[::]:0" if six else "0.0.0.0:0"
    family, ends, of_ends = endpoints.ends(
        name["local"], name["remote"] or any_peer, "ipv6" if six else "ipv4"
    )
    return Row(protocol, family, name["state"], *ends, more={**of_ends, **more})


def row_of_object(endpoints: Endpoints, found: Mapping[str, Any]) -> Row | None:
    """Make a row of an object of lsfd --json; None: it is no TCP or UDP socket."""
    name, kind = str(found.get("name")), str(found.get("type"))
    parts = _NAME.search(name)
    is_ours = _TYPE.match(f" {kind} ")
    if parts is None and is_ours is not None and "state=" in name:
        raise MalformedLine(name)
    if parts is None or is_ours is None:
        return None
    more: More = {}
    pid, assoc = found.get("pid"), str(found.get("assoc"))
    if type(pid) is int:
        fd = assoc if assoc.isdecimal() else None
        more["processes"] = (owner(str(pid), str(found.get("command")), fd),)
    take_user(str(found.get("user")), more)
    if type(found.get("inode")) is int:
        more["inode"] = found["inode"]
    return _row(endpoints, is_ours[1], is_ours[2], parts, more)
