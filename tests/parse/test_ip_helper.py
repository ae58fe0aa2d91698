"""The tables of Windows' IP Helper API: bytes as Windows lays them out."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Any

import pytest

from tcpstates.ages import age_bounds_ms
from tcpstates.collect.iphlpapi import Answer, IpHelperSource
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, Request
from tcpstates.parse.ip_helper import LAYOUTS, parse_table
from tcpstates.states import ALL_STATES, LISTENING, OtherState

NOW = 1_800_000_000.0
CREATED = 116_444_736_000_000_000 + int((NOW - 90) * 10_000_000)  # 90 s before
MODULE: Any = ("module", ctypes.c_uint64 * 16)
WORD: Any = ctypes.c_uint32
WORDS = ctypes.c_ubyte * 16
ENDS4: list[Any] = [("local", WORD), ("local_port", WORD)]
ENDS6: list[Any] = [("local", WORDS), ("local_scope", WORD), ("local_port", WORD)]


class Tcp4(ctypes.Structure):
    """MIB_TCPROW_OWNER_MODULE, tcpmib.h."""

    _fields_ = (
        *(("state", WORD), *ENDS4, ("remote", WORD), ("remote_port", WORD)),
        *(("pid", WORD), ("created", ctypes.c_int64), MODULE),
    )


class Tcp6(ctypes.Structure):
    """MIB_TCP6ROW_OWNER_MODULE, tcpmib.h."""

    _fields_ = (
        *(*ENDS6, ("remote", WORDS), ("remote_scope", WORD), ("remote_port", WORD)),
        *(("state", WORD), ("pid", WORD), ("created", ctypes.c_int64), MODULE),
    )


class Udp4(ctypes.Structure):
    """MIB_UDPROW_OWNER_MODULE, udpmib.h."""

    _fields_ = (
        *(*ENDS4, ("pid", WORD), ("created", ctypes.c_int64)),
        *(("flags", ctypes.c_int32), MODULE),
    )


class Udp6(ctypes.Structure):
    """MIB_UDP6ROW_OWNER_MODULE, udpmib.h."""

    _fields_ = (
        *(*ENDS6, ("pid", WORD), ("created", ctypes.c_int64)),
        *(("flags", ctypes.c_int32), MODULE),
    )


ROWS: dict[tuple[str, str], type[ctypes.Structure]] = {
    ("tcp", "ipv4"): Tcp4,
    ("tcp", "ipv6"): Tcp6,
    ("udp", "ipv4"): Udp4,
    ("udp", "ipv6"): Udp6,
}


def v4(text: str) -> int:
    return int.from_bytes(socket.inet_aton(text), "little")


def v6(text: str) -> ctypes.Array[ctypes.c_ubyte]:
    return WORDS(*socket.inet_pton(socket.AF_INET6, text))


def port(number: int) -> int:
    return int.from_bytes(struct.pack(">H", number), "little")


def table(*rows: ctypes.Structure) -> bytes:
    return struct.pack("<II", len(rows), 0) + b"".join(map(bytes, rows))


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_layout_has_the_size_that_a_compiler_gives_it(kind: tuple[str, str]) -> None:
    assert LAYOUTS[kind].row.size == ctypes.sizeof(ROWS[kind])


def test_connections_of_both_families() -> None:
    four = table(
        Tcp4(2, v4("0.0.0.0"), port(445), 0, port(0), 4, 0),
        Tcp4(8, v4("10.0.0.7"), port(20000), v4("10.0.0.5"), port(5432), 77, CREATED),
        Tcp4(11, v4("10.0.0.7"), port(1), v4("10.0.0.5"), port(2), 0, CREATED),
        Tcp4(12, v4("10.0.0.7"), port(1), v4("10.0.0.5"), port(2), 0, 0),
        Tcp4(13, v4("10.0.0.7"), port(1), v4("10.0.0.5"), port(2), 0, 0),
    )
    batch = parse_table("tcp", "ipv4", four, NOW)
    assert list(batch.rows("state_label", "state", "raw_state", "pid")) == [
        ("LISTEN", "LISTEN", "2", 4),
        ("CLOSE_WAIT", "CLOSE_WAIT", "8", 77),
        ("TIME_WAIT", "TIME_WAIT", "11", None),
        ("CLOSED", "CLOSED", "12", None),
        ("UNKNOWN(13)", None, "13", None),
    ]
    ends = batch.rows("local_address", "local_port", "remote_address", "remote_port")
    assert list(ends)[:2] == [
        ("0.0.0.0", 445, "0.0.0.0", 0),
        ("10.0.0.7", 20000, "10.0.0.5", 5432),
    ]
    unknown, within = (0, float("inf")), (0, 90_000)
    assert age_bounds_ms(batch, None) == [unknown, within, within, unknown, unknown]
    six = table(
        Tcp6(v6("::1"), 0, port(8081), v6("fe80::2"), 5, port(443), 5, 9, CREATED)
    )
    (row,) = parse_table("tcp", "ipv6", six, NOW).rows(
        "local_address", "local_port", "remote_address", "remote_port", "state", "pid"
    )
    assert row == ("::1", 8081, "fe80::2", 443, "ESTABLISHED", 9)


def test_udp_of_both_families() -> None:
    four = table(Udp4(v4("127.0.0.1"), port(5353), 7, CREATED))
    six = table(Udp6(v6("::"), 0, port(53), 8, 0))
    for kind, content, end, pid in (
        ("ipv4", four, ("127.0.0.1", 5353, "0.0.0.0", 0), 7),
        ("ipv6", six, ("::", 53, "::", 0), 8),
    ):
        batch = parse_table("udp", kind, content, NOW)
        ends = batch.rows(
            "local_address", "local_port", "remote_address", "remote_port"
        )
        assert list(ends) == [end]
        assert list(batch.rows("pid", "state_label")) == [(pid, OtherState.UNCONN)]


def test_a_clock_that_was_set_back_bounds_nothing() -> None:
    four = table(Udp4(v4("127.0.0.1"), port(5353), 7, CREATED))
    batch = parse_table("udp", "ipv4", four, NOW - 1000)
    assert batch.column("created_ms") == [None]


def answers(**tables: bytes | int) -> IpHelperSource:
    def ask(protocol: str, family: str) -> Answer:
        found = tables.get(f"{protocol}_{family}", b"")
        return Answer(found) if isinstance(found, int) else Answer(0, found)

    return IpHelperSource(ask)


def test_only_what_was_asked_for() -> None:
    four = table(
        Tcp4(2, v4("0.0.0.0"), port(445), 0, 0, 4, 0),
        Tcp4(5, v4("10.0.0.7"), port(20000), v4("10.0.0.5"), port(5432), 77, 0),
    )
    source = answers(tcp_ipv4=four, udp_ipv4=5)
    listening = Request(protocols=frozenset({"tcp"}), states=frozenset(LISTENING))
    batches = list(source.read(listening, []))
    assert [b.column("local_port") for b in batches if len(b)] == [[445]]
    both = Request(protocols=frozenset({"tcp", "udp"}), states=ALL_STATES)
    with pytest.raises(SourceUnavailable, match="udp over ipv4: Windows error 5"):
        list(source.read(both, []))


@pytest.mark.parametrize("content", [b"\xff\xff\xff\xff", table(Tcp4())[:-1], b"\1"])
def test_a_table_that_is_too_short_is_refused(content: bytes) -> None:
    source = answers(tcp_ipv4=content)
    request = Request(protocols=frozenset({"tcp"}), states=ALL_STATES)
    with pytest.raises(SourceUnavailable, match="too few for"):
        list(source.read(request, []))


def test_bound_sockets_are_not_reported() -> None:
    limitations: list[Limitation] = []
    request = Request(states=ALL_STATES | {OtherState.BOUND})
    list(answers().read(request, limitations))
    assert [each.kind for each in limitations] == ["state-not-told"]


@pytest.mark.skipif(hasattr(ctypes, "WinDLL"), reason="about other systems")
def test_elsewhere_it_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="available on Windows only"):
        list(IpHelperSource().read(Request(), []))
