"""The tables of /proc/net are read, of either byte order, whole or broken."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpstates.ages import age_bounds_ms
from tcpstates.collect.names import SystemNames
from tcpstates.columns.registry import COLUMNS
from tcpstates.fields import ColumnName
from tcpstates.parse.proc_net import ProcBatch, ProcNetParser

DATA = Path(__file__).parents[1] / "data" / "procfs"
FILES = {
    "tcp": ("tcp", "ipv4"),
    "tcp6": ("tcp", "ipv6"),
    "udp": ("udp", "ipv4"),
    "udp6": ("udp", "ipv6"),
}
STATES = {
    "tcp": {
        "LISTEN": 6, "SYN_SENT": 1, "SYN_RECEIVED": 1, "ESTABLISHED": 5, "FIN_WAIT_1": 1, "CLOSING": 1,
        "LAST_ACK": 1, "TIME_WAIT": 3,
    },
    "tcp6": {
        "LISTEN": 6, "SYN_SENT": 1, "SYN_RECEIVED": 1, "ESTABLISHED": 8, "FIN_WAIT_2": 1, "CLOSE_WAIT": 1, "TIME_WAIT": 1
    },
    "udp": {"ESTABLISHED": 1, "UNCONN": 2},
    "udp6": {"ESTABLISHED": 2, "UNCONN": 2},
}  # fmt: skip


def lines(name: str, order: str = "little") -> list[str]:
    return (DATA / order / "net" / name).read_text().splitlines()[1:]


def parse(parser: ProcNetParser, *rows: str) -> ProcBatch:
    return parser.parse("\n".join(rows))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("order", ["little", "big"])
def test_recorded_tables(name: str, order: str) -> None:
    parser = ProcNetParser(*FILES[name], order)
    batch = parse(parser, *lines(name, order))
    assert Counter(batch.column("state_label")) == STATES[name]
    assert parser.skipped == 0
    little = parse(ProcNetParser(*FILES[name], "little"), *lines(name))
    for column in ("local_address", "remote_address", "local_port", "inode", "uid"):
        assert batch.column(column) == little.column(column)


def test_a_row_is_what_it_says() -> None:
    line = (
        "   1: 0100007F:1F90 0200007F:C351 08 00000000:00000001 02:000005A0 00000000"
        "  1000        2 4242 1 0000000000000000 20 4 30 10 -1"
    )
    batch = parse(ProcNetParser("tcp", "ipv4", "little"), line)
    expected: dict[ColumnName, Any] = {
        "state_label": "CLOSE_WAIT",
        "raw_state": "08",
        "local_address": "127.0.0.1",
        "local_port": 8080,
        "remote_address": "127.0.0.2",
        "remote_port": 50001,
        "recv_q": 1,
        "send_q": 0,
        "uid": 1000,
        "inode": 4242,
        "timer": "keepalive",
        "timer_ms": 14400,
        "retransmits": 2,
        "cookie": None,
    }
    assert {key: batch.column(key)[0] for key in expected} == expected


@pytest.mark.parametrize(("timer", "retransmits", "probes"), [(1, 255, 0), (2, 0, 255)])
def test_the_largest_count_of_retries_has_an_age(
    timer: int, retransmits: int, probes: int
) -> None:
    line = (
        "   1: 0100007F:1F90 0200007F:C351 02 00000000:00000000"
        f" {timer:02X}:00000024 {retransmits:08X}  1000 {probes:8} 4242 2 0 100 0 0 10 -1"
    )
    batch = parse(ProcNetParser("tcp", "ipv4", "little"), line)
    assert batch.column("retransmits") == [255]
    assert age_bounds_ms(batch, None) == [(255_000, (2**256 - 1) * 1000)]
    assert len(COLUMNS["age"].values(batch, SystemNames(numeric=True))) == 1


def test_the_limit_of_a_backlog_is_not_known() -> None:
    batch = parse(ProcNetParser("tcp", "ipv4", "little"), *lines("tcp"))
    limits = zip(batch.column("state_label"), batch.column("send_q"), strict=True)
    assert all((limit is None) == (word == "LISTEN") for word, limit in limits)


BROKEN = {
    "torn": "   1: 0100007F:1F90 02000",
    "empty": "",
    "no numbers": "   1: ZZZZZZZZ:1F90 0200007F:C351 08 0:1 02:5 0 0 0 1 1 0",
    "short address": "   1: 0100:1F90 0200007F:C351 08 0:1 02:5 0 0 0 1 1 0",
    "many digits": "   1: 0100007F:1F90 0200007F:C351 01 00000000:00000000"
    f" 01:{'F' * 4500} 00000000     0        0 4242 1 0 20 4 30 10 -1",
    "many retransmits": "   1: 0100007F:1F90 0200007F:C351 02 00000000:00000000"
    " 01:00000024 00000100     0        0 4242 2 0 100 0 0 10 -1",
    "many probes": "   1: 0100007F:1F90 0200007F:C351 02 00000000:00000000"
    " 02:00000024 00000000     0      256 4242 2 0 100 0 0 10 -1",
    "nul": "\0\0\0",
    "long": "A" * 1_000_000,
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_line_is_counted_and_the_others_stay(broken: str) -> None:
    parser = ProcNetParser("tcp", "ipv4", "little")
    good = lines("tcp")
    batch = parse(parser, *good[:5], BROKEN[broken], *good[5:])
    assert len(batch) == len(good)
    assert parser.skipped == 1


def test_an_unknown_state_is_kept() -> None:
    line = lines("tcp")[0].replace(" 0A ", " 0F ")
    batch = parse(ProcNetParser("tcp", "ipv4", "little"), line)
    assert batch.column("state_label") == ["UNKNOWN(15)"]
    assert batch.column("state") == [None]


def test_a_socket_printed_twice_is_returned_once() -> None:
    parser = ProcNetParser("tcp", "ipv4", "little")
    held = [line for line in lines("tcp") if line.split()[9] != "0"]
    first = parse(parser, *held, held[0])
    assert len(first) == len(held)
    assert len(parse(parser, *held)) == 0
    waiting = [line for line in lines("tcp") if line.split()[9] == "0"]
    assert len(parse(parser, *waiting, *waiting)) == 2 * len(waiting)


@given(st.text(max_size=1000))
def test_any_text_is_rows_or_skipped(text: str) -> None:
    parser = ProcNetParser("udp", "ipv6", "little")
    lines = len(text.split("\n")) - text.endswith("\n") if text else 0
    assert len(parser.parse(text)) + parser.skipped == lines
