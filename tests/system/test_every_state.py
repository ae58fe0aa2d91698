"""Every state of a real kernel, by every source and in every format."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conftest import Lab, run_command
from tcpstates.states import TcpState, names_in_tool

S = TcpState
KINDS = ("ipv4", "ipv6", "mapped", "link-local")
SOURCES = ("netlink", "procfs", "psutil")
Situations = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def situations(states: Lab) -> Situations:
    """Return where the sockets are that every source can tell of."""
    found: Any = states.parts["situations"]
    return {name: place for name, place in found.items() if place["state"] != "BOUND"}


@pytest.fixture(scope="module")
def rows(states: Lab) -> list[dict[str, Any]]:
    """Return the sockets as netlink and JSON have them."""
    return states.sockets("-ta")


def test_there_is_a_socket_in_every_state(situations: Situations) -> None:
    found = {(place["state"], place["kind"]) for place in situations.values()}
    assert found == {(str(s), kind) for s in set(S) - {S.CLOSED} for kind in KINDS}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_tells_every_state(
    states: Lab, situations: Situations, source: str
) -> None:
    found = by_ports(states.sockets("-ta", "--source", source))
    for name, place in situations.items():
        row = found[place["local_port"], place["remote_port"]]
        assert row["state"] == place["state"], name
        assert row["local_address"] == place["local_address"], name
        if place["state"] != S.LISTEN:
            assert row["remote_address"] == place["remote_address"], name
        is_scoped = place["kind"] == "link-local" and source == "netlink"
        assert row["interface"] == ("tun0" if is_scoped else None), name


def by_ports(rows: list[dict[str, Any]]) -> dict[tuple[int, int], dict[str, Any]]:
    """Return sockets by both ports; here no two have the same."""
    return {(row["local_port"], row["remote_port"]): row for row in rows}


def test_bound_sockets_are_netlinks_alone(states: Lab) -> None:
    expected: Any = states.parts["situations"]
    (row,) = states.sockets("bound")
    assert row["local_port"] == expected["bound"]["local_port"]
    assert (row["state"], row["raw_state"]) == (None, "UNCONN")


# What netlink tells beyond the state: the timer, Recv-Q and the reason for no process.
DETAILS = {
    "connecting": ("retransmit", 0, None),
    "half-open": ("retransmit", 0, "half-open"),
    "both open": ("retransmit", 0, None),
    "client": (None, 0, None),
    "keepalive": ("keepalive", 0, None),
    "sending": ("retransmit", 0, None),
    "zero window": ("probe", 0, None),
    "unaccepted": (None, 0, "not accepted"),
    "closing": ("retransmit", 0, None),
    "half closed": (None, 0, None),
    "orphan": ("time-wait", 0, "orphan"),
    "both closed": ("retransmit", 1, None),
    "peer closed": (None, 0, None),
    "unread end": (None, 1, None),
    "unread data": (None, 7, None),
    "last": ("retransmit", 1, None),
    "last words": ("time-wait", 0, "time-wait"),
    "client first": ("time-wait", 0, "time-wait"),
    "server first": ("time-wait", 0, "time-wait"),
}


@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_timers_queues_and_reasons(
    states: Lab, situations: Situations, source: str
) -> None:
    found = by_ports(states.sockets("-tap", "--source", source))
    for kind in KINDS:
        for name, expected in DETAILS.items():
            place = situations[f"{name}, {kind}"]
            row = found[place["local_port"], place["remote_port"]]
            timer = row["timer"] and row["timer"]["kind"]
            told = (timer, row["recv_q"], row["no_process_reason"])
            assert told == expected, f"{name}, {kind}"


def test_tables_in_the_words_of_every_tool(
    states: Lab, rows: list[dict[str, Any]]
) -> None:
    for tool in ("rfc", "ss", "netstat", "windows", "bsd"):
        words = names_in_tool(tool)
        lines = states.tcpstates("-tanHW", "--state-names", tool).stdout.splitlines()
        found = Counter((words_[1], words_[5]) for words_ in map(str.split, lines))
        expected = Counter(
            (words.get(row["state"], row["state"]), endpoint(row)) for row in rows
        )
        assert found == expected


def endpoint(row: dict[str, Any]) -> str:
    """Return a socket's remote endpoint as tables have it."""
    address, port = row["remote_address"], row["remote_port"]
    if ":" in address:
        is_scoped = row["interface"] and address.startswith("fe80:")
        address = f"[{address}%{row['interface']}]" if is_scoped else f"[{address}]"
    return f"{address}:{port or '*'}"


def test_lines_and_cells_have_what_json_has(
    states: Lab, rows: list[dict[str, Any]]
) -> None:
    lines = states.tcpstates("-ta", "--jsonl").stdout.splitlines()
    keys = ("state", "local_port", "remote_address", "remote_port")
    expected = Counter(tuple(str(row[key]) for key in keys) for row in rows)
    objects = map(json.loads, lines)
    assert Counter(tuple(str(o[key]) for key in keys) for o in objects) == expected
    cells = csv.DictReader(states.tcpstates("-ta", "--csv").stdout.splitlines())
    assert Counter(tuple(cell[key] for key in keys) for cell in cells) == expected


