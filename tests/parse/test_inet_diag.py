"""What the kernel's sock_diag sends is decoded, whatever it sends."""

from __future__ import annotations

import marshal
import os
import socket
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fakes import diag
from tcpstates.errors import ParseError
from tcpstates.fields import ColumnName
from tcpstates.parse.diag_batch import _MAKERS, _NUMBERS, DiagBatch
from tcpstates.parse.diag_states import states_mask
from tcpstates.parse.inet_diag import DiagDecoder, encode_request, ends_dump
from tcpstates.parse.tcp_info import PLACES
from tcpstates.states import GROUPS, LISTENING, OtherState, TcpState


def decoder(protocol: str = "tcp", *, bound: bool = False) -> DiagDecoder:
    made = DiagDecoder(protocol, sequence=1, bound=bound)
    made.port_id = 77
    return made


def decoded(found: DiagDecoder, datagram: bytes) -> list[DiagBatch]:
    """Return all sockets of a datagram, which may wait for the end of the dump."""
    return found.decode(datagram) + found.decode(diag.done())


def values(batches: list[DiagBatch], column: ColumnName) -> list[Any]:
    return [value for batch in batches for value in batch.column(column)]


def test_a_request_has_the_kernels_layout() -> None:
    request = encode_request("tcp", "ipv6", mask=0x402, sequence=9, info=True)
    head = struct.pack("=IHHII", 72, 20, 0x301, 9, 0)
    assert request == head + struct.pack("=BBBBI", 10, 6, 0b1110, 0, 0x402) + bytes(48)


def test_both_families_are_asked_with_the_first_version() -> None:
    request = encode_request("tcp", None, mask=0x402, sequence=9, memory=True)
    head = struct.pack("=IHHII", 76, 18, 0x301, 9, 0)
    body = bytes([0, 0, 0, 0b1000000]) + bytes(48) + struct.pack("=II", 0x402, 0)
    assert request == head + body


def test_the_mask_of_all_states_lacks_bound_and_what_tcp_never_shows() -> None:
    every = GROUPS["all"]
    assert states_mask("tcp", every, unknown=True) == 0xFFFFDF7E
    assert states_mask("udp", every, unknown=True) == 1 << 1 | 1 << 7
    assert states_mask("tcp", frozenset({OtherState.BOUND}), unknown=False) == 1 << 13
    syn_received = frozenset({TcpState.SYN_RECEIVED})
    assert states_mask("tcp", syn_received, unknown=False) == 1 << 3 | 1 << 12


def test_listeners_are_asked_for_alone() -> None:
    assert states_mask("tcp", LISTENING, unknown=False) == 1 << 10
    assert states_mask("udp", LISTENING, unknown=False) == 1 << 7
    assert states_mask("udp", frozenset({TcpState.LISTEN}), unknown=False) == 0


@pytest.mark.skipif(os.name != "posix", reason="families have the numbers of Linux")
def test_every_column_of_a_socket() -> None:
    message = diag.message(
        1,
        family=socket.AF_INET6,
        timer=2,
        retransmits=3,
        ports=(443, 51234),
        addresses=("fe80::1", "2001:db8::2"),
        interface=7,
        cookie=0x1122334455667788,
        expires=29996,
        queues=(5, 6),
        uid=1000,
        inode=4242,
        attributes=(
            (8, b"\1"),
            (15, struct.pack("=I", 0x2A)),
            (21, struct.pack("=Q", 99)),
            (4, b"cubic\0"),
            (7, struct.pack("=9I", *range(9))),
        ),
    )
    (batch,) = decoded(decoder(), message)
    assert (batch.protocol, batch.family, len(batch)) == ("tcp", "ipv6", 1)
    expected: dict[ColumnName, Any] = {
        "state_label": "ESTABLISHED",
        "state": "ESTABLISHED",
        "raw_state": "ESTAB",
        "local_address": "fe80::1",
        "local_port": 443,
        "remote_address": "2001:db8::2",
        "remote_port": 51234,
        "recv_q": 5,
        "send_q": 6,
        "uid": 1000,
        "inode": 4242,
        "cookie": 0x1122334455667788,
        "interface_index": 7,
        "timer": "keepalive",
        "timer_ms": 29996,
        "retransmits": 3,
        "mark": 0x2A,
        "cgroup_id": 99,
        "shutdown": 1,
        "congestion": "cubic",
        "info": None,
        "v6only": None,
    }
    assert {key: batch.column(key)[0] for key in expected} == expected
    assert batch.column("memory")[0]["drops"] == 8


