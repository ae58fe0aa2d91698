"""Parse what network devices of Cisco print: IOS, ASA and NX-OS.

- IOS `show tcp brief all`: `TCB  Local Address  Foreign Address  (state)`
- ASA `show asp table socket`: `Protocol  Socket  State  Local Address  Foreign Address`
- NX-OS `show sockets connection`: two lines per socket, ports in parentheses
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import Endpoint, Endpoints, joined
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.rows import MALFORMED, NOT_OURS, MalformedLine, Row, state_of

_BRIEF_HEADING = late(r"^\s*TCB\s+Local Address\s+Foreign Address\s+\(state\)")
_BRIEF = late(
    r"^\s*(?:0x)?[0-9A-F]{8,16}\s+(\S+\.(?:\d+|\*))\s+(\S+\.(?:\d+|\*))\s+([A-Z]\w+)\s*$"
)
_ASA_HEADING = late(r"^\s*Protocol\s+Socket\s+(?:State|Local Address)\s")
_ASA = late(
    r"^\s*(TCP|SSL|UDP|DTLS)\s+[0-9a-f]{8,16}\s+(?:([A-Z]\w+)\s+)?"
    r"(\S+:(?:\d+|\*))\s+(\S+:(?:\d+|\*))(?:\s+([A-Z]\w+))?\s*$"
)
_OVER_TLS = {"SSL": "tcp", "DTLS": "udp"}  # ASA names what it runs over TCP and UDP
_NXOS_HEADING = late(r"^\s*Protocol\s+State/\s+Recv-Q/\s+Local Address\(port\)/")
_NXOS_FIRST = late(
    r"^(?:\[[\w.-]+\]:\s+)?\s*(tcp|udp|raw)(6|\(4/6\))?\s+([A-Z]\w*)?\s*(\d{1,15})\s+"
    r"(\S+\(\S+\))\s*$"
)
_NXOS_SECOND = late(r"^\s+(\S+)\s+(\d{1,15})\s+(\S+\(\S+\))\s*$")
_WITH_PORT = late(r"^(.+)\((\d{1,5}|\*)\)$")
_FAMILIES = {"6": "ipv6", "(4/6)": "ipv6"}


class CiscoBrief(Layout):
    """`show tcp brief` of IOS."""

    name = "cisco-brief"
    formats = ("cisco",)
    has_snapshots = True
    is_unmistakable = True
    like_row = late(r"^\s*(?:0x)?[0-9A-F]{8,16}\s+\S")

    def heading(self, line: str) -> bool:
        """Recognise the heading."""
        return _BRIEF_HEADING.match(line) is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row."""
        found = _BRIEF.match(line)
        if found is None or state_of(found[3]) is None:
            return None
        local, remote = map(self._endpoints.split, found.groups()[:2])
        family, ends, more = joined(local, remote)
        return (Row("tcp", family, found[3], *ends, more=more),)


class CiscoAsa(Layout):
    """`show asp table socket`."""

    name = "cisco-asa"
    like_row = late(r"^\s*(?:TCP|SSL|UDP|DTLS)\s+[0-9a-f]{8}")
    formats = ("cisco",)
    has_snapshots = True
    is_unmistakable = True

    def heading(self, line: str) -> bool:
        """Recognise the heading."""
        return _ASA_HEADING.match(line) is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row; older versions print the state last."""
        found = _ASA.match(line)
        if found is None:
            return None
        name, before, here, there, after = found.groups()
        protocol = _OVER_TLS.get(name, name.lower())
        family, ends, more = self._endpoints.ends(here, there)
        raw = (before or after) if protocol == "tcp" else None
        return (Row(protocol, family, raw, *ends, more=more),)


class CiscoNxos(Layout):
    """`show sockets connection`."""

    name = "cisco-nxos"
    formats = ("cisco",)
    has_snapshots = True
    has_blocks = True

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._first: re.Match[str] | None = None
        self._line = 0

    def heading(self, line: str) -> bool:
        """Recognise the first line of the heading."""
        return _NXOS_HEADING.match(line) is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Take the first line of a socket, or complete it with the second one."""
        first = _NXOS_FIRST.match(line)
        if first:
            ended = self.finish()
            self._first, self._line = first, self._endpoints.line
            return ended
        second = _NXOS_SECOND.match(line)
        if second is None:
            return () if line.strip() == "Context      Send-Q" else None
        begun, self._first = self._first, None
        if begun is None:
            raise MalformedLine(line)
        if begun[1] == "raw":
            return NOT_OURS
        local, remote = self._split(begun[5]), self._split(second[3])
        family, ends, more = joined(local, remote, _FAMILIES.get(begun[2] or ""))
        received, sent = int(begun[4]), int(second[2])
        raw = begun[3] if begun[1] == "tcp" else None
        row = Row(begun[1], family, raw, *ends, received, sent, more)
        return (row._replace(line=self._line),)

    def finish(self) -> Sequence[Row]:
        """Report a socket whose second line is missing."""
        begun, self._first = self._first, None
        return (MALFORMED._replace(line=self._line),) if begun else ()

    def _split(self, text: str) -> Endpoint:
        found = _WITH_PORT.match(text)
        if found is None:
            raise MalformedLine(text)
        return self._endpoints.address(found[1]), self._endpoints.port(found[2])
