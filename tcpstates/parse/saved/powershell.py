"""Parse Get-NetTCPConnection and Get-NetUDPEndpoint as table, list, CSV and JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from types import NoneType
from typing import Any

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import Endpoints, joined
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.prompts import Command
from tcpstates.parse.saved.rows import (
    MALFORMED,
    MalformedLine,
    More,
    Row,
    owner,
    row_or_malformed,
    take_windows_pid,
)
from tcpstates.parse.saved.suspicion import is_address
from tcpstates.protocols import PROTOCOLS

# The State of MSFT_NetTCPConnection, which is a number in JSON.
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
_READ = (
    *("LocalAddress", "LocalPort", "RemoteAddress", "RemotePort", "State"),
    "OwningProcess",
)
# The columns that people's commands add to those of the cmdlets.
_PIDS = ("OwningProcess", "PID", "ProcessId", "Process")
_NAMES = ("ProcessName", "Process", "ProcName", "Name")
_PAIR = late(r"^\s*(\w+)\s*:(?: (.*))?$")
_REMARK = late(r"^(\d{1,5})\s+\S.*$")  # behind a port


def make_row(
    endpoints: Endpoints, fields: Mapping[str, Any], command: Command | None = None
) -> Row:
    """Make a row of an object's properties, which may have any type in JSON.

    If neither a property nor the command tells the protocol, an object with a remote
    end or a state is a TCP socket.
    """
    for name in _READ:
        if type(fields.get(name)) not in (str, int, NoneType):
            raise MalformedLine(name)
    if not isinstance(fields.get("LocalAddress"), str):
        raise MalformedLine("LocalAddress")
    try:
        state = fields.get("State")
        raw = None if state in (None, "") else str(state)
        raw = _NUMBERS.get(raw or "", raw)
        local, remote = (
            (
                endpoints.address(str(address)),
                endpoints.port(str(fields.get(f"{side}Port") or "0")),
            )
            for side, address in (
                ("Local", fields["LocalAddress"]),
                ("Remote", fields.get("RemoteAddress") or "*"),
            )
        )
    except KeyError as error:
        raise MalformedLine(str(error)) from error
    family, places, more = joined(local, remote)
    is_tcp = not {"RemotePort", "RemoteAddress", "State"}.isdisjoint(fields)
    cut = [
        f"{side.lower()}_address"
        for side in ("Local", "Remote")
        if str(fields.get(f"{side}Address")).endswith(
            ("...", "\N{HORIZONTAL ELLIPSIS}")
        )
    ]
    if cut:
        more["truncated"] = tuple(cut)
    _take_process(fields, more)
    named = str(fields.get("Proto") or fields.get("Protocol") or "").lower()
    if named not in PROTOCOLS:
        told = command.protocol if command else None
        named = "tcp" if is_tcp else told or "udp"
    return Row(named, family, raw if named == "tcp" else None, *places, more=more)


def _take_process(fields: Mapping[str, Any], more: More) -> None:
    """Store the process, whose pid and name have many columns in people's commands."""
    texts = [str(fields.get(name) or "").strip() for name in _PIDS]
    pid = next((text for text in texts if text.isdecimal()), "")
    take_windows_pid(pid, more)
    texts = [str(fields.get(name) or "").strip() for name in _NAMES]
    name = next((text for text in texts if text and not text.isdecimal()), None)
    if name is not None and pid != "0":
        more["processes"] = (owner(pid or None, name),)
    user = fields.get("UserName") or fields.get("User")
    if user:
        more["user_name"] = str(user)


_MOST_COLUMNS = 40  # MSFT_NetTCPConnection has 32 properties
_PROPERTIES = frozenset(
    [
        "LocalAddress",
        "LocalPort",
        "RemoteAddress",
        "RemotePort",
        "State",
        "AppliedSetting",
        "OwningProcess",
        "CreationTime",
        "OffloadState",
    ]
)
_CSV_HEADING = late(r'(?:^|[,;\t])"?LocalAddress"?(?:[,;\t]|$)')


class _Powershell(Layout):
    """What the forms have in common: the command above may name the protocol."""

    formats = ("powershell",)
    _command: Command | None = None

    def follow(self, command: Command) -> None:
        """Remember the command."""
        self._command = command if command.is_cmdlet else None


