"""Decode the kernel's `struct tcp_info` (`linux/tcp.h`).

Newer kernels append fields to the structure. Fields that an older kernel lacks are
absent from the result; fields that this module does not know are ignored.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct, calcsize, pack
from typing import NamedTuple

from tcpstates.fields import InfoColumn

# In the kernel's order. Times are in microseconds unless the name gives a unit, rates
# in bytes per second. A field whose name starts with "_" is skipped.
_FIELDS = (
    ("B", "_state congestion_state retransmits probes backoff options"),
    ("B", "_window_scales _delivery_and_fastopen"),  # see `BITS`
    ("I", "rto ato send_mss receive_mss"),
    ("I", "unacked sacked lost retransmitting _fackets"),
    ("I", "last_sent_ms _last_ack_sent_ms last_received_ms last_ack_ms"),
    ("I", "path_mtu receive_ssthresh rtt rtt_variance send_ssthresh congestion_window"),
    ("I", "advertised_mss reordering receive_rtt receive_space total_retransmits"),
    ("Q", "pacing_rate max_pacing_rate bytes_acked bytes_received"),
    ("I", "segments_out segments_in not_sent_bytes min_rtt"),
    ("I", "data_segments_in data_segments_out"),
    ("Q", "delivery_rate busy_time receive_window_limited send_buffer_limited"),
    ("I", "delivered delivered_ce"),
    ("Q", "bytes_sent bytes_retransmitted"),
    ("I", "dsack_duplicates reordering_seen out_of_order_packets send_window"),
    ("I", "receive_window rehash"),
)
_UNLIMITED = {"pacing_rate": 2**64 - 1, "max_pacing_rate": 2**64 - 1}
_UNLIMITED |= {"send_ssthresh": 0x7FFFFFFF}  # TCP_INFINITE_SSTHRESH


def _offsets() -> list[tuple[str, str, int, int]]:
    """Compute (name, format, start, end) of each field."""
    layout = []
    offset = 0
    for code, names in _FIELDS:
        size = calcsize(code)
        for name in names.split():
            layout.append((name, "=" + code, offset, offset + size))
            offset += size
    return layout


_LAYOUT = _offsets()


class Place(NamedTuple):
    """Where tcp_info has a field, for reading the field of many sockets at once."""

    start: int  # bytes
    end: int
    unlimited: int | None  # the value that means "no limit"


PLACES: dict[InfoColumn, Place] = {
    f"info.{name}": Place(start, end, _UNLIMITED.get(name))  # type: ignore[misc]
    for name, _, start, end in _LAYOUT
    if not name.startswith("_")
}


class Bits(NamedTuple):
    """Which bits of a byte are a field."""

    byte: int
    shift: int
    mask: int


# The order of bit-fields in a byte depends on the byte order.
_IS_LITTLE = pack("=H", 1) == b"\1\0"
BITS: dict[InfoColumn, Bits] = {
    "info.send_window_scale": Bits(6, 0 if _IS_LITTLE else 4, 15),
    "info.receive_window_scale": Bits(6, 4 if _IS_LITTLE else 0, 15),
    "info.app_limited": Bits(7, 0 if _IS_LITTLE else 7, 1),
    "info.fastopen_failure": Bits(7, 1 if _IS_LITTLE else 5, 3),
}
PLACES |= {name: Place(bits.byte, bits.byte + 1, None) for name, bits in BITS.items()}


@lru_cache(maxsize=8)
def columns_within(length: int) -> tuple[InfoColumn, ...]:
    """Return the fields that fit into so many bytes, in the order of `PLACES`."""
    return tuple(name for name, place in PLACES.items() if place.end <= length)


@lru_cache(maxsize=8)
def _reader(length: int) -> tuple[Struct, tuple[str, ...]]:
    """Return the format and names of the fields that fit into so many bytes.

    One `Struct` for all fields takes 3 us per socket; one call per field took 13 us.
    """
    known = [field for field in _LAYOUT if field[3] <= length]
    codes = (
        f"{end - start}x" if name.startswith("_") else code[1:]
        for name, code, start, end in known
    )
    names = (name for name, *_ in known if not name.startswith("_"))
    return Struct("=" + "".join(codes)), tuple(names)


def parse_tcp_info(packed: bytes) -> dict[str, int]:
    """Return the known fields, except those whose value means "no limit"."""
    layout, names = _reader(len(packed))
    fields: dict[str, int] = dict(zip(names, layout.unpack_from(packed), strict=True))
    for column, bits in BITS.items():
        if len(packed) > bits.byte:
            value = packed[bits.byte] >> bits.shift & bits.mask
            fields[column.removeprefix("info.")] = value
    for name, unlimited in _UNLIMITED.items():
        if fields.get(name) == unlimited:
            del fields[name]
    return fields