@pytest.mark.parametrize("code", range(1, 14))
def test_every_state_code(code: int) -> None:
    names = [
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECEIVED",
        "FIN_WAIT_1",
        "FIN_WAIT_2",
        "TIME_WAIT",
        "CLOSED",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
        "SYN_RECEIVED",
        "BOUND",
    ]
    assert values(decoded(decoder(), diag.message(code)), "state_label") == [
        names[code - 1]
    ]


def test_an_unknown_state_and_timer_are_kept() -> None:
    batches = decoded(decoder(), diag.message(200, timer=9))
    assert values(batches, "state_label") == ["UNKNOWN(200)"]
    assert values(batches, "state") == [None]
    assert values(batches, "raw_state") == ["200"]
    assert values(batches, "timer") == ["unknown(9)"]


def test_bound_sockets_come_as_closed_ones() -> None:
    batches = decoded(decoder(bound=True), diag.message(7))
    assert values(batches, "state_label") == ["BOUND"]
    assert values(batches, "state") == [None]


def test_udp_has_two_words_and_no_timer() -> None:
    both = diag.message(1, timer=77, expires=12) + diag.message(7, cookie=2)
    batches = decoded(decoder("udp"), both)
    assert values(batches, "state_label") == ["ESTABLISHED", "UNCONN"]
    assert values(batches, "timer") == [None, None]
    assert values(batches, "timer_ms") == [None, None]


def test_an_expired_timer_that_wrapped_is_unknown() -> None:
    batches = decoded(decoder(), diag.message(timer=1, expires=2**32 - 10))
    assert values(batches, "timer_ms") == [None]


@pytest.mark.skipif(os.name != "posix", reason="families have the numbers of Linux")
def test_mixed_messages_lose_nothing() -> None:
    short = [diag.message(6, cookie=n, inode=0) for n in range(1, 20)]
    marked = [
        diag.message(1, cookie=n, attributes=((15, b"\1\0\0\0"),))
        for n in range(20, 60)
    ]
    ipv6 = [
        diag.message(10, cookie=n, family=10, addresses=("::", "::"))
        for n in range(60, 70)
    ]
    mixed = [m for trio in zip(short, marked, ipv6, strict=False) for m in trio]
    mixed += short[10:] + marked[10:]
    for _ in range(2):  # the second time with the lengths known
        found = decoder()
        batches = decoded(found, b"".join(mixed))
        assert sorted(values(batches, "cookie")) == list(range(1, 70))
        assert {b.family for b in batches} == {"ipv4", "ipv6"}
        again = decoded(
            found, b"".join(diag.message(1, cookie=n) for n in range(70, 75))
        )
        assert values(again, "cookie") == list(range(70, 75))
        assert values(batches, "mark").count(1) == 40


@pytest.mark.parametrize("flags", [2, 2 | 0x10], ids=["", "interrupted"])
def test_more_kinds_than_are_remembered(flags: int) -> None:
    kinds = [((100, b"x" * 4 * length),) for length in range(50)]
    order = [kinds[number * 7 % len(kinds)] for number in range(2000)]
    made = [
        diag.message(cookie=n, attributes=kind, flags=flags)
        for n, kind in enumerate(order)
    ]
    found = decoder()
    batches: list[DiagBatch] = []
    for start in range(0, len(made), 150):
        batches += found.decode(b"".join(made[start : start + 150]))
    batches += found.decode(diag.done())
    assert sorted(values(batches, "cookie")) == list(range(2000))
    assert found.changed == (flags != 2)


@pytest.mark.parametrize("cut", [4, 8, 40])
def test_a_known_kind_that_is_cut_off_is_an_error(cut: int) -> None:
    found = decoder()
    found.decode(diag.message() * 2)
    with pytest.raises(ParseError):
        found.decode((diag.message() * 3)[:-cut])


def test_no_socket_has_every_column() -> None:
    (one,) = decoded(decoder(), diag.message())
    nothing = one.select([False])
    assert len(nothing) == 0
    for name in (*_MAKERS, *_NUMBERS, *PLACES):
        assert list(nothing.column(name)) == []


def test_attributes_of_unequal_rows_of_one_length() -> None:
    rows = diag.message(cookie=1, attributes=((15, b"\5\0\0\0"),)) + diag.message(
        cookie=2, attributes=((8, b"\2"),)
    )
    batches = decoded(decoder(), rows)
    assert values(batches, "mark") == [5, None]
    assert values(batches, "shutdown") == [None, 2]


