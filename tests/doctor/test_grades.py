"""The nearest situations in which a cause, or an alarm, would be false."""

from __future__ import annotations

from typing import Any

import pytest

from support.fakes.batches import batch
from support.fakes.ordinary import context, facts, findings
from tcpstates.doctor.acceptors import find_acceptors
from tcpstates.doctor.examiner import Examiner
from tcpstates.doctor.facts import FlaggedSocket
from tcpstates.doctor.findings import Severity
from tcpstates.model import Owner
from tcpstates.processes import Process
from tcpstates.settings import KernelSettings

Row = dict[str, Any]
TIMES = ("info.last_sent_ms", "info.last_received_ms", "info.last_ack_ms")


def row(label: str, times: tuple[int, int, int], **changes: Any) -> Row:
    known = {"state_label": label, "processes": None, "local_port": 45_000}
    return known | dict(zip(TIMES, times, strict=True)) | changes


UNAWARE = row("CLOSE_WAIT", (90_000, 90_000, 61_000), recv_q=1)


@pytest.mark.parametrize(
    ("changes", "number", "severity"),
    [
        ({}, 50, Severity.NOTICE),
        ({}, 51, Severity.WARNING),  # more than a pool has
        ({"recv_q": 1024}, 20, Severity.NOTICE),  # a farewell, unread
        ({"recv_q": 1025}, 20, Severity.WARNING),  # data, unread
        ({"recv_q": 0}, 20, Severity.WARNING),  # it knows, and does not close
        ({"local_port": 443}, 20, Severity.WARNING),  # a server's
        ({"recv_q": None}, 20, Severity.WARNING),
    ],
)
def test_an_idle_pool_is_a_notice(
    changes: Row, number: int, severity: Severity
) -> None:
    (found,) = findings(*[UNAWARE | changes] * number)[0]
    assert (found.rule, found.severity) == ("close-wait", severity)
    assert ("as a pool does" in found.means) == (severity == Severity.NOTICE)


def test_a_pool_for_each_of_several_peers() -> None:
    rows = [UNAWARE | {"remote_port": port} for port in range(3) for _ in range(50)]
    assert findings(*rows)[0][0].severity == Severity.NOTICE


def test_a_leak_over_many_peers_is_no_pool() -> None:
    rows = [UNAWARE | {"remote_port": port} for port in range(201)]
    assert findings(*rows)[0][0].severity == Severity.WARNING
    assert findings(*rows[:200])[0][0].severity == Severity.NOTICE


