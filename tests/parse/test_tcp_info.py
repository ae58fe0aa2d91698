"""tcp_info is read as far as it is there."""

from __future__ import annotations

import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpstates.parse.tcp_info import parse_tcp_info

FULL = bytes([1, 0, 2, 0, 0, 7, 0x79, 1]) + struct.pack("=I", 204000) + bytes(388)


@pytest.mark.parametrize("size", [104, 192, 232, 240, 248, 280, 400])
def test_every_kernels_length(size: int) -> None:
    info = parse_tcp_info(FULL[:size])
    assert info["rto"] == 204000
    assert info["retransmits"] == 2
    assert ("bytes_sent" in info) == (size >= 208)
    assert ("send_window" in info) == (size >= 232)
    assert ("rehash" in info) == (size >= 240)


def test_fields_stand_where_the_kernel_has_them() -> None:
    packed = bytearray(280)
    struct.pack_into("=I", packed, 68, 14)  # tcpi_rtt
    struct.pack_into("=I", packed, 80, 10)  # tcpi_snd_cwnd
    struct.pack_into("=I", packed, 100, 3)  # tcpi_total_retrans
    struct.pack_into("=Q", packed, 120, 1234)  # tcpi_bytes_acked
    struct.pack_into("=Q", packed, 160, 10**9)  # tcpi_delivery_rate
    struct.pack_into("=Q", packed, 200, 77)  # tcpi_bytes_sent
    struct.pack_into("=I", packed, 228, 65535)  # tcpi_snd_wnd
    info = parse_tcp_info(bytes(packed))
    assert info["rtt"] == 14
    assert info["congestion_window"] == 10
    assert info["total_retransmits"] == 3
    assert info["bytes_acked"] == 1234
    assert info["delivery_rate"] == 10**9
    assert info["bytes_sent"] == 77
    assert info["send_window"] == 65535


def test_both_window_scales_share_a_byte() -> None:
    """FULL has 0x79 there: a bit-field starts at the low end, or at the high one."""
    low_first = sys.byteorder == "little"
    info = parse_tcp_info(FULL)
    assert info["send_window_scale"] == (9 if low_first else 7)
    assert info["receive_window_scale"] == (7 if low_first else 9)


def test_no_limit_is_not_a_number() -> None:
    packed = bytearray(280)
    struct.pack_into("=Q", packed, 104, 2**64 - 1)
    assert "pacing_rate" not in parse_tcp_info(bytes(packed))


@given(st.binary(max_size=420))
def test_any_bytes_give_numbers(packed: bytes) -> None:
    assert all(isinstance(n, int) for n in parse_tcp_info(packed).values())
