"""Plain text and tables say the same, a socket a line, and cut no address."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fakes.batches import FixedNames, batch
from tcpstates.columns.registry import choose_columns
from tcpstates.model import Owner
from tcpstates.render.plain import PlainLines, render_plain
from tcpstates.render.table import Screen, render_table

ALL = choose_columns(
    timers=True, extended=True, processes=True, info=False, memory=False
)
BASIC = choose_columns(
    timers=False, extended=False, processes=False, info=False, memory=False
)
LONG = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:f10"
NUMERIC = FixedNames()


def filled(one: Any, columns: Any = BASIC, names: Any = NUMERIC) -> list[Any]:
    return [column.cells(one, names) for column in columns]


def plain(*batches: Any, columns: Any = BASIC, names: Any = NUMERIC, **how: Any) -> str:
    head = [filled(one, columns, names) for one in batches]
    return render_plain(head, columns, **how)


def test_a_line_a_socket_with_aligned_columns() -> None:
    text = plain(
        batch({}, {"local_port": 0, "state_label": "TIME_WAIT", "recv_q": 123}),
        batch({"local_address": LONG}, family="ipv6"),
    )
    assert text == (
        f"Proto  State        Recv-Q  Send-Q  {'Local address':<45}Remote address\n"
        f"tcp    ESTABLISHED       0       0  {'192.0.2.1:443':<45}198.51.100.7:51234\n"
        f"tcp    TIME_WAIT       123       0  {'192.0.2.1:*':<45}198.51.100.7:51234\n"
        f"tcp    ESTABLISHED       0       0  {f'[{LONG}]:443':<45}[198.51.100.7]:51234\n"
    )


def test_extended_columns() -> None:
    row = {
        "timer": "keepalive",
        "timer_ms": 29996,
        "interface_index": 2,
        "mark": 42,
        "cgroup_id": 5,
    }
    line = plain(batch(row), columns=ALL, header=False)
    assert line.split() == [
        "tcp",
        "ESTABLISHED",
        "0",
        "0",
        "192.0.2.1:443",
        "198.51.100.7:51234",
        "keepalive(30.0s,0)",
        "-",
        "33",
        "4242",
        "eth0",
        "1a2b",
        "0x2a",
        "/system.slice/nginx.service",
        "nginx(pid=70,fd=9)",
    ]


def test_names_where_they_are_wanted() -> None:
    line = plain(batch({}), columns=ALL, names=FixedNames(numeric=False), header=False)
    assert "192.0.2.1:https" in line
    assert "peer.example:51234" in line
    assert "www-data" in line


def test_what_a_source_cannot_tell_is_a_dash() -> None:
    row = dict.fromkeys(("recv_q", "uid", "cookie", "mark", "timer_ms"))
    assert plain(batch(row), columns=ALL, header=False).split()[2] == "-"


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"no_process_reason": "time-wait"}, "(time-wait)"),
        ({"no_process_reason": "hidden"}, "(hidden: user 33)"),
        (
            {"processes": (Owner(1, b"a", 3), Owner(2, b"b c", 4))},
            'a(pid=1,fd=3),"b c"(pid=2,fd=4)',
        ),
        ({"processes": (Owner(1, None, None),)}, "?(pid=1)"),
    ],
)
def test_processes_or_why_there_are_none(row: dict[str, Any], shown: str) -> None:
    if "no_process_reason" in row:
        row = row | {"processes": ()}
    assert plain(batch(row), columns=ALL, header=False).rstrip("\n").endswith(shown)


def test_a_scope_is_shown_only_of_link_local_addresses() -> None:
    rows = [
        {"local_address": "fe80::1", "interface_index": 2},
        {"local_address": "2001:db8::1", "interface_index": 2},
    ]
    text = plain(batch(*rows, family="ipv6"), header=False)
    assert "[fe80::1%eth0]:443" in text
    assert "[2001:db8::1]:443" in text


def test_the_first_rows_leave_room_for_later_ones() -> None:
    head = [filled(batch({}))]
    assert len(PlainLines(head, BASIC).heading) > len(
        PlainLines(head, BASIC, is_all=True).heading
    )


def test_a_cell_wider_than_foreseen_cuts_nothing() -> None:
    lines = PlainLines([filled(batch({}))], BASIC)
    text = lines.text(filled(batch({"local_address": LONG}, family="ipv6")))
    assert f"[{LONG}]:443  [198" in text


NAMES = st.binary(max_size=16)


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=5))
def test_hostile_names_make_no_lines(names: list[tuple[bytes, bytes]]) -> None:
    rows = [
        {"processes": (Owner(1, one, 1), Owner(2, other, 2))} for one, other in names
    ]
    text = plain(batch(*rows), columns=ALL)
    assert text.count("\n") == len(rows) + 1
    assert len(text.splitlines()) == len(rows) + 1
    assert "\x1b" not in text


def table(
    *batches: Any, width: int, columns: Any = ALL, color: bool = False, **how: Any
) -> str:
    cells = [
        [str(cell) for b in batches for cell in column.cells(b, NUMERIC)]
        for column in columns
    ]
    return render_table(columns, cells, Screen(width, color, "utf-8"), **how)


@pytest.mark.parametrize("width", [1, 20, 40, 80, 160, 10_000])
def test_a_table_fits_and_loses_nothing(width: int) -> None:
    rows = [{"local_address": LONG, "interface_index": 2, "mark": 7}, {}]
    text = table(batch(*rows, family="ipv6"), width=width)
    assert all(len(line) <= width for line in text.splitlines())
    folded = "".join(text.split())
    for part in (f"[{LONG}]:443", "nginx(pid=70,fd=9)", "ESTABLISHED", "4242", "eth0"):
        assert part in folded


@pytest.mark.parametrize("width", [80, 160])
def test_addresses_are_never_cut(width: int) -> None:
    text = table(batch({"local_address": LONG}, family="ipv6"), width=width)
    assert f"[{LONG}]:443" in text


def test_wide_keeps_everything_on_one_line() -> None:
    text = table(batch({}, {}), width=40, wide=True, header=False)
    assert text.count("\n") == 2


def test_markup_is_not_interpreted() -> None:
    row = {"processes": (Owner(1, b"[/red][b]:x:", 3),)}
    for width in (30, 200):
        assert "[/red][b]:x:" in "".join(table(batch(row), width=width).split())


def test_colours_follow_the_state() -> None:
    text = table(batch({"state_label": "CLOSE_WAIT"}, {}), width=200, color=True)
    assert "\x1b[1;31mCLOSE_WAIT" in text
    assert "\x1b[32mESTABLISHED" in text
    assert "\x1b" not in table(batch({}), width=200)
    colored = plain(batch({"state_label": "CLOSE_WAIT"}), color=True)
    assert "\x1b[1;31mCLOSE_WAIT\x1b[0m" in colored


def test_a_table_in_ascii_where_there_is_nothing_else() -> None:
    cells = [["x"] for _ in BASIC]
    text = render_table(BASIC, cells, Screen(80, False, "ascii"))
    assert text.isascii()
