"""Parse sockstat of FreeBSD and Linux."""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import Address, Endpoint, Endpoints, joined
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.rows import (
    NOT_OURS,
    MalformedLine,
    Row,
    owner,
    state_of,
    take_user,
)

# toe: TCP that the network card does.
_PROTOCOL = late(r"(tcp|udp|toe)(4|6|46)?$")
_FAMILIES = {"4": "ipv4", "6": "ipv6", "46": "ipv6"}
_HEADING = late(r"^USER\s+(COMMAND|PROCESS)\s+PID\s")
_WHOLE_ROW = late(
    r"^\s*\S+\s+\S.{0,60}?\s\d+\s+\d+\s+(?:tcp|udp|toe)(?:4|6|46)?\s+\S+[:.](?:\d+|\*)\s"
)
# The headings of columns behind the addresses, most of which have blanks.
_COLUMNS = late(
    r"PCB KVA|FIB|SPLICE ADDRESS|ID|ENCAPS|PATH STATE|CONN STATE|STATE|STACK|CC"
)
_STATES = ("CONN STATE", "STATE")
_NOTHING = "??"
_WIDTH = 21  # of an address without -w
_OTHER = late(r"\s(stream|dgram|seqpac|raw|icm|divert)")


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

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._columns: list[str] = []  # behind the addresses
        self._width = 0  # of the addresses; 0: whatever they need

    def heading(self, line: str) -> bool:
        """Recognise the heading."""
        if not _HEADING.match(line):
            return False
        start, end = line.find("LOCAL ADDRESS"), line.find("FOREIGN ADDRESS")
        behind = line[end + len("FOREIGN ADDRESS") :] if end > 0 else ""
        self._columns = _COLUMNS.findall(behind)
        is_cut = start >= 0 and end - start - 1 == _WIDTH
        self._width = _WIDTH if is_cut else 0
        return True

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
        protocol = protocol.replace("toe", "tcp")
        here, there = fields[place + 1 : place + 3]
        local, remote = self._endpoint(here, digits), self._endpoint(there, digits)
        family, ends, more = joined(local, remote, _FAMILIES.get(digits))
        cut = [
            side
            for side, text in (("local_address", here), ("remote_address", there))
            if self._is_cut(text, digits)
        ]
        if cut:
            more["truncated"] = tuple(cut)
        state = self._state(fields[place + 3 :], protocol)
        left = fields[:place]
        if left[0] != "?":
            take_user(left[0], more)
        numbers = [field for field in left[2:] if field.isdecimal()]
        if numbers:
            fd = numbers[1] if len(numbers) > 1 else None
            command = " ".join(left[1 : left.index(numbers[0], 2)])
            more["processes"] = (owner(numbers[0], command, fd),)
        return (Row(protocol, family, state, *ends, more=more),)

    def _is_cut(self, text: str, digits: str) -> bool:
        return len(text) == self._width and digits != "4"

    def _endpoint(self, text: str, digits: str) -> Endpoint:
        """Parse an endpoint; of one that is cut off, the port is unknown."""
        if self._is_cut(text, digits):
            address = Address("ipv6", text.rstrip(":"), None, is_whole=False)
            return address, _NOTHING
        return self._endpoints.with_colon(text)

    def _state(self, words: list[str], protocol: str) -> str | None:
        """Find the state behind the addresses: by its heading, else by its name.

        Older versions print nothing where newer ones print ??, so columns shift.
        """
        known = next((word for word in words if state_of(word, protocol)), None)
        if known is not None or not self._columns:
            first = words[0] if words else ""
            is_word = first.replace("_", "").isalpha() and first.isupper()
            return known or (first if is_word and not self._columns else None)
        place = next((i for i, c in enumerate(self._columns) if c in _STATES), None)
        if place is None or len(words) != len(self._columns):
            return None
        word = words[place]
        return word if word.replace("_", "").isalpha() else None
