"""Read samples of the tracepoint sock:inet_sock_set_state from a perf ring buffer.

Records as in perf_event_open(2); the fields of a sample are where the tracepoint's
`format` file says. The kernel calls the tracepoint for TCP, MPTCP, DCCP and SCTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct
from typing import NamedTuple

from tcpstates.errors import ParseError
from tcpstates.parse.diag_states import label_table

_LOST, _SAMPLE = 2, 9  # PERF_RECORD_*
_HEADER = Struct("=IHH").unpack_from  # type, misc, size
# What precedes the raw data of a sample: pid, tid, time, cpu, reserved, size.
_BEFORE = Struct("=IIQIII")
_LOST_NUMBER = Struct("=8xQQ").unpack_from  # header, id, lost
_FIELD = re.compile(
    r"field:[^;]*?(?P<name>\w+)(\[\d+\])?;\s*offset:(?P<offset>\d+);"
    r"\s*size:(?P<size>\d+);"
)
_TCP = 6
_SOFTIRQ = 0x10  # TRACE_FLAG_SOFTIRQ of common_flags: somebody else's context
_LABELS = label_table("tcp", bound=False)
_NEEDED = {
    "common_flags": 1,
    "skaddr": 8,
    "oldstate": 4,
    "newstate": 4,
    "sport": 2,
    "dport": 2,
    "family": 2,
    "protocol": 2,
    "saddr": 4,
    "daddr": 4,
    "saddr_v6": 16,
    "daddr_v6": 16,
}
_CODES = {1: "B", 2: "H", 4: "i", 8: "Q", 16: "16s"}


class Transition(NamedTuple):
    """One change of a TCP socket's state, as the kernel traced it."""

    ns: int  # of CLOCK_MONOTONIC
    key: int  # the kernel's address of the socket: never to be printed
    old: str
    new: str
    family: str  # ipv4, ipv6
    local_address: str
    local_port: int  # 0: not chosen yet
    remote_address: str
    remote_port: int
    pid: int | None  # of the program that caused it; None: the network did


class SampleReader:
    """Knows where the fields of a sample are."""

    def __init__(self, format_text: str) -> None:
        """Take the tracepoint's format; raise ParseError if a field is missing."""
        places = {
            found["name"]: (int(found["offset"]), int(found["size"]))
            for found in _FIELD.finditer(format_text)
        }
        layout, end = "=", 0
        ordered = sorted(_NEEDED, key=lambda name: places.get(name, (0, 0)))
        for name in ordered:
            offset, size = places.get(name, (0, 0))
            if size != _NEEDED[name] or offset < end:
                raise ParseError("tracepoint", f"the field {name} is not as expected")
            code = _CODES[size] if name not in ("saddr", "daddr") else "4s"
            layout += f"{offset - end}x{code}"
            end = offset + size
        self._names = ordered
        self._unpack = Struct(layout).unpack_from
        self._place = {name: number for number, name in enumerate(ordered)}
        self._addresses: dict[bytes, str] = {}

    def transitions(self, data: bytes) -> Iterator[Transition | int]:
        """Yield the transitions of TCP sockets, and how many records were lost."""
        offset, end = 0, len(data)
        start = 8 + _BEFORE.size
        flags, key, old, new, sport, dport, family, protocol = (
            self._place[name] for name in list(_NEEDED)[:8]
        )
        while offset + 8 <= end:
            kind, _, size = _HEADER(data, offset)
            if size < 8:
                raise ParseError("tracepoint", f"a record of {size} bytes")
            if kind == _LOST:
                yield int(_LOST_NUMBER(data, offset)[1])
            elif kind == _SAMPLE:
                pid, _, ns, *_ = _BEFORE.unpack_from(data, offset + 8)
                values = self._unpack(data, offset + start)
                if values[protocol] == _TCP:
                    is_v4 = values[family] == AF_INET
                    yield Transition(
                        ns,
                        values[key],
                        _LABELS[values[old] & 255],
                        _LABELS[values[new] & 255],
                        "ipv4" if is_v4 else "ipv6",
                        self._address(values, "saddr", is_v4=is_v4),
                        values[sport],
                        self._address(values, "daddr", is_v4=is_v4),
                        values[dport],
                        None if values[flags] & _SOFTIRQ else pid,
                    )
            offset += size

    def _address(self, values: tuple[bytes, ...], name: str, *, is_v4: bool) -> str:
        packed = values[self._place[name if is_v4 else f"{name}_v6"]]
        known = self._addresses.get(packed)
        if known is None:
            if len(self._addresses) > 100_000:
                self._addresses.clear()
            known = inet_ntop(AF_INET if is_v4 else AF_INET6, packed)
            self._addresses[packed] = known
        return known
