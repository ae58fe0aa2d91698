"""Read samples of the tracepoint sock:inet_sock_set_state from a perf ring buffer.

Records as in perf_event_open(2); the fields of a sample are where the tracepoint's
`format` file says. The kernel calls the tracepoint for TCP, MPTCP, DCCP and SCTP.
"""

from __future__ import annotations

import re
from socket import AF_INET
from struct import Struct, pack
from typing import NamedTuple

from tcpstates.errors import ParseError
from tcpstates.parse.transition import ADDRESSES, LABELS, Transition

_LOST, _SAMPLE = 2, 9  # PERF_RECORD_*
_HEADER = Struct("=IHH").unpack_from  # type, misc, size
# What precedes the raw data of a sample: header, pid, tid, time, cpu, reserved, size.
_BEFORE = "8xI4xQ12x"
_LOST_NUMBER = Struct("=8xQQ").unpack_from  # header, id, lost
_FIELD = re.compile(
    r"field:[^;]*?(?P<name>\w+)(\[\d+\])?;\s*offset:(?P<offset>\d+);"
    r"\s*size:(?P<size>\d+);"
)
_TCP = 6
_SOFTIRQ = 0x10  # TRACE_FLAG_SOFTIRQ of common_flags: somebody else's context
# The fields in the order of the format, their sizes in bytes, and how to unpack them.
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
_CODES = dict(
    zip(
        _NEEDED,
        ["B", "Q", "i", "i", "H", "H", "H", "H", "4s", "4s", "16s", "16s"],
        strict=True,
    )
)


class Samples(NamedTuple):
    """What a piece of a ring holds."""

    transitions: list[Transition]  # of TCP sockets
    number: int  # of samples, also of other protocols
    lost: int  # records that did not fit into the ring


class SampleReader:
    """Knows where the fields of a sample are."""

    def __init__(self, format_text: str) -> None:
        """Take the tracepoint's format; raise ParseError if a field is missing."""
        places = {
            found["name"]: (int(found["offset"]), int(found["size"]))
            for found in _FIELD.finditer(format_text)
        }
        layout, end = "", 0
        for name, size in _NEEDED.items():
            offset, found = places.get(name, (0, 0))
            if found != size or offset < end:
                raise ParseError("tracepoint", f"the field {name} is not as expected")
            layout += f"{offset - end}x{_CODES[name]}"
            end = offset + size
        self._layout = Struct(f"={_BEFORE}{layout}")

    def samples(self, data: bytes) -> Samples:
        """Read whole records."""
        size = _HEADER(data)[2] if len(data) >= 8 else 0
        if size and size % 8 == 0 and len(data) % size == 0:
            # Nearly always: samples only, which all have one length.
            number = len(data) // size
            kinds = memoryview(data).cast("I")[:: size // 4].tobytes()
            sizes = memoryview(data).cast("H")[3 :: size // 2].tobytes()
            if kinds == pack("=I", _SAMPLE) * number and sizes == sizes[:2] * number:
                return Samples(self._rows(data, size), number, 0)
        return self._one_by_one(data)

    def _one_by_one(self, data: bytes) -> Samples:
        """Read records of several kinds, and of several lengths."""
        found: list[Transition] = []
        number, lost, offset, end = 0, 0, 0, len(data)
        while offset + 8 <= end:
            kind, _, size = _HEADER(data, offset)
            if size < 8:
                raise ParseError("tracepoint", f"a record of {size} bytes")
            if kind == _LOST:
                lost += _LOST_NUMBER(data, offset)[1]
            elif kind == _SAMPLE:
                number += 1
                found += self._rows(data[offset : offset + size], size)
            offset += size
        return Samples(found, number, lost)

    def _rows(self, data: bytes, size: int) -> list[Transition]:
        """Read samples of one length."""
        pad = size - self._layout.size
        if pad < 0:
            raise ParseError("tracepoint", f"a sample of {size} bytes")
        rows = Struct(f"{self._layout.format}{pad}x").iter_unpack(data)
        addresses, labels = ADDRESSES, LABELS
        make = Transition
        return [
            make(
                ns,
                key,
                labels[old & 255],
                labels[new & 255],
                "ipv4" if family == AF_INET else "ipv6",
                addresses[v4 if family == AF_INET else v6],
                sport,
                addresses[v4_peer if family == AF_INET else v6_peer],
                dport,
                None if flags & _SOFTIRQ else pid,
            )
            for (
                pid, ns, flags, key, old, new, sport, dport,
                family, protocol, v4, v4_peer, v6, v6_peer,
            ) in rows
            if protocol == _TCP
        ]  # fmt: skip
