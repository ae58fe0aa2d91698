"""Parse sockstat of FreeBSD and Linux."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.rows import NOT_OURS, MalformedLine, Row, owner, take_user

_PROTOCOL = re.compile(r"(tcp|udp)(4|6|46)?$")
_FAMILIES = {"4": "ipv4", "6": "ipv6", "46": "ipv6"}
_HEADING = re.compile(r"^USER\s+(COMMAND|PROCESS)\s+PID\s")
_WHOLE_ROW = re.compile(
    r"^\s*\S+\s+\S.{0,60}?\s\d+\s+\d+\s+(?:tcp|udp)(?:4|6|46)?\s+\S+[:.](?:\d+|\*)\s"
)
_OTHER = re.compile(r"\s(stream|dgram|seqpac|raw|icm|divert)")


class Sockstat(Layout):
    """Rows of user, command, pid, an optional descriptor, and both endpoints."""

    name = "sockstat"
    formats = ("sockstat",)
    has_snapshots = True
    is_unmistakable = True

    @staticmethod
    def may_be_row(line: str) -> bool:
        """Check for a user, a command, a pid, a descriptor and both endpoints."""
        return _WHOLE_ROW.match(line) is not None

    def heading(self, line: str) -> bool:
        """Recognise the heading."""
        return _HEADING.match(line) is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row."""
        fields = line.split()
        # A user, a command, which may contain anything, and a pid precede the protocol.
        places = [
            i for i, field in enumerate(fields) if i > 2 and _PROTOCOL.match(field)
        ]
        if not places:
            return NOT_OURS if _OTHER.search(line) else None
        place = places[-1] if len(fields) > places[-1] + 2 else places[0]
        if len(fields) < place + 3:
            raise MalformedLine(line)
        protocol, digits = fields[place][:3], fields[place][3:]
        here, there = fields[place + 1 : place + 3]
        family, ends, more = self._endpoints.ends(here, there, _FAMILIES.get(digits))
        state = fields[place + 3] if len(fields) > place + 3 else None
        if state is not None and not state.replace("_", "").isalpha():
            state = None  # FreeBSD's -U prints a number there
        left = fields[:place]
        if left[0] != "?":
            take_user(left[0], more)
        numbers = [field for field in left[2:] if field.isdecimal()]
        if numbers:
            fd = numbers[1] if len(numbers) > 1 else None
            command = " ".join(left[1 : left.index(numbers[0], 2)])
            more["processes"] = (owner(numbers[0], command, fd),)
        return (Row(protocol, family, state, *ends, more=more),)
