"""Nothing that a stranger wrote reaches a terminal as it is."""

from __future__ import annotations

import unicodedata
from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tcpstates.text import (
    command_line,
    decode_name,
    format_age,
    format_bytes,
    format_ms,
    format_name,
    format_rate,
    mark_part,
    quote_argument,
    sanitise,
    sanitise_all,
    shown_ms,
)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"nginx", "nginx"),
        (b"a(b", '"a(b"'),
        (b") R 1 (", '") R 1 ("'),
        (b"\x1b[31mRED", '"\\x1b[31mRED"'),
        (b"x\x1b]52;c;aGk=\x07", '"x\\x1b]52;c;aGk=\\x07"'),
        (b"a\nLISTEN 9 9", '"a\\nLISTEN 9 9"'),
        (b"\xff\xfe\xc3(", '"\\xff\\xfe\\xc3("'),
        (b"\xc2\x9b31m", '"\\x9b31m"'),
        ("\u202eevil".encode(), '"\\u202eevil"'),
        ("a\u200bb".encode(), '"a\\u200bb"'),
        ("line\u2028end".encode(), '"line\\u2028end"'),
        (b"[/red]", '"[/red]"'),
        (b'a",pid=1)) b', '"a\\",pid=1)) b"'),
        (b"back\\x1b", '"back\\\\x1b"'),
        ("größe".encode(), '"größe"'),
        (b"", '""'),
        (None, "?"),
    ],
)
def test_names(raw: bytes | None, shown: str) -> None:
    assert format_name(raw) == shown


@pytest.mark.parametrize(
    "number", [0x3164, 0x115F, 0x1160, 0xFFA0, 0x2800, 0x034F, 0x180B, 0xFE0F, 0xE0100]
)
def test_what_looks_like_nothing_is_shown(number: int) -> None:
    character = chr(number)
    assert sanitise(f"a{character}b") != f"a{character}b"
    assert character not in sanitise(f"a{character}b")
    assert sanitise_all([f"a{character}b"]) == [sanitise(f"a{character}b")]


def test_marks_do_not_pile_up() -> None:
    assert sanitise("e" + "\u0301" * 500).count("\u0301") == 2


def test_names_are_bounded() -> None:
    assert len(sanitise("a" * 10**6)) < 5000


@given(st.binary(max_size=64))
def test_any_name_is_visible_text_of_one_line(name: bytes) -> None:
    shown = format_name(name)
    assert shown
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in shown)
    shown.encode()  # no lone surrogates


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_different_names_look_different(one: bytes, other: bytes) -> None:
    if one != other:
        assert format_name(one) != format_name(other)


def test_decoding_loses_nothing() -> None:
    raw = bytes(range(256))
    assert decode_name(raw).encode("utf-8", "surrogateescape") == raw


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0ms"),
        (999, "999ms"),
        (1000, "1.0s"),
        (59_940, "59.9s"),
        (59_949, "59.9s"),
        (59_950, "1m00s"),
        (59_999, "1m00s"),
        (60_000, "1m00s"),
        (7_199_000, "1h59m"),
        (90_000_000, "1d01h"),
    ],
)
def test_times(milliseconds: int, shown: str) -> None:
    assert format_ms(milliseconds) == shown


@given(st.lists(st.integers(0, 10**12)))
@example([999, 1000, 1049, 1050, 2150, 59_949, 59_950, 60_499, 60_500])
@example([3_599_499, 3_599_500, 86_399_499, 86_399_500, 90_000_000])
def test_rounded_times_have_the_same_text(times: list[int]) -> None:
    assert list(map(format_ms, shown_ms(times))) == list(map(format_ms, times))


def test_rounded_times_are_few() -> None:
    week = range(0, 7 * 86_400_000, 997)
    assert len(set(shown_ms(week))) < 10_000


@pytest.mark.parametrize(
    ("least", "most", "shown"),
    [
        (0, inf, None),
        (5200, inf, ">=5.2s"),
        (0, 1000, "<=1.0s"),
        (5200, 5290, "5.2s"),
        (10_000, 200_000, "10.0s..3m20s"),
        (7_260_000, 7_279_000, "2h01m"),
    ],
)
def test_ages(least: float, most: float, shown: str | None) -> None:
    assert format_age(least, most) == shown


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        (0, "0bit/s"),
        (1, "8bit/s"),
        (124, "992bit/s"),
        (125, "1Kbit/s"),
        (125_000, "1Mbit/s"),
        (1_250_000_000, "10Gbit/s"),
        (125_000_000_000, "1Tbit/s"),
        (125_125_000, "1Gbit/s"),
        (154_321, "1.23Mbit/s"),
    ],
)
def test_rates(rate: int, shown: str) -> None:
    assert format_rate(rate) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1 << 20, "1 MiB"),
        (2_400_000, "2.29 MiB"),
        (1 << 30, "1 GiB"),
        (5 << 30, "5 GiB"),
        (1 << 40, "1 TiB"),
        (3 << 50, "3072 TiB"),
    ],
)
def test_sizes(number: int, shown: str) -> None:
    assert format_bytes(number) == shown


def test_a_column_is_escaped_as_its_texts_are() -> None:
    plain = ["10.0.0.1", "::1", "a b~"]
    assert sanitise_all(plain) is plain
    assert sanitise_all([]) == []
    for strange in ("\x1b", "\x7f", "\x00", "\n", "\\", "\u202e", "\udcff", "\u00a0"):
        texts = ["a", f"b{strange}"]
        assert sanitise_all(texts) == ["a", sanitise(f"b{strange}")]
        assert strange not in sanitise_all(texts)[1].replace("\\\\", "")


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("", "''"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("a_b@c%d+e,f/g-h", "a_b@c%d+e,f/g-h"),
        ("[::1]:80", "'[::1]:80'"),
        ("a b", "'a b'"),
        ("$(id)", "'$(id)'"),
        ("it's", "'it'\"'\"'s'"),
        ("'", '"\'"'),
        ("a\\", "'a'\"\\\\\""),
        ("=x", "'=x'"),
        ("~", "'~'"),
    ],
)
def test_words_for_a_shell(word: str, quoted: str) -> None:
    assert quote_argument(word) == quoted
    assert command_line("ip route get {} {}", word, 5) == f"ip route get {quoted} 5"


@pytest.mark.parametrize(
    ("text", "span", "width", "shown"),
    [
        ("abc", (1, 2), 10, ("abc", " ^")),
        ("abc", (3, 4), 10, ("abc", "   ^")),
        ("a\tb", (2, 3), 10, ("a\\tb", "   ^")),
        ("0123456789", (0, 3), 6, ("012...", "^^^")),
        ("0123456789", (7, 10), 6, ("...789", "   ^^^")),
        ("0123456789abcdef", (7, 9), 10, ("...6789...", "    ^^")),
        ("0123456789", (0, 10), 4, ("0123", "^^^^")),
    ],
)
def test_a_part_is_marked(
    text: str, span: tuple[int, int], width: int, shown: tuple[str, str]
) -> None:
    assert mark_part(text, span, width)[0][:width] == mark_part(text, span, width)[0]
    assert mark_part(text, span, width) == shown