class PowershellTable(_Powershell):
    """A table: column names, a line of dashes, rows."""

    name = "powershell"
    like_row = late(
        r"^\s*(?:\d{1,5}(?:\s+\d|\s*$)"
        r"|(?:\S{0,80}[:.*]\S{0,80}|ip|<ip>)(?:\s+\d{1,5}(?:\s|$)|\s*$))"
    )

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._names: list[str] = []
        self._spans: list[tuple[int, int]] = []

    def heading(self, line: str) -> bool:
        """Recognise the line of column names."""
        fields = line.split()
        is_heading = {"LocalAddress", "LocalPort"} <= set(fields)
        if not is_heading or len(fields) > _MOST_COLUMNS:
            return False
        self._names = fields
        self._spans = [found.span() for found in re.finditer(r"\S+", line)]
        return True

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row; the dashes show the width of each column."""
        fields = line.split()
        if fields and set(line.strip()) <= {"-", " "}:
            if len(fields) == len(self._names):
                self._spans = [found.span() for found in re.finditer(r"\S+", line)]
            return ()
        if not fields:
            return None
        values = self._by_column(line)
        if not str(values.get("LocalPort", "")).isdecimal():
            if is_address(fields[0]):
                raise MalformedLine(line)
            return None
        return (make_row(self._endpoints, values, self._command),)

    def _by_column(self, line: str) -> dict[str, str]:
        """Return the values by column; a value may be empty or contain blanks."""
        fields: dict[str, str] = {}
        for found in re.finditer(r"\S+", line):
            start, end = found.span()
            place = max(
                range(len(self._spans)),
                key=lambda i: (
                    min(end, self._spans[i][1]) - max(start, self._spans[i][0])
                ),
            )
            name = self._names[place]
            fields[name] = f"{fields[name]} {found[0]}" if name in fields else found[0]
        if "RemotePort" in self._names:
            fields.setdefault("RemotePort", "0")
        if "State" in self._names:
            fields.setdefault("State", "")
        return fields


class PowershellList(_Powershell):
    """Blocks of `Name : value`."""

    name = "powershell-list"
    has_blocks = True

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._fields: dict[str, str] = {}
        self._line = 0  # where the block began

    def heading(self, line: str) -> bool:
        """Recognise the first line of a block."""
        found = _PAIR.match(line.rstrip())
        if self._fields or found is None or found[1] not in _PROPERTIES:
            return False
        self.rows(line)
        return True

    def rows(self, line: str) -> Sequence[Row] | None:
        """Take a property; an empty line or a repeated property ends the block."""
        found = _PAIR.match(line.rstrip())
        if found is None:
            if self._fields and _is_cut_off(line):
                return ()
            return self.finish() if not line.strip() else None
        ended: Sequence[Row] = ()
        if found[1] in self._fields:
            ended = self.finish()
        if not self._fields:
            self._line = self._endpoints.line
        value = (found[2] or "").strip()
        if found[1].endswith("Port"):
            value = _REMARK.sub(r"\1", value)
        self._fields[found[1]] = value
        return ended

    def finish(self) -> Sequence[Row]:
        """Return the pending block; a malformed one does not affect the others."""
        fields, self._fields = self._fields, {}
        if not {"LocalAddress", "LocalPort"} <= set(fields):
            is_damaged = len(_PROPERTIES & set(fields)) > 1
            return (MALFORMED._replace(line=self._line),) if is_damaged else ()
        return (
            row_or_malformed(
                partial(make_row, self._endpoints, fields, self._command), self._line
            ),
        )


def _is_cut_off(line: str) -> bool:
    """Check for a property whose name or colon is damaged."""
    word = line.split(maxsplit=1)[0] if line.strip() else ""
    return word == ":" or (
        len(word) > 1 and any(name.startswith(word) for name in _PROPERTIES)
    )


class PowershellCsv(_Powershell):
    """The output of Export-Csv and ConvertTo-Csv, with or without a #TYPE line."""

    name = "powershell-csv"

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._names: list[str] = []
        self._separator = ","

    def heading(self, line: str) -> bool:
        """Recognise the header; the separator depends on the system's language."""
        if not _CSV_HEADING.search(line) or "LocalPort" not in line or "{" in line:
            return False
        self._separator = max(",;\t", key=line.count)
        self._names = self._split(line)
        return True

    def _split(self, line: str) -> list[str]:
        import csv

        rows = list(csv.reader([line], delimiter=self._separator))
        return rows[0] if rows else []

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row."""
        if self._separator not in line:
            return None
        values = self._split(line)
        if len(values) != len(self._names):
            raise MalformedLine(line)
        fields = dict(zip(self._names, values, strict=True))
        return (make_row(self._endpoints, fields, self._command),)
