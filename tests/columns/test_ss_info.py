"""All of tcp_info under the names of ss; what this host cannot show is made here.

That the text equals that of ss on real sockets is tested in tests/like.
"""

from __future__ import annotations

import re
import struct

import pytest

from support.fakes import diag
from tcpstates.batch import Batch
from tcpstates.columns.details import info_texts
from tcpstates.columns.ss_info import ss_info_texts
from tcpstates.parse.inet_diag import DiagDecoder

INFO, VEGAS, CONG, DCTCP, BBR, ULP = 2, 3, 4, 9, 16, 19


def batch_of(*attributes: tuple[int, bytes], state: int = 1) -> Batch:
    decoder = DiagDecoder("tcp", sequence=1)
    decoder.port_id = 77
    decoder.decode(diag.message(state, attributes=attributes))
    (batch,) = decoder.decode(diag.done())
    return batch


def tcp_info(**numbers: int) -> bytes:
    """Return a tcp_info of Linux 6.18 with these words, by offset in bytes."""
    data = bytearray(280)
    struct.pack_into("=I", data, 88, 3)  # tcpi_reordering
    for place, number in numbers.items():
        struct.pack_into("=I", data, int(place.removeprefix("at")), number)
    return bytes(data)


def full(batch: Batch, **asked: bool) -> str:
    options = {"numeric": True, "options": True, "newest": True} | asked
    (text,) = ss_info_texts(batch, **options)
    assert text is not None
    return text


def nested(kind: int, *values: tuple[int, bytes]) -> tuple[int, bytes]:
    packed = b"".join(
        struct.pack("=HH", 4 + len(value), inner) + value + bytes(-len(value) % 4)
        for inner, value in values
    )
    return kind | 0x8000, packed


def upper(*values: tuple[int, bytes]) -> tuple[int, bytes]:
    return nested(ULP, *values)


def test_a_value_that_is_not_set_is_left_out() -> None:
    assert full(batch_of((INFO, tcp_info()), (CONG, b"cubic\0"))) == " cubic"
    assert full(batch_of((INFO, tcp_info(at8=3_000_000)))) == ""  # the first RTO


@pytest.mark.parametrize(
    ("place", "number", "text"),
    [
        (8, 204_000, "rto:204"),
        (24, 5, "unacked:5"),
        (28, 4, "sacked:4"),
        (32, 2, "lost:2"),
        (36, 1, "retrans:1/0"),
        (100, 7, "retrans:0/7"),
        (68, 1500, "rtt:1.5/0"),
        (76, 65_534, "ssthresh:65534"),
        (76, 65_535, ""),
        (88, 300, "reordering:300"),
        (148, 2_000_000_000, "minrtt:2e+06"),
        (148, 0xFFFFFFFF, ""),
        (168, 5_000_000, "busy:5000ms"),
        (192, 3, "delivered:3"),
        (216, 9, "dsack_dups:9"),
        (224, 6, "rcv_ooopack:6"),
    ],
)
def test_each_number_has_the_name_and_unit_of_ss(
    place: int, number: int, text: str
) -> None:
    found = full(batch_of((INFO, tcp_info(**{f"at{place}": number}))))
    assert found.strip() == text


def test_only_the_newest_form_has_what_ss_6_1_does_not_print() -> None:
    batch = batch_of((INFO, tcp_info(at232=500, at236=2)))
    assert full(batch) == " rcv_wnd:500 rehash:2"
    assert full(batch, newest=False) == ""


def test_a_listener_keeps_its_backlog_out_of_sacked() -> None:
    packed = tcp_info(at28=128, at80=10)
    assert full(batch_of((INFO, packed), state=10)) == " cwnd:10"


def test_options_are_named_in_the_order_of_ss() -> None:
    packed = bytearray(tcp_info())
    packed[5], packed[6], packed[7] = 0x7F, 0xA7, 1
    batch = batch_of((INFO, bytes(packed)))
    named = " ts usec_ts sack ecn ecnseen fastopen"
    scales = "wscale:7,10"
    if struct.pack("=H", 1) == b"\0\1":
        scales = "wscale:10,7"
    assert full(batch).startswith(f"{named} {scales}")
    assert full(batch, options=False).startswith(f" {scales}")