def test_a_batch_is_made_again_from_its_parts() -> None:
    (one,) = decoded(decoder(), diag.message(cookie=1) + diag.message(6, cookie=2))
    again = DiagBatch(*marshal.loads(marshal.dumps(one.parts())))
    for name in (*_MAKERS, *_NUMBERS, *PLACES):
        assert again.column(name) == one.column(name)
    assert (again.protocol, again.family) == (one.protocol, one.family)


@pytest.mark.parametrize("added", ["column", "origin"])
def test_what_other_stages_have_added_has_no_parts(added: str) -> None:
    (one,) = decoded(decoder(), diag.message(cookie=1) + diag.message(6, cookie=2))
    if added == "column":
        one.set("netns", ["blue", "blue"])
    else:
        one.origin = "elsewhere"
    assert one.parts() is None
    assert one.select([True, False]).parts() is None


def test_a_socket_told_twice_is_returned_once() -> None:
    found = decoder()
    first = [diag.message(1, cookie=n) for n in range(1, 101)]
    again = [diag.message(6, cookie=n) for n in range(90, 120)]
    batches = decoded(found, b"".join(first)) + decoded(found, b"".join(again))
    assert values(batches, "cookie") == list(range(1, 120))


def test_cookies_that_differ_only_above_are_two_sockets() -> None:
    rows = diag.message(cookie=5) + diag.message(cookie=5 | 1 << 40)
    assert values(decoded(decoder(), rows), "cookie") == [5, 5 | 1 << 40]


def test_repeats_are_found_far_back_and_memory_stays_small() -> None:
    found = decoder()
    told: list[int] = []
    for start in range(1, 40_000, 200):
        rows = b"".join(diag.message(cookie=n) for n in range(start, start + 200))
        told += values(decoded(found, rows), "cookie")
    assert len(told) == len(set(told)) == 40_000
    assert sum(map(len, found._recent_batches + found._older_batches)) < 20_000
    repeat = b"".join(diag.message(cookie=n) for n in range(37_000, 37_200))
    assert values(decoded(found, repeat), "cookie") == []


def test_answers_to_others_are_ignored() -> None:
    strange = diag.message(sequence=2) + diag.message(port_id=1, cookie=2)
    found = decoder()
    assert found.decode(strange + diag.done()) == []
    assert found.done
    assert not decoded(decoder(), diag.message(sequence=2))


@pytest.mark.parametrize("kind", [2, 3], ids=["ERROR", "DONE"])
def test_an_errno_ends_the_dump(kind: int) -> None:
    found = decoder()
    found.decode(diag.netlink(kind, struct.pack("=i", -2)))
    assert (found.done, found.refused) == (True, 2)


def test_an_end_behind_sockets_is_seen() -> None:
    found = decoder()
    datagram = diag.message() + diag.done()
    assert len(values(found.decode(datagram), "state_label")) == 1
    assert (found.done, found.refused) == (True, 0)
    assert ends_dump(datagram)
    assert not ends_dump(diag.message())


def test_an_interrupted_dump_is_noticed() -> None:
    found = decoder()
    found.decode(diag.message(flags=2 | 0x10))
    assert found.changed


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0" * 8,
        b"\x01\0\0\0" * 4,
        diag.message()[:-4],
        diag.message() + b"\x10\0\0\0",
        diag.netlink(20, b"\0" * 40),
        diag.message() + b"\xff\xff\xff\xff" + b"\0" * 12,
    ],
    ids=["empty", "short", "length 1", "cut", "tail", "short socket", "long length"],
)
def test_broken_datagrams_are_errors(datagram: bytes) -> None:
    with pytest.raises(ParseError):
        decoder().decode(datagram)


def test_the_secret_attribute_is_not_kept() -> None:
    secret = b"MD5-KEY-" * 4
    (batch,) = decoded(decoder(), diag.message(attributes=((18, secret),)))
    shown = repr([batch.column(name) for name in _MAKERS])
    assert "MD5-KEY" not in shown


@given(st.binary(max_size=600))
def test_random_bytes_give_rows_or_an_error(datagram: bytes) -> None:
    ends_dump(datagram)
    try:
        batches = decoded(decoder(), datagram)
    except ParseError:
        return
    for batch in batches:
        batch.column("state_label")


