"""Get-NetTCPConnection and Get-NetUDPEndpoint: as table, list, CSV and JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tcpstates.parse.saved.endpoints import Endpoints, settle
from tcpstates.parse.saved.rows import Row, Unreadable, owner

# MSFT_NetTCPConnection's State, as numbers stand in JSON.
_NUMBERS = {
    "1": "Closed",
    "2": "Listen",
    "3": "SynSent",
    "4": "SynReceived",
    "5": "Established",
    "6": "FinWait1",
    "7": "FinWait2",
    "8": "CloseWait",
    "9": "Closing",
    "10": "LastAck",
    "11": "TimeWait",
    "12": "DeleteTCB",
    "100": "Bound",
}
_DASHES = re.compile(r"^[\s-]*---[\s-]*$")
_PAIR = re.compile(r"^(\w+)\s*:(?: (.*))?$")


def make_row(endpoints: Endpoints, fields: Mapping[str, Any]) -> Row:
    """Return the row of one object's properties."""
    try:
        state = fields.get("State")
        raw = None if state in (None, "") else str(state)
        raw = _NUMBERS.get(raw or "", raw)
        local = endpoints.address(str(fields["LocalAddress"]))
        remote = endpoints.address(str(fields.get("RemoteAddress") or "*"))
        ports = [
            endpoints.port(str(fields.get(name) or "0"))
            for name in ("LocalPort", "RemotePort")
        ]
    except KeyError as error:
        raise Unreadable(str(error)) from error
    family, here, there = settle(local, remote, None)
    is_tcp = "RemotePort" in fields
    more: dict[str, Any] = {}
    pid = str(fields.get("OwningProcess") or "")
    if pid.isdecimal():
        more["pid"] = int(pid)
        if pid != "0":
            more["processes"] = (owner(pid, None),)
    if local.scope:
        more["interface_name"] = local.scope
    return Row(
        "tcp" if is_tcp else "udp",
        family,
        raw if is_tcp else None,
        here,
        ports[0],
        there,
        ports[1],
        more=more or None,
    )


class PowershellTable:
    """Columns below names and dashes."""

    name = "powershell"

    def __init__(self, endpoints: Endpoints) -> None:
        """Start before any heading."""
        self._endpoints = endpoints
        self._starts: list[tuple[str, int]] = []

    def heading(self, line: str) -> bool:
        """Take the names and where they begin; False: it is no heading."""
        if not re.match(r"^\s*LocalAddress\s+LocalPort", line):
            return False
        self._starts = [(f[0], f.start()) for f in re.finditer(r"\S+", line)]
        return True

    def rows(self, line: str) -> Sequence[Row] | None:
        """Return a row."""
        if _DASHES.match(line):
            return ()
        words = line.split()
        if len(words) < 2 or not words[1].isdecimal():
            return None
        names = [name for name, _ in self._starts]
        if len(words) != len(names):  # a property without a value
            words = [
                line[
                    start : self._starts[i + 1][1] if i + 1 < len(names) else None
                ].strip()
                for i, (_, start) in enumerate(self._starts)
            ]
        return (make_row(self._endpoints, dict(zip(names, words, strict=False))),)

    def finish(self) -> Sequence[Row]:
        """Return nothing: a row is a line."""
        return ()


class PowershellList:
    """Blocks of `Name : value`."""

    name = "powershell-list"

    def __init__(self, endpoints: Endpoints) -> None:
        """Start before any block."""
        self._endpoints = endpoints
        self._fields: dict[str, str] = {}

    def heading(self, line: str) -> bool:
        """Take the first line of a block."""
        if self._fields or not re.match(r"^LocalAddress\s*:", line):
            return False
        self.rows(line)
        return True

    def rows(self, line: str) -> Sequence[Row] | None:
        """Take a property; an empty line, or the first property, ends a block."""
        found = _PAIR.match(line.rstrip())
        if found is None:
            return self.finish() if not line.strip() else None
        ended: Sequence[Row] = ()
        if found[1] in self._fields:
            ended = self.finish()
        self._fields[found[1]] = found[2] or ""
        return ended

    def finish(self) -> Sequence[Row]:
        """Return the block that is complete."""
        fields, self._fields = self._fields, {}
        return (make_row(self._endpoints, fields),) if fields else ()


class PowershellCsv:
    """Export-Csv and ConvertTo-Csv; one may begin with a line of its type."""

    name = "powershell-csv"

    def __init__(self, endpoints: Endpoints) -> None:
        """Start before any heading."""
        self._endpoints = endpoints
        self._names: list[str] = []
        self._separator = ","

    def heading(self, line: str) -> bool:
        """Take the names; the separator is that of the system's language."""
        if '"LocalAddress"' not in line or '"LocalPort"' not in line:
            return False
        self._separator = ";" if '";"' in line else "\t" if '"\t"' in line else ","
        self._names = self._split(line)
        return True

    def _split(self, line: str) -> list[str]:
        import csv

        rows = list(csv.reader([line], delimiter=self._separator))
        return rows[0] if rows else []

    def rows(self, line: str) -> Sequence[Row] | None:
        """Return a row."""
        if not line.startswith('"'):
            return None
        values = self._split(line)
        if len(values) != len(self._names):
            raise Unreadable(line)
        fields = dict(zip(self._names, values, strict=True))
        return (make_row(self._endpoints, fields),)

    def finish(self) -> Sequence[Row]:
        """Return nothing: a row is a line."""
        return ()