def test_workers_of_two_servers_of_one_name_are_two_findings() -> None:
    rows = [
        row("ESTABLISHED", (40_000,) * 3, recv_q=9, inode=pid, remote_port=pid)
        for pid in (71, 72, 81, 82)
    ]
    owners: Any = {"owners": lambda inode: (Owner(inode, b"gunicorn", 9),)}
    known: Any = {
        "process": lambda pid: Process(pid=pid, name=b"gunicorn", parent=pid // 10 * 10)
    }
    found, _ = findings(*rows, **owners, **known)
    assert [(f.rule, f.subject, f.size) for f in found] == [
        ("unread", "gunicorn of 70", 2),
        ("unread", "gunicorn of 80", 2),
    ]


def waiting(*rows: Row, **changes: Any) -> list[tuple[int, str]]:
    """Return how many sockets wait for an answer, as the doctor sees it."""
    examiner = Examiner(context(**changes))
    examiner.observe([batch(*rows)])
    if examiner.wants_second_pass():
        examiner.second_pass(batch(*rows))
    owners = {"owners": lambda inode: (Owner(70, b"app", 9),)}
    known: Any = {**owners, "process": lambda pid: Process(pid=pid, name=b"app")}
    found = examiner.find(facts(counted=examiner.counted, **known))[0]
    return [(f.size, f.verdict) for f in found if f.rule == "waiting"]


ASKED = row("ESTABLISHED", (18_488, 18_488, 18_444), remote_port=5432)
ANSWERED = row("ESTABLISHED", (19_748, 19_748, 19_748), remote_port=5432)


def test_requests_without_an_answer() -> None:
    (found,) = waiting(*[ASKED] * 59, ANSWERED)
    assert found == (
        59,
        "app[70] waits for 198.51.100.7:5432 on 59 connections, for up to 18.5s",
    )


@pytest.mark.parametrize(
    "changes",
    [
        dict(zip(TIMES, (19_748, 19_748, 19_748), strict=True)),  # an idle pool
        dict(zip(TIMES, (8_312, 8_312, 2_072), strict=True)),  # keepalive
        dict(zip(TIMES, (18_488, 18_400, 18_444), strict=True)),  # it was answered
        dict(
            zip(TIMES, (18_488, 18_458, 18_458), strict=True)
        ),  # together with the ACK
        dict(zip(TIMES, (60_000, 59_950, 59_950), strict=True)),
        dict(zip(TIMES, (9_000, 9_000, 8_956), strict=True)),  # not for long
        {"local_port": 443},  # a server that has spoken last
        {"send_q": 5},  # not acknowledged: another rule's
        {"info.last_ack_ms": None},
    ],
)
def test_what_does_not_wait(changes: Row) -> None:
    assert waiting(*[ASKED | changes] * 59) == []


def test_few_connections_may_wait_all_day() -> None:
    assert waiting(*[ASKED] * 4) == []
    assert waiting(*[ASKED] * 9, *[ANSWERED] * 10) == []  # subscriptions, long polls
    assert waiting(*[ASKED] * 10, *[ANSWERED] * 10) != []


PROBED = row(
    "ESTABLISHED",
    (200_000, 200_000, 15_000),
    timer="probe",
    timer_ms=900,
    send_q=4096,
    retransmits=0,
)


@pytest.mark.parametrize(
    ("backoff", "severity"), [(7, Severity.NOTICE), (10, Severity.WARNING)]
)
def test_a_slow_reader_is_a_notice_for_two_minutes(
    backoff: int, severity: Severity
) -> None:
    info = {"rto": 204_000, "backoff": backoff, "last_ack_ms": 15_000}
    (found,) = findings(*[PROBED | {"info": info}] * 9)[0]
    assert (found.rule, found.severity) == ("zero-window", severity)


SYN: Row = row("SYN_SENT", (0, 0, 0), retransmits=2, inode=9) | dict.fromkeys(TIMES)


@pytest.mark.parametrize(
    ("linear", "retries", "seconds"),
    [(0, 0, 0), (0, 1, 1), (0, 2, 3), (0, 5, 31), (4, 4, 4), (4, 5, 5), (4, 8, 19)],
)
def test_when_a_syn_is_repeated(linear: int, retries: int, seconds: int) -> None:
    settings = KernelSettings(syn_linear_timeouts=linear)
    assert settings.syn_seconds_after(retries) == seconds
    last = linear + settings.syn_retries + 1
    assert settings.syn_seconds_after(last) == settings.syn_seconds


@pytest.mark.parametrize(
    ("number", "retries", "severity"),
    [
        (1, 2, Severity.NOTICE),
        (4, 4, Severity.NOTICE),
        (5, 2, Severity.WARNING),
        (1, 5, Severity.WARNING),
    ],
)
def test_one_attempt_with_a_timeout_is_a_notice(
    number: int, retries: int, severity: Severity
) -> None:
    (found,) = findings(*[SYN | {"retransmits": retries}] * number)[0]
    assert (found.rule, found.severity) == ("connect", severity)


LOST: Row = row(
    "ESTABLISHED",
    (9_000, 9_000, 9_000),
    local_port=443,
    timer="retransmit",
    retransmits=9,
    send_q=5,
)


@pytest.mark.parametrize(
    ("lost", "port", "severity"),
    [
        (9, 443, Severity.NOTICE),
        (10, 443, Severity.WARNING),
        (1, 45_000, Severity.WARNING),  # a server that this host depends on
    ],
)
def test_some_clients_always_vanish(lost: int, port: int, severity: Severity) -> None:
    rows = [LOST | {"local_port": port}] * lost
    healthy = row("ESTABLISHED", (9_000, 9_000, 9_000), local_port=443)
    found = findings(*rows, *[healthy] * (100 - lost))[0]
    assert [(f.rule, f.severity) for f in found] == [("silent-peer", severity)]


@pytest.mark.parametrize(("failed", "count"), [(4, 0), (5, 1)])
def test_attempts_that_fail(failed: int, count: int) -> None:
    found, _ = findings(grown={"AttemptFails": failed})
    assert [f.rule for f in found] == ["connect-failed"] * count


def datagrams(used: int, *, drops: int = 7, is_watched: bool = False) -> list[Any]:
    examiner = Examiner(context(is_watched=is_watched))
    memory = {"receive_allocated": used, "receive_buffer": 200, "drops": drops}
    examiner.observe_udp([batch({"memory": memory}, {"memory": None}, protocol="udp")])
    owners: Any = {"owners": lambda inode: (Owner(70, b"dns", 9),)}
    known = {"process": lambda pid: Process(pid=pid, name=b"dns")}
    return examiner.find(facts(counted=examiner.counted, **owners, **known))[0]


def test_datagrams_that_are_dropped() -> None:
    (found,) = datagrams(100)
    assert (found.rule, found.size) == ("udp-drops", 7)
    assert found.severity == Severity.NOTICE
    assert datagrams(99) == []  # the drops are old
    assert datagrams(200, drops=0) == []
    (found,) = datagrams(0, is_watched=True)
    assert found.is_provisional  # until it drops more


MASTER = Process(pid=70, name=b"srv", parent=1)
WORKERS = {
    71: Process(pid=71, name=b"srv", parent=70, descriptors=9, descriptors_limit=40),
    72: Process(pid=72, name=b"srv", parent=70, descriptors=40, descriptors_limit=40),
    73: Process(pid=73, name=b"srv", parent=70, is_stopped=True, waits_in="do_nap"),
}


def accept(*held: int, is_examined: bool = True) -> Any:
    """Find who accepts; each pid in `held` owns a connection of the port."""
    known: Any = {
        "owners": lambda inode: (
            tuple(Owner(pid, b"srv", 3) for pid in range(70, 74))
            if inode == 1
            else (Owner(inode, b"srv", 9),)
        ),
        "process": ({70: MASTER} | WORKERS).__getitem__,
    }
    seen = context()

    def flagged(*rows: Row) -> list[FlaggedSocket]:
        return list(seen.sockets(batch(*rows))) if rows else []

    listener = {"state_label": "LISTEN", "inode": 1, "processes": None}
    connections = [row("ESTABLISHED", (1, 1, 1), inode=pid) for pid in held]
    return find_acceptors(
        facts(**known),
        flagged(listener),
        flagged(*connections) if is_examined else None,
    )


def test_workers_are_named_instead_of_their_master() -> None:
    assert accept().owner.pids == (73, 72, 71)  # stopped, without descriptors
    assert accept(71, 71, 72).owner.pids == (72, 71)
    assert accept(71).owner.pids == (71,)
    assert accept(70, 71).owner.pids == (70, 71)  # a master that accepts as well
    assert accept(99).owner.pids == (73, 72, 71)  # a child that took a connection over
    held, exhausted = accept(71, 72).lines()
    assert held.startswith("2 of the 4 processes that have a listener on this port")
    assert exhausted.startswith("srv[72] has all of its 40 descriptors open")


def test_what_was_not_examined_is_not_denied() -> None:
    (line, *_) = accept().lines()
    assert line.endswith("none of them holds a connection of it")
    lines = [*accept(is_examined=False).lines()]
    assert not any("connection" in line for line in lines)


def test_what_was_not_looked_at() -> None:
    _, gaps = findings(elsewhere=lambda: {5: [9, 10], 6: [7]}, unix_listeners=3)
    name = '"ngin\\x1bx"'
    assert [(gap.text, gap.command) for gap in gaps] == [
        ("3 unix listeners", "ss -xl"),
        (
            f"2 other network namespaces ({name}[9], {name}[7])",
            "tcpstates doctor --netns all",
        ),
    ]
    _, gaps = findings(elsewhere=lambda: {n: [n] for n in range(5)})
    assert gaps[0].text.startswith("5 other network namespaces (")
    assert gaps[0].text.endswith(", ...)")
    filtered = context(is_filtered=True)
    _, gaps = findings(at=filtered, elsewhere=lambda: {5: [9]}, unix_listeners=3)
    assert [gap.rule for gap in gaps] == ["host"]
    _, gaps = findings(at=context(kernel=None))
    assert {gap.rule for gap in gaps if gap.is_fixed} == {"orphans", "memory"}
