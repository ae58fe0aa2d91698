"""Decode the attributes of a socket other than tcp_info (`linux/inet_diag.h`).

Every function takes the value of one attribute, which may be shorter than expected:
older kernels know fewer fields. Numbers are in the kernel's units.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from struct import Struct, pack, unpack_from
from typing import Any, NamedTuple

# INET_DIAG_*. MD5SIG (18) contains secrets and is never read.
INFO, VEGASINFO, CONG, SKMEMINFO, SHUTDOWN, DCTCPINFO = 2, 3, 4, 7, 8, 9
SKV6ONLY, MARK, BBRINFO, ULP_INFO, CGROUP_ID = 11, 15, 16, 19, 21

# SK_MEMINFO_*, linux/sock_diag.h: all in bytes, except the last, which counts packets.
MEMORY_FIELDS = (
    "receive_allocated",
    "receive_buffer",
    "send_allocated",
    "send_buffer",
    "forward_allocated",
    "send_queued",
    "options",
    "backlog",
    "drops",
)

# INET_ULP_INFO_*, and the numbers inside: TLS_INFO_* (linux/tls.h) and
# MPTCP_SUBFLOW_ATTR_* (linux/mptcp.h).
_ULP_NAME = 1
_ULP_NUMBERS = {
    2: {
        1: "version",
        2: "cipher",
        3: "tx_configuration",
        4: "rx_configuration",
    },
    3: {
        1: "remote_token",
        2: "local_token",
        4: "map_sequence",
        5: "map_subflow_sequence",
        6: "subflow_offset",
        7: "map_length",
        8: "flags",
        9: "remote_id",
        10: "local_id",
    },
}
_BYTE_ORDER: Any = "little" if pack("=H", 1) == b"\1\0" else "big"


class UpperProtocol(NamedTuple):
    """A protocol above TCP that the kernel itself implements: tls, mptcp."""

    name: str
    numbers: dict[str, int]


def parse_attributes(data: bytes, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield the kind of each attribute (`struct nlattr`), and its value's place.

    A place is an offset and a length. The walk ends at the first damaged attribute.
    """
    offset, end = start, len(data)
    while end - offset >= 4:
        length, kind = unpack_from("=HH", data, offset)
        if length < 4 or length > end - offset:
            break
        yield kind & 0x3FFF, offset + 4, length - 4
        offset += length + 3 & ~3


def places(row: bytes, start: int) -> dict[int, tuple[int, int]]:
    """Map each attribute from `start` on to the offset and length of its value."""
    found = parse_attributes(row, start)
    return {kind: (offset, length) for kind, offset, length in found}


def parse_memory(value: bytes) -> dict[str, int]:
    """Return the numbers of SK_MEMINFO by name."""
    numbers = array("I", value[: len(value) & ~3])
    return dict(zip(MEMORY_FIELDS, numbers, strict=False))


def _reader(layout: str, *names: str) -> Callable[[bytes], dict[str, int]]:
    """Make a parser of a `struct`; a value that is too short has no fields."""
    packed = Struct(layout)

    def parse(value: bytes) -> dict[str, int]:
        if len(value) < packed.size:
            return {}
        return dict(zip(names, packed.unpack_from(value), strict=True))

    return parse


_bbr = _reader(
    "=IIIII", "low", "high", "min_rtt", "pacing_gain_256ths", "window_gain_256ths"
)


def _parse_bbr(value: bytes) -> dict[str, int]:
    """Join the halves of the bandwidth, of which the lower one is always first."""
    found = _bbr(value)
    if not found:
        return {}
    low, high = found.pop("low"), found.pop("high")
    return {"bandwidth": low | high << 32, **found}


# The congestion controls that report figures (union tcp_cc_info): bandwidth in bytes
# per second, times in microseconds.
CONGESTION: dict[int, Callable[[bytes], dict[str, int]]] = {
    VEGASINFO: _reader("=IIII", "enabled", "rtt_count", "rtt", "min_rtt"),
    DCTCPINFO: _reader(
        "=HHIII", "enabled", "ce_state", "alpha", "ecn_bytes", "total_bytes"
    ),
    BBRINFO: _parse_bbr,
}


def parse_upper_protocol(value: bytes) -> UpperProtocol | None:
    """Return the upper layer protocol of INET_DIAG_ULP_INFO; None: it has no name."""
    name, numbers = "", {}
    for kind, start, length in parse_attributes(value):
        part = value[start : start + length]
        if kind == _ULP_NAME:
            name = part.rstrip(b"\0").decode("ascii", "backslashreplace")
        for inner, at, size in parse_attributes(part) if kind in _ULP_NUMBERS else ():
            named = _ULP_NUMBERS[kind].get(inner)
            if named is not None:
                numbers[named] = int.from_bytes(part[at : at + size], _BYTE_ORDER)
    return UpperProtocol(name, numbers) if name else None
