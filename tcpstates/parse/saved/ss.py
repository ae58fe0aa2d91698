"""Parse ss of iproute2: with or without Netid, State, -p -e -o -i -m, on 1 or 2 lines.

If only one state or protocol was requested, ss omits that column. The heading shows
which columns there are; without a heading, they are inferred from the row.
"""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import Endpoints
from tcpstates.parse.saved.layout import Layout, Shape
from tcpstates.parse.saved.prompts import Command
from tcpstates.parse.saved.rows import MalformedLine, Row
from tcpstates.parse.saved.shapes import shapes_of_ss
from tcpstates.parse.saved.ss_details import take_details
from tcpstates.protocols import PROTOCOLS

_HEADING = late(r"Local Address ?: ?Port\s+Peer Address ?: ?Port")
# The protocols that ss prints; only TCP and UDP are parsed.
_NETIDS = frozenset(
    [
        "nl",
        "p_raw",
        "p_dgr",
        "u_str",
        "u_dgr",
        "u_seq",
        "raw",
        "tcp",
        "udp",
        "udpl",
        "dccp",
        "sctp",
        "tipc",
        "vsock",
        "v_str",
        "v_dgr",
        "mptcp",
        "xdp",
        "icmp6",
        "???",
        "ti_st",
    ]
)
_STATE_NAMES = frozenset(
    [
        "LISTEN",
        "ESTAB",
        "SYN-SENT",
        "SYN-RECV",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "TIME-WAIT",
        "CLOSE-WAIT",
        "LAST-ACK",
        "CLOSING",
        "UNCONN",
        "BOUND",
        "CLOSED",
        "UNKNOWN",
        "NEW-SYN-RECV",
    ]
)
_OLD_ROW = late(
    r"^\s*(?:(?:tcp|udp)\s+)?(?:LISTEN|UNCONN|ESTAB)\s+\d+\s+\d+\s.*?\s?:::(?:\d|\*)"
)
_OLD_OWNER = late(r'users:\(\("[^"]*",\d')


