"""One look or two, at live sockets and at files; what is asked for, and what is told."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tcpstates
from conftest import Lab
from support.fakes.batches import batch
from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.collect import process_details
from tcpstates.collect.owner_table import OwnerTable
from tcpstates.collect.process_view import is_here, view_listed, view_table
from tcpstates.collect.saved.source import SavedFiles, missing_in
from tcpstates.collect.sources import missing_from
from tcpstates.doctor import examine as examination
from tcpstates.doctor.examine import Thresholds, examine
from tcpstates.doctor.facts import ends_of
from tcpstates.doctor.findings import Diagnosis
from tcpstates.model import Limitation, Owner, OwnersBy, Reading, Request
from tcpstates.processes import Process
from tcpstates.saved_listing import SavedListing

HEADING = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
LEAK = 'CLOSE-WAIT 0 0 10.0.0.1:80 10.0.0.2:{} users:(("nginx",pid=7,fd={})) ino:{} sk:{} cubic cwnd:10 lastsnd:90000 lastrcv:90000 lastack:70000\n'
EVERY = HEADING + "".join(LEAK.format(n, n, n, n) for n in range(1, 8))


def look_at(text: str, folder: Path, *words: str, **how: Any) -> Diagnosis:
    path = folder / "listing"
    path.write_text(text)
    return examine(list(words), source=tcpstates.saved(str(path)), **how)


def test_a_second_look_comes_after_the_pause(tmp_path: Path) -> None:
    pauses: list[float] = []
    found = look_at(EVERY, tmp_path, watch=7.5, sleep=pauses.append)
    assert pauses == [7.5]
    assert [f.trend.change for f in found.findings if f.trend] == ["stays"]
    pauses.clear()
    alone = look_at(EVERY, tmp_path, sleep=pauses.append)
    assert pauses == []
    assert [f.trend for f in alone.findings] == [None]
    assert 0 <= alone.seconds < 60


def test_holders_of_a_listing_keep_their_names(tmp_path: Path) -> None:
    (finding,) = look_at(EVERY, tmp_path).findings
    (process,) = finding.processes
    assert (process.pid, process.name, process.user) == (7, b"nginx", None)
    assert process.descriptors is None
    assert finding.verdict.startswith("nginx[7] leaks sockets: 7 in CLOSE_WAIT")
    assert look_at(EVERY, tmp_path).processes == 0


def test_users_of_a_listing_are_numbers(tmp_path: Path) -> None:
    text = EVERY.replace('users:(("nginx",pid=7,fd=', "uid:33 x:((").replace(
        ")) ino", " ino"
    )
    found = look_at(text, tmp_path)
    assert [f.no_process for f in found.findings] == ["an unknown process"]


def test_families_and_filters_restrict_what_is_looked_at(tmp_path: Path) -> None:
    six = EVERY + LEAK.format(99, 99, 99, 99).replace("10.0.0.1", "[::1]").replace(
        "10.0.0.2", "[::2]"
    )
    assert sum(look_at(six, tmp_path).counted.values()) == 8
    only = look_at(six, tmp_path, families=frozenset({"ipv6"}))
    assert sum(only.counted.values()) == 1
    few = look_at(six, tmp_path, "dport", "=", ":1")
    assert (few.counted, few.filter) == ({"CLOSE_WAIT": 1}, "dport = :1")
    assert look_at(six, tmp_path, "  ").filter is None
    assert "of the host" in " ".join(gap.text for gap in few.not_examined)


def test_thresholds_are_the_callers(tmp_path: Path) -> None:
    assert look_at(EVERY, tmp_path).findings
    patient = Thresholds(kept_ms=80_000, many_ms=80_000)
    assert look_at(EVERY, tmp_path, thresholds=patient).findings == ()


class Told:
    """A source that tells of some columns."""

    name = "file"
    lacks: tuple[Capability, ...] = ()
    owners_by = OwnersBy.ROW
    reads_everything = True

    def __init__(self, *batches: Batch) -> None:
        self._batches = batches

    def read(self, request: Request, limitations: list[Limitation]) -> Any:
        yield from self._batches


NOTHING = {"timer": None, "recv_q": None, "inode": None}


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        ([{}], {"tcp_info", "ages"}),
        ([NOTHING], {"tcp_info", "ages", "timers", "queues", "inode"}),
        ([NOTHING, {}], {"tcp_info", "ages"}),
        ([NOTHING | {"timer": "off"}], {"tcp_info", "ages", "queues", "inode"}),
        ([NOTHING | {"recv_q": 0}], {"tcp_info", "ages", "timers", "inode"}),
        ([NOTHING | {"inode": 0}], {"tcp_info", "ages", "timers", "queues"}),
        ([NOTHING | {"info.last_ack_ms": 0}], {"ages", "timers", "queues", "inode"}),
        ([NOTHING | {"info.last_ack_ms": 0, "timer": "off"}], {"queues", "inode"}),
    ],
)
def test_what_a_listing_does_not_tell(
    rows: list[dict[str, Any]], missing: set[str]
) -> None:
    assert missing_in(Told(*map(batch, rows))) == missing
    assert missing_in(Told(batch(*rows))) == missing
    assert missing <= set(missing_from("psutil"))


def test_places_are_both_ends_without_mapping() -> None:
    one = {"local_address": "::ffff:192.0.2.1", "remote_address": "::ffff:192.0.2.9"}
    assert list(ends_of(batch(one, {}, family="ipv6"))) == [
        ("192.0.2.1", 443, "192.0.2.9", 51234),
        ("192.0.2.1", 443, "198.51.100.7", 51234),
    ]


BOTH_ENDS = HEADING + "".join(
    LEAK.format(n, n, n, n)
    + f'ESTAB 0 0 10.0.0.2:{n} 10.0.0.1:80 users:(("client",pid=9,fd={n})) ino:{100 + n} sk:{n}f\n'
    for n in range(1, 8)
)


HEALTHY = HEADING + (
    'LISTEN 0 128 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=7,fd=3)) ino:1 sk:1\n'
    'ESTAB 5 0 10.0.0.1:80 10.0.0.1:999 users:(("nginx",pid=7,fd=4)) ino:2 sk:2\n'
    'ESTAB 0 0 10.0.0.1:999 10.0.0.1:80 users:(("client",pid=9,fd=4)) ino:3 sk:3\n'
)


def test_the_other_ends_are_found_in_the_same_listing(tmp_path: Path) -> None:
    (finding,) = look_at(BOTH_ENDS, tmp_path).findings
    text = "the peers are on this host: 7 in ESTABLISHED of client[9]"
    assert any(line.startswith(text) for line in finding.evidence), finding.evidence
    elsewhere = BOTH_ENDS.replace("ESTAB 0 0 10.0.0.2", "ESTAB 0 0 10.0.0.3")
    (finding,) = look_at(elsewhere, tmp_path).findings
    assert not any("this host" in line for line in finding.evidence)


def test_live_users_and_owners(lab: Lab) -> None:
    """What the doctor says of a live leak: who, as which user, and how many."""
    import json

    limits = ["--threshold", "kept=0s", "--threshold", "pool-count=1"]
    told = json.loads(lab.tcpstates("doctor", "--json", *limits, "close_wait").stdout)
    (finding,) = told["findings"]
    assert [p["pid"] for p in finding["processes"]] == [lab.parts["main"]]
    assert finding["processes"][0]["user"] is not None
    assert finding["processes"][0]["descriptors"] > 10
    hidden = lab.run(*lab.nobody(), "doctor", "--json", *limits, "close_wait")
    for finding in json.loads(hidden.stdout)["findings"]:
        assert finding["no_process"].startswith("hidden processes of user root")
        assert finding["processes"] == []


def test_a_process_that_is_another_one_by_now_is_not_described(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Process(
        pid=7,
        name=b"other",
        user="root",
        started_at=1.0,
        command=(b"other",),
        descriptors=3,
        descriptors_limit=9,
    )
    monkeypatch.setattr(process_details, "read_process", lambda pid: other)
    table = OwnerTable([5])
    table.usage = {7: (20, 10)}
    monkeypatch.setattr(table, "name", lambda pid: b"holder")
    for is_same in (True, False):
        monkeypatch.setattr(table, "is_same", lambda pid, same=is_same: same)
        expected = (
            replace(other, descriptors=20)
            if is_same
            else Process(pid=7, name=b"holder")
        )
        assert view_table(table).process(7) == expected


def test_both_looks_know_that_there_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    nothing = Diagnosis(
        findings=(),
        not_examined=(),
        source="file",
        taken_at=0.0,
        seconds=0.0,
        filter=None,
        limitations=(),
        counted={},
        processes=0,
    )

    def scan(question: Any, origin: Any, before: Any, ends: Any) -> Diagnosis:
        asked.append(question.is_watched)
        return nothing

    monkeypatch.setattr(examination, "_scan", scan)
    examine(watch=1.0, sleep=lambda seconds: None)
    assert asked == [True, True]
    examine()
    assert asked == [True, True, False]


FULL = HEADING + (
    "LISTEN 129 128 0.0.0.0:80 0.0.0.0:* ino:5 sk:1\n"
    "ESTAB 0 0 10.0.0.1:80 10.0.0.2:99 ino:0 sk:2 cubic cwnd:10 lastsnd:20000"
    " lastrcv:20000 lastack:20000\n"
    "CLOSE-WAIT 1 0 10.0.0.1:80 10.0.0.3:99 ino:0 sk:3 cubic cwnd:10 lastsnd:20000"
    " lastrcv:20000 lastack:20000\n"
)


def test_what_waits_is_seen_although_a_filter_leaves_it_out(tmp_path: Path) -> None:
    (finding,) = look_at(FULL, tmp_path, "listen").findings
    assert finding.rule == "accept-queue"
    expected = "129 connections waiting (limit 128), the longest for 20.0s"
    assert finding.verdict.endswith(expected)
    assert finding.numbers["longest_ms"] == 20_000
    assert (
        "1 of the clients has already ended the stream (CLOSE_WAIT)" in finding.evidence
    )
    assert [peer.name for peer in finding.peers] == ["10.0.0.2", "10.0.0.3"]


@pytest.mark.skipif(os.name != "posix", reason="users of Unix")
def test_users_are_named_where_they_have_names() -> None:
    live = view_table(OwnerTable([]))
    assert [live.user(uid) for uid in (None, 0, 54_321)] == [None, "root", "54321"]
    saved = view_listed([Owner(7, b"nginx", None)])
    assert [saved.user(uid) for uid in (None, 0, 33)] == [None, "0", "33"]
    assert saved.descriptors_limit(1) is None
    assert saved.owners(5) == ()
    assert [saved.process(pid).name for pid in (7, 8)] == [b"nginx", None]


class CountedOrigin(SavedListing):
    """A listing that counts how often it is read."""

    reads = 0

    def read(self, request: Request, limitations: list[Limitation]) -> Reading:
        self.reads += 1
        return super().read(request, limitations)


def test_other_ends_are_looked_for_only_where_they_can_be(tmp_path: Path) -> None:
    """Nothing is wrong with the sockets of HEALTHY, and EVERY has clients elsewhere."""
    reads = []
    for text in (HEALTHY, EVERY, BOTH_ENDS):
        path = tmp_path / "listing"
        path.write_text(text)
        origin = CountedOrigin(SavedFiles((str(path),)), is_held=True)
        examine(source=origin)
        reads.append(origin.reads)
    assert reads == [reads[0], reads[0], reads[0] + 1]


@pytest.mark.parametrize("words", [(), ("listener",), ("not", "listener")])
def test_psutil_is_asked_once_per_scan(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    calls: list[str] = []
    connections = psutil.net_connections

    def counted(kind: str) -> Any:
        calls.append(kind)
        return connections(kind)

    monkeypatch.setattr(psutil, "net_connections", counted)
    examine(words, source="psutil", families="ipv6")
    assert calls == ["tcp"]
    examine(words, source="psutil", watch=0)
    assert calls == ["tcp"] * 3


def test_which_processes_are_in_this_network_namespace(lab: Lab) -> None:
    import os

    assert is_here(os.getpid())
    assert is_here(2**22 + 1)  # it has ended: nothing says otherwise
    if os.geteuid() == 0:
        assert not is_here(lab.parts["main"])
