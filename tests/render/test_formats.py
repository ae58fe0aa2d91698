"""Formats for programs: what they hold comes back whole, whatever names hold."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from support.fakes.batches import FixedNames, batch
from tcpstates.batch import Batch
from tcpstates.columns import sorting
from tcpstates.columns.registry import (
    BASIC,
    COLUMNS,
    FAMILY,
    LOCAL_PORT,
    PROCESS,
    PROTOCOL,
    STATE,
    UID,
    USER,
    change_columns,
    choose_columns,
    find_columns,
)
from tcpstates.columns.sorting import Arrangement, find_sort_keys
from tcpstates.columns.tally import BY_STATE, Tally, count_by, state_rows
from tcpstates.errors import ColumnError
from tcpstates.fields import ColumnName
from tcpstates.model import KernelCounts, Names, Owner, Request
from tcpstates.render.csv_ import (
    csv_heading,
    csv_lines,
    render_tally_csv,
    row_maker,
)
from tcpstates.render.openmetrics import MOST_SERIES, render_openmetrics
from tcpstates.render.tally_text import render_group_numbers, render_groups_plain
from tcpstates.text import sanitise

NAMES = FixedNames()
MACHINE = choose_columns(
    timers=True,
    extended=True,
    processes=True,
    info=True,
    memory=True,
    machine=True,
)
HOSTILE = ["=cmd|'/c calc'!A0", "+1", "-1", "@x", "\t=1", "\r=1", "a\nb", '"', ",", "'"]


def named(name: bytes, **more: Any) -> dict[str, Any]:
    return {"processes": (Owner(7, name, 3),), **more}


def read_csv(*rows: dict[str, Any]) -> list[dict[str, str]]:
    portion = row_maker(MACHINE, NAMES)(batch(*rows))
    text = csv_heading(MACHINE) + csv_lines(portion)
    return list(csv.DictReader(StringIO(text, newline="")))


def test_csv_has_every_field_of_its_own() -> None:
    (row,) = read_csv({"timer": "probe", "timer_ms": 20, "retransmits": 2})
    assert list(row) == [column.key.replace("-", "_") for column in MACHINE]
    assert (row["local_address"], row["local_port"]) == ("192.0.2.1", "443")
    assert (row["timer_kind"], row["timer_ms"], row["retrans"]) == ("probe", "20", "2")
    assert (row["process"], row["pid"]) == ("nginx(pid=70,fd=9)", "70")
    assert row["info"] == ""  # nobody can tell


@pytest.mark.parametrize("name", HOSTILE)
def test_no_cell_is_a_formula(name: str) -> None:
    class Strange(FixedNames):
        def user(self, uid: int) -> str | None:
            return name

    portion = row_maker(MACHINE, Strange(numeric=False))(batch(named(name.encode())))
    (cells,) = csv.reader(StringIO(csv_lines(portion), newline=""))
    assert len(cells) == len(MACHINE)
    shown = sanitise(name)
    expected = f"'{shown}" if shown[:1] in ("=", "+", "-", "@") else shown
    assert cells[MACHINE.index(USER)] == expected
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


@given(st.lists(st.binary(max_size=16), min_size=1, max_size=4))
def test_one_record_a_socket_whatever_its_name(names: list[bytes]) -> None:
    assert len(read_csv(*map(named, names))) == len(names)


def tally(*rows: dict[str, Any], by: Any = (PROCESS, STATE)) -> Tally:
    return count_by([batch(*rows)], by, NAMES)


def test_a_socket_is_in_one_group_whoever_holds_it() -> None:
    two = (Owner(1, b"master", 3), Owner(2, b"worker", 3), Owner(3, b"worker", 3))
    gone = {
        "processes": (),
        "no_process_reason": "time-wait",
        "state_label": "TIME_WAIT",
    }
    found = tally({"processes": two}, gone, {}, {})
    assert found.total == 4
    assert found.groups(None)[0] == [
        (("nginx", "ESTABLISHED"), 2),
        (("(time-wait)", "TIME_WAIT"), 1),
        (("master,worker", "ESTABLISHED"), 1),
    ]
    assert found.groups(1) == ([(("nginx", "ESTABLISHED"), 2)], 2, 2)


def test_a_name_cannot_pass_for_a_reason() -> None:
    gone = {"processes": (), "no_process_reason": "orphan"}
    found = tally(gone, named(b"(orphan)"), named(b"a,b"), by=(PROCESS,))
    assert set(found.counts) == {("(orphan)",), ('"(orphan)"',), ('"a,b"',)}


def test_groups_as_text() -> None:
    found = tally({}, {}, {"state_label": "LISTEN"}, {"uid": None}, by=(STATE, UID))
    text = "".join(render_groups_plain(found, 2, header=True))
    assert text == (
        "Count  State           Uid\n"
        "    2  ESTABLISHED     33\n"
        "    1  ESTABLISHED     -\n"
        "    1  (1 more group)\n"
        "    4  total\n"
    )
    lines = "".join(render_group_numbers(found, None))
    assert lines == "2 ESTABLISHED 33\n1 ESTABLISHED -\n1 LISTEN 33\n"


def test_groups_as_csv() -> None:
    found = tally({}, {"state_label": "LISTEN"}, {}, by=(STATE, LOCAL_PORT))
    text = "".join(render_tally_csv(found, None, header=True))
    assert text.splitlines() == [
        "state,local_port,count",
        "ESTABLISHED,443,2",
        "LISTEN,443,1",
    ]


def test_states_that_are_named_have_their_zeros() -> None:
    request = Request(families=frozenset({"ipv4"}))
    found = tally({}, by=(STATE,))
    found.add_zeros(request, ["CLOSE_WAIT", "UNCONN"])
    assert found.counts == {("ESTABLISHED",): 1, ("CLOSE_WAIT",): 0}
    mixed = tally({}, by=(PROCESS, STATE))
    mixed.add_zeros(request, ["CLOSE_WAIT"])
    assert mixed.total == len(mixed.counts) == 1


def metrics(found: Tally, kernel: KernelCounts | None = None) -> dict[str, Any]:
    text = "".join(render_openmetrics(found, kernel, None))
    families = {family.name: family for family in parse_openmetrics(text)}  # type: ignore[no-untyped-call]
    assert families.keys() == {family.name for family in parse_text(text)}
    return families


def test_openmetrics_has_every_state_in_its_order() -> None:
    request = Request(protocols=frozenset({"tcp", "udp"}))
    found = count_by([batch({}, {})], BY_STATE, NAMES)
    found.add_zeros(request, state_rows(request.protocols), in_order=True)
    families = metrics(found, KernelCounts(orphans=3, time_wait_limit=9))
    samples = families["tcpstates_sockets"].samples
    assert len(samples) == 2 * 11 + 2 * 2
    assert [s.labels["state"] for s in samples[:2]] == ["LISTEN", "SYN_SENT"]
    assert sum(sample.value for sample in samples) == 2
    assert families["tcpstates_kernel_orphans"].samples[0].value == 3
    assert "tcpstates_kernel_memory_bytes" not in families


@given(st.lists(st.binary(max_size=16), min_size=1, max_size=5, unique=True))
def test_no_name_forges_a_series(names: list[bytes]) -> None:
    rows = [named(name + b'a"} 1\nfake_metric 9 #\\') for name in names]
    families = metrics(tally(*rows, by=(PROCESS,)))
    assert list(families) == ["tcpstates_sockets"]
    assert sum(s.value for s in families["tcpstates_sockets"].samples) == len(rows)


def test_series_have_a_cap_and_add_up() -> None:
    rows = [{"local_port": port} for port in range(1, MOST_SERIES + 500)]
    samples = metrics(tally(*rows, by=(LOCAL_PORT,)))["tcpstates_sockets"].samples
    assert len(samples) == MOST_SERIES + 1
    assert samples[-1].labels == {"local_port": "(others)"}
    assert sum(sample.value for sample in samples) == len(rows)


def arranged(
    sort: str, limit: int | None, *batches: Any, column: ColumnName = "local_port"
) -> tuple[list[Any], int]:
    keys = find_sort_keys(sort) if sort else ()
    arrangement = Arrangement(keys, limit)
    portions = arrangement.rows(batches, NAMES, lambda one: list(one.column(column)))
    return [value for portion in portions for value in portion], arrangement.left_out


def ports(*numbers: int, **more: Any) -> Any:
    return batch(*({"local_port": number} for number in numbers), **more)


def test_rows_in_order_across_batches() -> None:
    batches = ports(5, 30, 1), ports(4, family="ipv6"), ports(2, 200)
    assert arranged("local-port", None, *batches) == ([1, 2, 4, 5, 30, 200], 0)
    assert arranged("-local-port", 2, *batches) == ([200, 30], 4)
    assert arranged("", 4, *batches) == ([5, 30, 1, 4], 2)
    assert arranged("", 0, *batches) == ([], 6)
    assert arranged("", None, *batches) == ([5, 30, 1, 4, 2, 200], 0)


@pytest.mark.parametrize("sort", ["recv-q", "-recv-q", "state,-recv-q", "-local-port"])
@pytest.mark.parametrize("limit", [0, 1, 7, 5000])
def test_a_limit_keeps_few_rows_and_the_order_of_sorting(
    sort: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows as sorting everything would give, rows that are equal included."""
    monkeypatch.setattr(sorting, "_AT_ONCE", 40)
    order = random.Random(limit)
    states = ("LISTEN", "CLOSED")
    rows = [
        {
            "recv_q": order.choice((None, 0, 0, 5, order.randrange(99))),
            "local_port": number,
            "state_label": order.choice(states),
        }
        for number in range(900)
    ]
    batches = [batch(*rows[start : start + 30]) for start in range(0, 900, 30)]
    held: list[int] = []
    order_of = Arrangement._order

    def counted(self: Arrangement, some: Sequence[Batch], names: Names) -> list[int]:
        held.append(sum(map(len, some)))
        return order_of(self, some, names)

    every, _ = arranged(sort, None, *batches)
    monkeypatch.setattr(Arrangement, "_order", counted)
    assert arranged(sort, limit, *batches) == (every[:limit], max(0, 900 - limit))
    assert max(held) <= max(2 * limit + 40 + 30, 30)