def test_bbr() -> None:
    value = struct.pack("=IIIII", 5, 1, 250, 739, 256)
    batch = batch_of((INFO, tcp_info()), (CONG, b"bbr\0"), (BBR, value))
    gains = "pacing_gain:2.88672,cwnd_gain:1"
    assert full(batch) == f" bbr bbr:(bw:34359738408bps,mrtt:0.25,{gains})"
    assert "bw:34.4Gbps" in full(batch, numeric=False)
    assert "bw:34.4Gbit/s" in (info_texts(batch)[0] or "")
    assert batch.column("congestion_info") == [
        {
            "bandwidth": 5 + 2**32,
            "min_rtt": 250,
            "pacing_gain_256ths": 739,
            "window_gain_256ths": 256,
        }
    ]


def test_dctcp() -> None:
    value = struct.pack("=HHIII", 1, 1, 512, 77, 99)
    batch = batch_of((INFO, tcp_info()), (CONG, b"dctcp\0"), (DCTCP, value))
    assert full(batch) == " dctcp dctcp:(ce_state:1,alpha:512,ab_ecn:77,ab_tot:99)"
    batch = batch_of((INFO, tcp_info()), (DCTCP, bytes(16)))
    assert full(batch) == " dctcp:fallback_mode"


def test_vegas_is_told_to_programs() -> None:
    value = struct.pack("=IIII", 1, 4, 900, 800)
    batch = batch_of((INFO, tcp_info()), (VEGAS, value))
    assert batch.column("congestion_info") == [
        {"enabled": 1, "rtt_count": 4, "rtt": 900, "min_rtt": 800}
    ]


@pytest.mark.parametrize("kind", [VEGAS, DCTCP, BBR])
def test_numbers_that_are_cut_off_are_not_shown(kind: int) -> None:
    batch = batch_of((INFO, tcp_info()), (kind, bytes(6)))
    assert batch.column("congestion_info") == [None]
    assert full(batch) == ""


def test_tls_in_the_kernel() -> None:
    inside = nested(
        2,
        (1, b"\4\3" if struct.pack("=H", 1) == b"\1\0" else b"\3\4"),
        (2, struct.pack("=H", 52)),
        (3, struct.pack("=H", 2)),
        (4, struct.pack("=H", 9)),
    )
    batch = batch_of((INFO, tcp_info()), upper((1, b"tls\0"), inside))
    text = " tcp-ulp-tls version: 1.3 cipher: aes-gcm-256 rxconf: unknown(9) txconf: sw"
    assert full(batch) == text
    assert batch.column("ulp") == ["tls"]
    assert info_texts(batch)[0] is not None
    assert re.search(r"tcp-ulp-tls$", info_texts(batch)[0] or "")


def test_mptcp_is_decimal_since_ss_6_5() -> None:
    inside = nested(
        3,
        (1, struct.pack("=I", 0x10)),
        (2, struct.pack("=I", 0xAB)),
        (9, b"\1"),
        (10, b"\2"),
        (4, struct.pack("=Q", 255)),
        (8, struct.pack("=I", 0b011000011)),
    )
    batch = batch_of((INFO, tcp_info()), upper((1, b"mptcp\0"), inside))
    start = " tcp-ulp-mptcp flags:Mmec token:0010(id:1)/00ab(id:2)"
    assert full(batch) == f"{start} seq:255"
    assert full(batch, newest=False) == f"{start} seq:ff"


def test_a_hostile_name_is_escaped() -> None:
    batch = batch_of((INFO, tcp_info()), upper((1, b"\x1b[31m\0")))
    assert "\x1b" not in full(batch)
    assert "\x1b" not in (info_texts(batch)[0] or "")


def test_without_tcp_info_there_is_no_text() -> None:
    batch = batch_of((CONG, b"cubic\0"), state=6)
    (found,) = ss_info_texts(batch, numeric=True, options=True, newest=True)
    assert found is None
