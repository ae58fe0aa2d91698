"""Parse netstat of z/OS: TSO NETSTAT CONN, onetstat -c, D TCPIP,,N,CONN.

Ports follow two dots. A stack with IPv6 prints three lines per socket. The job's name
stands in the column "User Id"; there is no pid.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import Endpoint, Endpoints, joined
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.rows import MALFORMED, MalformedLine, More, Row, take_user

_PREFIX = r"^\s*(?:EZ[A-Z]\d{4}I\s+)?"
_HEADING = late(_PREFIX + r"User Id\s+Conn\s+(?:Local Socket|State)", re.IGNORECASE)
_BEGIN = _PREFIX + r"(?P<job>\S{1,8})\s+(?P<conn>[0-9A-F]{8})\s+"
_ENDPOINT = r"(?:[\w.:%-]+|\*)\.\.(?:\d+|\*|[\w-]+)"
_SHORT = late(
    rf"{_BEGIN}(?P<local>{_ENDPOINT})\s+(?P<remote>{_ENDPOINT})\s+(?P<state>[A-Za-z]\w*)\s*$"
)
_LONG = late(rf"{_BEGIN}(?P<state>[A-Za-z]\w*)\s*$")
_SIDE = late(
    rf"{_PREFIX}(?P<side>Local|Foreign) Socket:\s+(?P<endpoint>\S+)\s*$", re.IGNORECASE
)
_LIKE_ROW = late(rf"{_BEGIN}\S*\.\.")


class Zos(Layout):
    """One line per socket, or three."""

    name = "zos"
    formats = ("netstat",)
    has_snapshots = True
    has_blocks = True
    is_unmistakable = True
    like_row = late(rf"{_BEGIN}\S")

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._begun: re.Match[str] | None = None
        self._line = 0  # where the socket of several lines began
        self._sides: dict[str, str] = {}

    def heading(self, line: str) -> bool:
        """Recognise the heading of either form."""
        return _HEADING.match(line) is not None

    @staticmethod
    def may_be_row(line: str) -> bool:
        """Check for a row of one line; the other form needs its heading."""
        return ".." in line and _SHORT.match(line) is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a line; return the rows that it completes."""
        short = _SHORT.match(line)
        if short:
            return (*self.finish(), self._row(short, short["local"], short["remote"]))
        begun = _LONG.match(line)
        if begun:
            ended = self.finish()
            self._begun, self._line = begun, self._endpoints.line
            return ended
        side = _SIDE.match(line)
        if side:
            if self._begun is None:
                raise MalformedLine(line)
            self._sides[side["side"].lower()] = side["endpoint"]
            return self.finish() if len(self._sides) == 2 else ()
        if _LIKE_ROW.match(line):
            raise MalformedLine(line)
        return None

    def finish(self) -> Sequence[Row]:
        """Return the socket whose lines are complete; MALFORMED for another one."""
        begun, self._begun = self._begun, None
        sides, self._sides = self._sides, {}
        if begun is None:
            return ()
        try:
            row = self._row(begun, sides["local"], sides["foreign"])
        except (KeyError, MalformedLine, ValueError):
            row = MALFORMED
        return (row._replace(line=self._line),)

    def _row(self, found: re.Match[str], here: str, there: str) -> Row:
        local, remote = map(self._split, (here, there))
        family, places, more = joined(local, remote)
        own: More = dict(more)
        take_user(found["job"], own)
        if found["state"].upper() == "UDP":
            return Row("udp", family, None, *places, more=own)
        return Row("tcp", family, found["state"], *places, more=own)

    def _split(self, text: str) -> Endpoint:
        address, dots, port = text.rpartition("..")
        if not dots:
            raise MalformedLine(text)
        return self._endpoints.address(address), self._endpoints.port(port)
