"""Parse the tables of Windows' IP Helper API: a number of rows, then the rows.

Ports and IPv4 addresses are in the order of the network, everything else in that of
x86 and ARM, little-endian. Each row ends with 128 bytes about a module, which are left
out. Source: tcpmib.h and udpmib.h (MIB_TCPROW_OWNER_MODULE and its relatives).
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from tcpstates.batch import ColumnBatch
from tcpstates.fields import ColumnName
from tcpstates.model import WILDCARD
from tcpstates.states import RFC_STATES, OtherState, TcpState

S = TcpState
# MIB_TCP_STATE, tcpmib.h; 12 is DELETE_TCB: the entry is about to be removed.
_STATES = {
    **dict(enumerate((S.CLOSED, S.LISTEN, S.SYN_SENT, S.SYN_RECEIVED), start=1)),
    **dict(enumerate((S.ESTABLISHED, S.FIN_WAIT_1, S.FIN_WAIT_2), start=5)),
    **dict(enumerate((S.CLOSE_WAIT, S.CLOSING, S.LAST_ACK, S.TIME_WAIT), start=8)),
    12: S.CLOSED,
}
_ROWS_AT = 8  # the number has four bytes; rows are aligned to eight
_EPOCH = 116_444_736_000_000_000  # 1970 in FILETIME: 100 ns since 1601, minwinbase.h
_TICKS_PER_MS = 10_000


class Layout(NamedTuple):
    """A kind of rows, and where each column is among the values of one."""

    row: struct.Struct
    state: int | None
    local: tuple[int, int]  # address, port
    remote: tuple[int, int] | None
    pid: int
    created: int


LAYOUTS = {
    ("tcp", "ipv4"): Layout(
        struct.Struct("<I4sH2x4sH2xIQ128x"), 0, (1, 2), (3, 4), pid=5, created=6
    ),
    ("tcp", "ipv6"): Layout(
        struct.Struct("<16s4xH2x16s4xH2xIIQ128x"), 4, (0, 1), (2, 3), pid=5, created=6
    ),
    ("udp", "ipv4"): Layout(
        struct.Struct("<4sH2xI4xQ8x128x"), None, (0, 1), None, pid=2, created=3
    ),
    ("udp", "ipv6"): Layout(
        struct.Struct("<16s4xH2xI4xQ8x128x"), None, (0, 1), None, pid=2, created=3
    ),
}


def parse_table(
    protocol: str, family: str, table: bytes, now: float | None = None
) -> ColumnBatch:
    """Return the sockets of a table; `now`: in seconds since 1970, else the clock's.

    Raise ValueError for a table that is shorter than its rows.
    """
    layout = LAYOUTS[protocol, family]
    count = int.from_bytes(table[:4], "little")
    size = layout.row.size
    content = memoryview(table)[_ROWS_AT : _ROWS_AT + count * size]
    if len(content) < count * size:
        raise ValueError(f"{len(table)} bytes are too few for {count} rows")
    values = list(zip(*layout.row.iter_unpack(content), strict=True))
    now = time.time() if now is None else now
    return _batch(protocol, family, layout, values, now)


def _batch(
    protocol: str,
    family: str,
    layout: Layout,
    values: Sequence[Sequence[Any]],
    now: float,
) -> ColumnBatch:
    number = len(values[0]) if values else 0

    def column(place: int) -> Sequence[Any]:
        return values[place] if number else ()

    def addresses(place: int) -> list[Any]:
        version = socket.AF_INET if family == "ipv4" else socket.AF_INET6
        return [socket.inet_ntop(version, packed) for packed in column(place)]

    def ports(place: int) -> list[Any]:
        return [(port & 0xFF) << 8 | port >> 8 for port in column(place)]

    columns: dict[ColumnName, list[Any]] = {
        "local_address": addresses(layout.local[0]),
        "local_port": ports(layout.local[1]),
        "pid": [pid or None for pid in column(layout.pid)],  # 0: no process has it
        "created_ms": [_since(ticks, now) for ticks in column(layout.created)],
    }
    if layout.remote is None:
        columns["remote_address"] = [WILDCARD[family]] * number
        columns["remote_port"] = [0] * number
    else:
        columns["remote_address"] = addresses(layout.remote[0])
        columns["remote_port"] = ports(layout.remote[1])
    if layout.state is None:
        labels = [str(OtherState.UNCONN)] * number  # its peer is not recorded
    else:
        codes = column(layout.state)
        labels = list(map(_label, codes))
        columns["raw_state"] = list(map(str, codes))
    columns["state_label"] = labels
    columns["state"] = [label if label in RFC_STATES else None for label in labels]
    return ColumnBatch(protocol, family, number, columns)


def _label(code: int) -> str:
    state = _STATES.get(code)
    return f"UNKNOWN({code})" if state is None else str(state)


def _since(ticks: int, now: float) -> int | None:
    """Return the milliseconds since a FILETIME.

    None: it was not recorded, or the clock has been set back since.
    """
    since = round(now * 1000) - (ticks - _EPOCH) // _TICKS_PER_MS
    return since if ticks and since >= 0 else None