@given(
    st.lists(
        st.tuples(
            st.integers(0, 255),
            st.integers(0, 255),
            st.lists(st.tuples(st.integers(0, 30), st.binary(max_size=80)), max_size=3),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_attributes_and_codes_give_every_row(
    rows: list[tuple[int, int, list[tuple[int, bytes]]]],
) -> None:
    datagram = b"".join(
        diag.message(state, timer=timer, cookie=n, attributes=tuple(attributes))
        for n, (state, timer, attributes) in enumerate(rows, start=1)
    )
    batches = decoded(decoder(), datagram)
    assert sum(map(len, batches)) == len(rows)
    for batch in batches:
        for name in (*_MAKERS, *_NUMBERS):
            assert len(batch.column(name)) == len(batch)


def test_every_attribute_has_its_own_column() -> None:
    """By numbers of linux/inet_diag.h: 11 v6only, 15 mark, 21 cgroup, 8 shutdown."""
    attributes = (
        (8, b"\3"),
        (11, b"\1"),
        (15, struct.pack("=I", 77)),
        (21, struct.pack("=Q", 99)),
        (4, b"cubic\0"),
        (7, struct.pack("=9I", *range(9))),
    )
    found = decoded(decoder(), diag.message(attributes=attributes))
    assert values(found, "shutdown") == [3]
    assert values(found, "v6only") == [True]
    assert values(found, "mark") == [77]
    assert values(found, "cgroup_id") == [99]
    assert values(found, "congestion") == ["cubic"]
    assert values(found, "memory")[0]["receive_allocated"] == 0
    assert values(found, "memory")[0]["drops"] == 8
    without = decoded(decoder(), diag.message())
    for column in ("shutdown", "v6only", "mark", "cgroup_id", "congestion", "memory"):
        assert values(without, column) == [None]
    empty = decoded(decoder(), diag.message(attributes=((7, b""),)))
    assert values(empty, "memory") == [None]


@pytest.mark.parametrize("alike", [True, False])
def test_fields_of_tcp_info_are_those_of_the_whole(alike: bool) -> None:
    """By a slice where all rows are alike, by rows where they are not."""
    info = struct.pack("=8B56I", *range(8), *range(100, 156))
    rows = diag.message(1, attributes=((2, info),), cookie=1)
    rows += (
        diag.message(1, attributes=((2, info),), cookie=2)
        if alike
        else diag.message(1, cookie=2)
    )
    found = decoded(decoder(), rows)
    expected = [one["rtt"] if one else None for one in values(found, "info")]
    assert values(found, "info.rtt") == expected
    assert expected.count(None) == (not alike)
    assert 115 in expected


def test_an_attribute_that_is_cut_ends_the_row() -> None:
    mark = struct.pack("=I", 5)
    whole = diag.message(attributes=((15, mark), (21, bytes(8))))
    # The second attribute's length says more than there is.
    place = whole.rindex(struct.pack("=HH", 12, 21))
    broken = whole[:place] + struct.pack("=HH", 999, 21) + whole[place + 4 :]
    found = decoded(decoder(), broken)
    assert values(found, "mark") == [5]
    assert values(found, "cgroup_id") == [None]
    short = whole[:place] + struct.pack("=HH", 3, 21) + whole[place + 4 :]
    assert values(decoded(decoder(), short), "cgroup_id") == [None]


@pytest.mark.parametrize("place", range(4))
def test_rows_with_different_headers_are_no_table(place: int) -> None:
    """A reply to another request in the middle of one length is not taken for ours."""
    others = ({"sequence": 2}, {"port_id": 78}, {"kind": 99}, {"sequence": 9})[place]
    rows = b"".join(diag.message(cookie=n) for n in range(1, 4))
    rows += diag.message(cookie=99, **others)  # type: ignore[arg-type]
    rows += b"".join(diag.message(cookie=n) for n in range(4, 7))
    assert values(decoded(decoder(), rows), "cookie") == [1, 2, 3, 4, 5, 6]


def test_rows_without_tcp_info_have_no_field_of_it() -> None:
    rows = diag.message(cookie=1) + diag.message(cookie=2)
    assert values(decoded(decoder(), rows), "info.rtt") == [None, None]
    assert values(decoded(decoder(), rows), "info") == [None, None]
    short = struct.pack("=8B", *range(8))
    rows = diag.message(attributes=((2, short),))
    assert values(decoded(decoder(), rows), "info.rtt") == [None]


def test_attributes_may_come_in_any_order() -> None:
    info, mark = (
        struct.pack("=8B56I", *range(8), *range(100, 156)),
        struct.pack("=I", 9),
    )
    one = diag.message(attributes=((2, info), (15, mark)), cookie=1)
    other = diag.message(attributes=((15, mark), (2, info)), cookie=2)
    assert len(one) == len(other)
    found = decoded(decoder(), one + other)
    assert values(found, "mark") == [9, 9]
    assert values(found, "info.rtt") == [115, 115]
    assert [each["rtt"] for each in values(found, "info")] == [115, 115]
