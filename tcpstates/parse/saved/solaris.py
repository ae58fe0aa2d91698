"""Parse netstat of Solaris and illumos: sections of rows without a protocol."""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import Endpoints, joined
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.rows import NOT_OURS, Row, owner, state_of

_TITLE = late(r"^(TCP|UDP|SCTP)(?::(?:\s+IPv([46]))?)?\s*$")
_COLUMNS = late(r"^\s*Local Address\s+Remote Address\s.*\sSwind\s")
_DOTTED = late(r"\.(\d+|\*|[\w-]+)$")
# Its states of UDP sockets, which are not in RFC 9293.
_UDP_STATES = {"Connected": "ESTABLISHED", "Idle": "UNCONN", "Unbound": "UNBOUND"}


class Solaris(Layout):
    """Rows in sections titled `TCP: IPv4` or `UDP: IPv6`."""

    name = "solaris"
    formats = ("netstat",)
    has_snapshots = True

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._protocol, self._family = "tcp", "ipv4"

    def heading(self, line: str) -> bool:
        """Recognise the title of a section."""
        if _COLUMNS.search(line):  # the title above it is missing
            self._protocol = "tcp"
            return True
        found = _TITLE.match(line)
        if found:
            self._protocol = found[1].lower()
            self._family = f"ipv{found[2] or 4}"
        return found is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row: both addresses, the columns of -u if any, windows, the state."""
        fields = line.split()
        if not fields or not _DOTTED.search(fields[0]):
            return None
        if self._protocol == "sctp":
            return NOT_OURS
        has_remote = len(fields) > 1 and _DOTTED.search(fields[1]) is not None
        local, remote = map(
            self._endpoints.split, (fields[0], fields[1] if has_remote else "*.*")
        )
        family, ends, more = joined(local, remote, self._family)
        after = fields[2:] if has_remote else fields[1:]
        received = sent = None
        if self._protocol == "tcp":
            place = next((i for i, w in enumerate(after) if state_of(w)), len(after))
            numbers = after[max(0, place - 4) : place]
            if place == len(after):
                return None
            raw: str | None = after[place]
            has_numbers = len(numbers) == 4 and all(map(str.isdecimal, numbers))
            if has_numbers:
                received = int(numbers[3])
                # For a listener it prints 0 rather than the backlog limit.
                sent = None if raw == "LISTEN" else int(numbers[1])
            owner_fields = after[: place - 4 if has_numbers else place]
        else:
            place = next((i for i, w in enumerate(after) if w in _UDP_STATES), 0)
            raw = after[place] if after and after[place] in _UDP_STATES else None
            if raw:
                more["state_label"] = _UDP_STATES[raw]
            owner_fields = after[:place]
        if len(owner_fields) > 1 and owner_fields[1].isdecimal():  # -u
            more["user_name"] = owner_fields[0]
            name = " ".join(owner_fields[2:]) or None
            more["processes"] = (owner(owner_fields[1], name),)
        return (Row(self._protocol, family, raw, *ends, received, sent, more),)
