"""Parse lsof -i: its table and the fields of -F; one row per process and descriptor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import Endpoints
from tcpstates.parse.saved.layout import Layout, Shape
from tcpstates.parse.saved.rows import (
    MALFORMED,
    NOT_OURS,
    MalformedLine,
    More,
    Row,
    owner,
    row_or_malformed,
    take_user,
)
from tcpstates.parse.saved.shapes import FAMILIES, LSOF
from tcpstates.protocols import PROTOCOLS

_HEADING = late(r"^COMMAND\s+PID\s.*\bFD\s+TYPE\s.*\bNAME\s*$")
_ROW = late(r"\s(IPv4|IPv6)\s+(\S+)\s+(?:\S+\s+)?(TCP|UDP)\s+(\S.*)$")
_TORN = late(r"\sIPv[46]\s+\S+\s+(?:\S+\s+)?(TCP|UDP)$")
_OTHER = late(
    r"\s(UDPLITE|SCTP|ICMP(?:V6)?|RAW6?|IGMP|unix|REG|DIR|CHR|FIFO|sock|a_inode|netlink|pack|raw6?)\s"
)
_STATE = late(r"\(([^()]+)\)\s*$|\(([^()]+)\)(?=\s+\(|\s+Q)")
_LEFT = late(r"^(.*?)\s+(\d+)\s.*?(\S+)\s+(\*?\d+|[a-zA-Z]+)([a-zA-Z ]*)$")
_LONGEST = 1000  # characters before the type; more would take the pattern too long
_ESCAPED = late(r"\\x([0-9a-f]{2})")
# Protocols whose sockets are left out; any other name may be a damaged one.
_OTHER_PROTOCOLS = frozenset(
    {"udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "raw"}
    | {"ipip", "ipv6", "gre", "esp", "ah", "ospf", "pim"}
)


class Lsof(Layout):
    """The table of lsof."""

    name = "lsof"
    like_row = late(r"^\S.{0,60}?\s\d+\s+\S+\s+\d+[a-zA-Z]{0,2}(?:\s+\S{0,3})?\s*$")
    formats = ("lsof",)
    has_snapshots = True
    is_unmistakable = True

    def heading(self, line: str) -> bool:
        """Recognise the heading."""
        return len(line) <= _LONGEST and _HEADING.match(line) is not None

    def shape(self, line: str) -> Shape | None:
        """Return the shape of a plain socket: see `Layout`."""
        return _PLAIN

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row."""
        line = line.lstrip()  # a blank in a name would be escaped
        found = _ROW.search(line.rstrip())
        if found is None:
            if _TORN.search(line.rstrip()):
                raise MalformedLine(line)
            return NOT_OURS if _OTHER.search(line) else None
        before = line[: found.start()]
        left = _LEFT.match(before) if len(before) <= _LONGEST else None
        if left is None:
            raise MalformedLine(line)
        # "*123" is a descriptor of more than four digits, of which it prints the last.
        fd = left[4] if left[4].isdecimal() else None
        more: More = {"processes": (owner(left[2], _unescape(left[1]), fd),)}
        take_user(left[3], more)
        if found[2].isdecimal():
            more["inode"] = int(found[2])
        name, reported = _split_name(found[4])
        return (
            _row(self._endpoints, found[1], found[3].lower(), name, reported, more),
        )


class LsofFields(Layout):
    """The output of lsof -F: one field per line, named by its first letter."""

    name = "lsof-fields"
    formats = ("lsof",)
    has_blocks = True

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._process: dict[str, str] = {}
        self._line = 0  # where the fields of the current file began
        self._file: dict[str, str] = {}

    def heading(self, line: str) -> bool:
        """Recognise the first line, which names a process."""
        if self._process or not re.match(r"p\d+(\0|$)", line):
            return False
        self.rows(line)
        return True

    def rows(self, line: str) -> Sequence[Row] | None:
        """Take a field; return the previous file if this field starts another."""
        if "\0" in line:  # -F0
            parts = [self.rows(field) for field in line.split("\0") if field]
            return [row for rows in parts for row in rows or ()]
        if not line or not (line[0].isalpha()):
            return None
        kind, value = line[0], line[1:]
        ended: Sequence[Row] = ()
        if kind in "pf" or (kind in "tP" and kind in self._file):
            ended = self.finish()
        if not self._file:
            self._line = self._endpoints.line
        if kind == "p":
            self._process = {"p": value}
        elif kind in "cLuRg":
            self._process[kind] = value
        elif kind == "T":
            key, _, text = value.partition("=")
            self._file[f"T{key}"] = text
        elif kind in "faltGdoPnD":
            self._file[kind] = value
        else:
            return None
        return ended

    def finish(self) -> Sequence[Row]:
        """Return the pending file; a malformed one does not affect the others."""
        fields, self._file = self._file, {}
        protocol = fields.get("P", "").lower()
        if protocol not in PROTOCOLS or "n" not in fields:
            is_whole = "n" in fields and protocol in _OTHER_PROTOCOLS
            is_damaged = fields.get("t") in FAMILIES and not is_whole
            return (MALFORMED._replace(line=self._line),) if is_damaged else ()
        return (row_or_malformed(partial(self._made, protocol, fields), self._line),)

    def _made(self, protocol: str, fields: Mapping[str, str]) -> Row:
        more: More = {}
        pid = self._process.get("p", "")
        if pid.isdecimal():
            fd = fields.get("f", "")
            name = self._process.get("c")
            more["processes"] = (
                owner(pid, name and _unescape(name), fd if fd.isdecimal() else None),
            )
        if self._process.get("u", "").isdecimal():
            more["uid"] = int(self._process["u"])
        if fields.get("d", "").isdecimal():
            more["inode"] = int(fields["d"])
        reported = {key[1:]: text for key, text in fields.items() if len(key) > 1}
        kind, name = fields.get("t", ""), fields["n"]
        return _row(self._endpoints, kind, protocol, name, reported, more)


def _split_name(text: str) -> tuple[str, dict[str, str]]:
    """Split a NAME into the endpoints and the values that -T prints behind them."""
    found = _STATE.search(text)
    if found is None:
        return text, {}
    reported: dict[str, str] = {}
    for part in (found[1] or found[2]).split():
        key, equals, value = part.rpartition("=")
        reported.setdefault(key if equals else "ST", value)
    return text[: found.start()], reported


def _row(
    endpoints: Endpoints,
    kind: str,
    protocol: str,
    name: str,
    reported: Mapping[str, str],
    more: More,
) -> Row:
    """Make a row of local->remote; `reported` has state (ST) and queues (QR, QS)."""
    here, arrow, there = (name.split() or ("",))[0].partition("->")
    if arrow and not there:
        raise MalformedLine(name)
    family, places, ends = endpoints.ends(here, there or "*:*", FAMILIES.get(kind))
    raw = reported.get("ST")
    received, sent = (_number(reported.get(key)) for key in ("QR", "QS"))
    if raw == "LISTEN":
        sent = None
    return Row(protocol, family, raw, *places, received, sent, more | ends)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _unescape(name: str) -> str:
    r"""Decode the escapes in a command name: lsof prints a blank as \x20."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)


_PLAIN = LSOF._replace(unescape=_unescape)