def test_counts_are_those_of_the_rows(states: Lab, rows: list[dict[str, Any]]) -> None:
    expected = Counter(str(row["state"]) for row in rows)
    counted = states.tcpstates("-tac", "--by", "state").stdout.splitlines()
    assert {w: int(n) for n, w in map(str.split, counted)} == expected
    assert states.tcpstates("-tac").stdout == f"{len(rows)}\n"
    metrics = states.tcpstates("-ta", "--openmetrics").stdout
    told = {s: f'state="{s}"' for s in expected}
    for state, label in told.items():
        values = (line for line in metrics.splitlines() if label in line)
        assert sum(int(v.rsplit(" ", 1)[1]) for v in values) == expected[state]
    summary = states.tcpstates("-s", "--color", "never").stdout
    for state, number in expected.items():
        (line,) = (x for x in summary.splitlines() if x.split()[:1] == [state])
        assert str(number) in line.split()


def test_each_state_selects_its_own_sockets(
    states: Lab, rows: list[dict[str, Any]]
) -> None:
    for state in S:
        found = states.sockets("-t", f"state {state.lower()}")
        assert Counter(map(endpoint, found)) == Counter(
            endpoint(row) for row in rows if row["state"] == state
        )


def test_explain_counts_each_state(states: Lab, rows: list[dict[str, Any]]) -> None:
    lines = map(str.split, states.tcpstates("explain").stdout.splitlines())
    counted = {w[1]: int(w[0]) for w in lines if w and w[0].isdecimal()}
    expected = Counter(str(row["state"]) for row in rows)
    assert counted == {str(state): expected[str(state)] for state in S}


TOOLS = {
    "ss": ["ss", "-Ont", "-a"],
    "netstat": ["netstat", "-antW"],
    "busybox": ["busybox", "netstat", "-ant"],
    "proc": ["cat", "/proc/net/tcp", "/proc/net/tcp6"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_what_other_tools_print_of_every_state_is_read(
    states: Lab, rows: list[dict[str, Any]], tool: str, tmp_path: Path
) -> None:
    command = TOOLS[tool]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing")
    path = tmp_path / "listing.txt"
    path.write_text(states.run(*command).stdout)
    finished = run_command("-ta", "--json", "--from", str(path))
    assert finished.returncode == 0, finished.stderr
    keys = ("state", "local_address", "local_port", "remote_port")
    found = json.loads(finished.stdout)["sockets"]
    assert Counter(tuple(row[key] for key in keys) for row in found) == Counter(
        tuple(row[key] for key in keys) for row in rows
    )


# Thresholds so low that everything in the laboratory is trouble.
STRICT = """kept=0s pool=0s pool-count=1 many=0s many-count=1 accept-wait=0s
accept-never=0s accept-queue-percent=0 half-open-percent=0 half-open-count=1
syn-retries=1 retransmits=1 zero-window=0s unread=0s idle=0s closing-count=1"""
FOUND = {
    "close-wait": 12,  # an end that was read, an unread one, and unread data
    "fin-wait-2": 4,
    "silent-peer": 8,  # unanswered data, and unanswered probes of a zero window
    "connect": 4,
    "accept-queue": 4,
    "half-open": 8,
    "closing": 12,  # as part of silent-peer, because the same peers are silent
    "idle": 8,
    "unlisted": 12,  # CLOSED in three ways, with the descriptor open
}


def test_the_doctor_tells_every_trouble_from_every_other(states: Lab) -> None:
    limits = [word for limit in STRICT.split() for word in ("--threshold", limit)]
    deadline = time.monotonic() + 20  # some of it is seen only after a second or two
    sockets: Counter[str] = Counter()
    while sockets != FOUND and time.monotonic() < deadline:
        finished = states.tcpstates("doctor", "--json", *limits)
        assert finished.returncode == 1, finished.stderr
        sockets = Counter()
        for finding in json.loads(finished.stdout)["findings"]:
            numbers = finding["numbers"]
            sockets[finding["rule"]] += numbers.get("sockets", numbers.get("waiting"))
            sockets["closing"] += numbers.get("closing", 0)
    assert sockets == FOUND


@pytest.mark.late
def test_time_wait_ends(states: Lab, situations: Situations) -> None:
    waiting = [p for p in situations.values() if p["state"] == S.TIME_WAIT]
    assert len(waiting) == 3 * len(KINDS)
    deadline = time.monotonic() + 70  # TCP_TIMEWAIT_LEN: 60 s, since long before
    while states.sockets("time_wait") and time.monotonic() < deadline:
        time.sleep(0.5)
    assert states.sockets("time_wait") == []