class Ss(Layout):
    """The table of ss."""

    name = "ss"
    formats = ("ss",)
    has_snapshots = True
    is_unmistakable = True

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._has_heading = False
        self._has_netid = False  # below a heading; a row with one more word has it, too
        self._has_state = False
        self._protocol: str | None = None  # of rows without Netid, once known
        self._named: str | None = None  # likewise, if a command names it
        self._state: str | None = None  # of rows without State, if a command names it
        self._waiting: list[Row] = []
        # Whether a star is the wildcard of IPv4: of an old ss, or because of -4.
        self._is_old = self._is_ipv4 = False
        self._held: Row | None = None  # its second line may follow

    @staticmethod
    def may_be_row(line: str) -> bool:
        """Check the first words: a state or a protocol, and what follows them."""
        fields = line.split(None, 4)
        if len(fields) < 3 or fields[0] not in _STATE_NAMES_OR_PROTOCOLS:
            return False
        if fields[0] not in _STATE_NAMES:
            return fields[1] in _STATE_NAMES
        return fields[1].isdecimal() or (":" in fields[1] and ":" in fields[2])

    def heading(self, line: str) -> bool:
        """Recognise the heading."""
        if not _HEADING.search(line):
            return False
        fields = line.split()
        # ss -i prints the keys of TCP-MD5 before the first word, without a blank.
        self._has_netid = fields[0].endswith("Netid")
        self._has_state = "State" in fields or fields[0].endswith("State")
        if self._has_heading:  # of another run, whose command is not known
            self._protocol = self._named = self._state = None
        self._has_heading = True
        return True

    def follow(self, command: Command) -> None:
        """Use the protocol and the state that the command selects."""
        self.begin_without_heading()
        is_own = command.tool == "ss"
        self._protocol = self._named = command.protocol if is_own else None
        self._state = command.state if is_own else None
        self._is_ipv4 = is_own and command.family == "ipv4"

    def foresee(self, lines: Sequence[str]) -> None:
        """Look for what only an old ss prints: its star is the wildcard of IPv4."""
        if not self._is_old and ":::" in "\n".join(lines):
            self._is_old = any(map(_OLD_ROW.match, lines))

    def begin_without_heading(self) -> None:
        """Decide each row by itself."""
        self._has_heading = self._has_netid = self._has_state = False

    def shape(self, line: str) -> Shape | None:
        """Return the shape of a plain socket: see `Layout`."""
        if not self._has_state or self._is_old:
            return None
        if self._has_netid:
            is_undecided = self._held is not None and self._held.protocol == _UNDECIDED
            # What follows decides on the protocol of rows without Netid.
            return None if self._waiting or is_undecided else _WITH_NETID
        return _WITHOUT_NETID if self._protocol == "tcp" else None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row; hold it back for one line, because its details may follow."""
        held = self._held
        is_indented = line[:1] in (" ", "\t")
        row = self._row(line)
        if row is None:
            if not is_indented or held is None:
                return None
            more = dict(held.more or {})
            if take_details(line, more):
                self._held = held._replace(more=more)
            return ()
        self._held = None if row is _OTHER else row
        return self._decided(held) if held else ()

    def _decided(self, row: Row) -> Sequence[Row]:
        """Return rows once their protocol is known, if no column shows it.

        A table is of UDP only if it has no states other than UNCONN and ESTAB.
        """
        if row.protocol != _UNDECIDED:
            return (row,)
        known = self._named
        if self._has_heading or row.raw_state != "UNCONN":
            known = known or self._protocol
        if known is not None:
            return (row._replace(protocol=known),)
        self._waiting.append(row)
        if row.raw_state not in _OF_BOTH or len(self._waiting) > _MOST_WAITING:
            self._protocol = "tcp"
            return self._let_go()
        return ()

    def _let_go(self) -> Sequence[Row]:
        """Return the pending rows, with the protocol that was inferred."""
        rows, self._waiting = self._waiting, []
        has_udp = any(row.raw_state == "UNCONN" for row in rows)
        inferred = self._protocol if self._has_heading else None
        protocol = inferred or ("udp" if has_udp else "tcp")
        if self._has_heading:
            self._protocol = protocol
        return [row._replace(protocol=protocol) for row in rows]

    def finish(self) -> Sequence[Row]:
        """Return the rows that were held back."""
        held, self._held = self._held, None
        rows = list(self._decided(held)) if held else []
        return [*rows, *self._let_go()] if self._waiting else rows

    def _prefix(self, fields: list[str]) -> tuple[int, str, str | None] | None:
        """Return the index of the queues, the protocol, and the state if shown.

        A row below a heading may be of another run, with more or fewer columns.
        """
        place, protocol = 0, _UNDECIDED
        has_netid = self._has_netid or not self._has_heading
        if fields[0] in _NETIDS and (
            has_netid or (len(fields) > 1 and fields[1] in _STATE_NAMES)
        ):
            protocol, place = fields[0], 1
        if len(fields) <= place:
            return None
        word = fields[place]
        if word in _STATE_NAMES:
            return place + 1, protocol, word
        if self._has_state and protocol in (_UNDECIDED, *PROTOCOLS):
            if not _IS_STATE.fullmatch(word) or not _is_rest(fields[place:]):
                return None
            return place + 1, protocol, word  # a state of a future ss
        return place, protocol, self._state

    def _row(self, line: str) -> Row | None:
        fields = line.split(None, 6)
        prefix = self._prefix(fields) if fields else None
        if prefix is None:
            return None
        place, protocol, raw = prefix
        if protocol not in PROTOCOLS and protocol != _UNDECIDED:
            return _OTHER
        after = fields[place:]
        received: int | None
        sent: int | None
        if (
            raw is not None
            and len(after) > 1
            and all(":" in text for text in after[:2])
        ):
            received = sent = None  # -Q, or awk
            width = 2
        elif len(after) < _AFTER_STATE or not all(map(str.isdecimal, after[:2])):
            if raw is not None and raw in fields and after and after[0].isdecimal():
                raise MalformedLine(line)
            return None
        else:
            received, sent = map(int, after[:2])
            width = _AFTER_STATE
        here, there = after[width - 2 : width]
        details = line.rsplit(there, 1) if here == there else line.split(there, 1)
        tail = details[1] if len(after) > width else ""
        if raw is None and _OF_NETSTAT.match(tail):
            return None
        # Since iproute2 4.15, two stars mean a socket that accepts both families.
        if here[:3] == ":::" or ("users:" in line and _OLD_OWNER.search(line)):
            self._is_old = True
        wildcard_family = "ipv4" if self._is_old or self._is_ipv4 else "ipv6"
        family, places, more = self._endpoints.ends(
            here, there, wildcard_family=wildcard_family
        )
        # One endpoint is missing, and what follows was taken for it.
        if there.partition(":")[0] in _DETAILS:
            raise MalformedLine(line)
        if tail:
            take_details(tail, more)
        return Row(
            protocol,
            family,
            raw,
            *places,
            received,
            sent,
            more or None,
            self._endpoints.line,
        )


_AFTER_STATE = 4  # words: the queues and the endpoints
_UNDECIDED = "?"  # a protocol that no column shows
# What ss prints behind the endpoints; no host has such a name.
_DETAILS = frozenset(
    ["users", "timer", "uid", "ino", "sk", "cgroup", "skmem", "fwmark"]
)
# What netstat prints there: a state, a program, or none.
_OF_NETSTAT = late(r"\s+(?:[A-Z][A-Z0-9_]{3,}\b|\d+/|-\s*$)")
_OF_BOTH = ("UNCONN", "ESTAB", None)
_MOST_WAITING = 5000  # rows
_OTHER = Row("", "", None, "", 0, "", 0)  # a socket of another protocol


_WITHOUT_NETID, _WITH_NETID = shapes_of_ss(_STATE_NAMES)


_IS_STATE = late(r"[A-Z][A-Z0-9_-]{2,30}")


def _is_rest(fields: Sequence[str]) -> bool:
    """Check whether queues and endpoints follow the first word."""
    return len(fields) > 4 and all(map(str.isdecimal, fields[1:3])) and ":" in fields[3]


_STATE_NAMES_OR_PROTOCOLS = _STATE_NAMES | PROTOCOLS.keys()