def test_sorting_by_several_columns_and_what_is_unknown() -> None:
    rows = [("LISTEN", 2), ("LISTEN", None), ("CLOSED", 1), ("LISTEN", 9)]
    one = batch(*({"state_label": word, "recv_q": queue} for word, queue in rows))
    assert arranged("state,-recv-q", None, one, column="recv_q")[0] == [1, 9, 2, None]
    assert arranged("recv-q", None, one, column="recv_q")[0] == [1, 2, 9, None]


def test_addresses_and_pids_are_sorted_as_numbers() -> None:
    v4 = batch({"local_address": "10.0.0.10"}, {"local_address": "10.0.0.9"})
    v6 = batch({"local_address": "2001:db8::1"}, family="ipv6")
    found, _ = arranged("local", None, v6, v4, column="local_address")
    assert found == ["10.0.0.9", "10.0.0.10", "2001:db8::1"]
    rows = [{"processes": (Owner(pid, b"x", 1),)} for pid in (100, 20)]
    found, _ = arranged("pid", None, batch(*rows), column="processes")
    assert [owners[0].pid for owners in found] == [20, 100]


@pytest.mark.parametrize("key", COLUMNS)
def test_every_column_can_be_shown_sorted_and_counted(key: str) -> None:
    bare = batch(
        {}, {"state_label": "LISTEN", "processes": (), "no_process_reason": "orphan"}
    )
    column = COLUMNS[key]
    assert len(column.cells(bare, NAMES)) == 2
    assert len(arranged(f"-{key}", None, bare)[0]) == 2
    assert count_by([bare], (column,), NAMES).total == 2


def test_lists_of_columns() -> None:
    assert find_columns("state,FAMILY,local_port") == (STATE, FAMILY, LOCAL_PORT)
    assert change_columns("state", BASIC) == (STATE,)
    assert change_columns("+family,-protocol", (PROTOCOL, STATE)) == (STATE, FAMILY)
    assert change_columns("+state", (PROTOCOL, STATE)) == (PROTOCOL, STATE)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("stat", "unknown column 'stat'; did you mean state or raw-state?"),
        ("", "unknown column ''; available columns: protocol state"),
        ("state,+uid", "cannot combine column names with +NAME and -NAME"),
        ("-state", "no columns left"),
    ],
)
def test_wrong_columns_are_named(words: str, text: str) -> None:
    with pytest.raises(ColumnError, match="column") as caught:
        change_columns(words, (STATE,))
    assert text in str(caught.value)
