"""Parse copies of /proc/net/tcp, tcp6, udp and udp6."""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.fields import ColumnName
from tcpstates.late_pattern import late
from tcpstates.parse.proc_net import ProcNetParser
from tcpstates.parse.saved.endpoints import Endpoints
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.rows import FIXED, NOT_OURS, MalformedLine, More, Row

# IP protocols, which raw sockets have in place of a port: ICMP, IGMP, OSPF ...
_RAW_PROTOCOLS = frozenset({1, 2, 41, 46, 47, 50, 51, 58, 89, 103, 112, 132, 255})
_HEADING = late(r"^\s*sl\s+local_address\s+(rem|remote)_address")
_ROW = late(r"^\s*(\d+): ([0-9A-F]{8}(?:[0-9A-F]{24})?):([0-9A-F]{4}) ")
_MAYBE_ROW = late(r"^\s*\d+: [0-9A-F]{8}")
_MORE: tuple[ColumnName, ...] = ("uid", "inode", "timer", "timer_ms", "retransmits")


class ProcNet(Layout):
    """The files of a machine of either byte order."""

    name = "proc"
    formats = ("proc",)
    has_snapshots = True
    is_unmistakable = True

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._protocol = "tcp"
        self._may_be_raw = False
        self._parsers: dict[tuple[str, str], ProcNetParser] = {}

    def heading(self, line: str) -> bool:
        """Recognise the heading; that of UDP has more columns."""
        if not _HEADING.match(line):
            return False
        self._protocol = "udp" if "drops" in line else "tcp"
        self._may_be_raw = line.endswith("drops")  # in UDP's files, blanks follow
        self._parsers.clear()
        return True

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row; skip those of /proc/net/raw."""
        found = _ROW.match(line)
        if found is None:
            if _MAYBE_ROW.match(line):
                raise MalformedLine(line)
            return None
        family = "ipv4" if len(found[2]) == 8 else "ipv6"
        port = int(found[3], 16)
        if self._may_be_raw and port in _RAW_PROTOCOLS:
            return NOT_OURS
        if self._protocol == "tcp" and line[found.end() :].split()[1:2] == ["07"]:
            self._protocol = "udp"  # old kernels have no "drops"; TCP prints no 07
        key = self._protocol, family
        parser = self._parsers.get(key)
        if parser is None:
            parser = self._parsers[key] = ProcNetParser(*key, self._byte_order)
        batch = parser.parse(line.rstrip())
        if not len(batch):
            if parser.skipped:
                parser.skipped = 0
                raise MalformedLine(line)
            return NOT_OURS  # the kernel repeated a row
        own = (batch.column(name)[0] for name in FIXED)
        more: More = {name: batch.column(name)[0] for name in _MORE}
        return (Row._make((self._protocol, family, *own, more, 0)),)
