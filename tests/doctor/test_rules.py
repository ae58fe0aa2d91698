"""What this machine cannot be brought to is told from made-up numbers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from support.fakes.ordinary import KERNEL, MB, context, finding, findings
from tcpstates.ages import probed_ms
from tcpstates.collect.kernel_counts import parse_counters
from tcpstates.collect.settings import count_ports
from tcpstates.collect.sources import SOURCES, missing_from
from tcpstates.doctor.findings import Diagnosis, Finding, Severity
from tcpstates.doctor.thresholds import NAMES, Thresholds, option_name, unit
from tcpstates.model import Owner
from tcpstates.processes import Process
from tcpstates.render.diagnosis import render_brief, render_diagnosis
from tcpstates.render.diagnosis_json import render_diagnosis_json

CLOSE_WAIT = {
    "state_label": "CLOSE_WAIT",
    "info.last_sent_ms": 90_000,
    "info.last_received_ms": 90_000,
    "info.last_ack_ms": 61_000,
    "processes": None,
}
YOUNG = CLOSE_WAIT | {"info.last_ack_ms": 900}


def test_a_host_without_trouble() -> None:
    found, gaps = findings(
        {"state_label": "ESTABLISHED"}, {"state_label": "LISTEN", "remote_port": 0}
    )
    assert (found, gaps) == ([], [])


@pytest.mark.parametrize(
    ("rule", "changes", "severity"),
    [
        ("orphans", {"orphans": 79}, None),
        ("orphans", {"orphans": 80}, Severity.WARNING),
        ("orphans", {"orphans": 100}, Severity.CRITICAL),
        ("time-wait", {"time_wait": 79}, None),
        ("time-wait", {"time_wait": 80}, Severity.WARNING),
        ("time-wait", {"time_wait": 100}, Severity.CRITICAL),
        ("memory", {"memory_bytes": 74 * MB}, None),
        ("memory", {"memory_bytes": 75 * MB}, Severity.WARNING),
        ("memory", {"memory_bytes": 95 * MB}, Severity.CRITICAL),
    ],
)
def test_limits_of_the_host(
    rule: str, changes: dict[str, int], severity: Severity | None
) -> None:
    found, _ = findings(at=context(kernel=KERNEL._replace(**changes)))
    assert [(f.rule, f.severity) for f in found] == (
        [(rule, severity)] if severity else []
    )


def test_what_the_host_does_not_tell_is_said() -> None:
    found, gaps = findings(at=context(kernel=None), descriptors={})
    assert found == []
    assert {gap.rule for gap in gaps} == {
        "time-wait",
        "orphans",
        "descriptors",
        "memory",
    }


def test_a_reached_limit_is_told_by_its_counter() -> None:
    found, _ = findings(grown={"TCPTimeWaitOverflow": 3})
    assert [(f.rule, f.severity) for f in found] == [("time-wait", Severity.CRITICAL)]


def test_dropped_connections_are_told_even_when_the_queue_is_empty_again() -> None:
    counters = {"ListenOverflows": 7, "ListenDrops": 7}
    found, _ = findings(counters=counters, grown={"ListenOverflows": 2})
    (finding,) = found
    assert (finding.rule, finding.size) == ("accept-drops", 2)
    assert "ListenOverflows 7 so far, 2 of them during this run" in finding.evidence


@pytest.mark.parametrize(
    ("rows", "severity"),
    [
        ([CLOSE_WAIT] * 4, Severity.NOTICE),
        ([CLOSE_WAIT] * 5, Severity.WARNING),
        ([YOUNG] * 99, None),
        ([YOUNG | {"info.last_ack_ms": 6000}] * 99, None),
        ([YOUNG | {"info.last_ack_ms": 6000}] * 100, Severity.WARNING),
        ([CLOSE_WAIT | {"info.last_ack_ms": 1_800_000}] * 1, Severity.NOTICE),
        (
            [
                CLOSE_WAIT
                | dict.fromkeys(("info.last_ack_ms", "info.last_received_ms"), 2e6)
            ],
            Severity.WARNING,
        ),
        ([CLOSE_WAIT] * 500, Severity.CRITICAL),
        ([CLOSE_WAIT | {"inode": 0}] * 9, None),
        ([CLOSE_WAIT | {"timer": "probe", "send_q": 9}] * 9, None),
    ],
)
def test_a_leak_is_told_from_a_pool(
    rows: list[dict[str, Any]], severity: Severity | None
) -> None:
    limit = Process(pid=70, name=b"x", descriptors_limit=1000)
    found, _ = findings(*rows, process=lambda pid: limit)
    grades = [f.severity for f in found if f.rule == "close-wait"]
    assert grades == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("established", "port", "severity"),
    [
        (100, 50_000, Severity.WARNING),
        (101, 50_000, Severity.NOTICE),
        (20, 443, Severity.NOTICE),  # a client's connection, of a server
    ],
)
def test_one_lost_peer_of_very_many_is_only_noted(
    established: int, port: int, severity: Severity
) -> None:
    lost: dict[str, Any] = {"state_label": "ESTABLISHED", "local_port": port}
    lost |= {"timer": "retransmit", "retransmits": 5}
    rows = [lost, *({"state_label": "ESTABLISHED"} for _ in range(established - 1))]
    found, _ = findings(*rows)
    assert [(f.rule, f.severity) for f in found] == [("silent-peer", severity)]


def test_sources_that_tell_less() -> None:
    for source in SOURCES:
        missing = missing_from(source)
        rows = [
            {"state_label": word} for word in ("CLOSE_WAIT", "ESTABLISHED", "SYN_SENT")
        ]
        _, gaps = findings(*rows, at=context(missing=frozenset(missing)))
        rules = {gap.rule for gap in gaps}
        assert ("close-wait" in rules) == (source != "netlink")
        assert ("connect" in rules) == (source in ("iphlpapi", "psutil", "netstat"))


def test_a_process_that_ends_meanwhile_is_no_reason_to_fail() -> None:
    gone: dict[str, Any] = {
        "descriptors": {70: (900, 800)},
        "process": lambda pid: Process(pid=pid),
    }
    found, _ = findings(**gone)
    assert [(f.rule, f.size) for f in found] == [("descriptors", 900)]


def test_processes_of_other_namespaces_are_none_of_ours() -> None:
    found, _ = findings(descriptors={70: (900, 800)}, is_here=lambda pid: False)
    assert found == []


@pytest.mark.parametrize("source", [*SOURCES, "file"])
def test_thresholds_of_zero_find_all_and_break_nothing(source: str) -> None:
    nothing = Thresholds(**dict.fromkeys(NAMES.values(), 0))
    rows = [
        {"state_label": word, "recv_q": 1} for word in ("CLOSE_WAIT", "ESTABLISHED")
    ]
    missing = frozenset(missing_from(source) if source in SOURCES else ())
    found, _ = findings(*rows, at=context(thresholds=nothing, missing=missing))
    assert "".join(render_diagnosis(diagnosis(*found), width=80, color=False))
    assert "closing" not in {each.rule for each in found}


def test_cookies_for_one_port_accuse_no_other() -> None:
    rows = [
        {"state_label": "SYN_RECEIVED", "local_port": 81, "inode": 0},
        {"state_label": "LISTEN", "local_port": 81, "send_q": 100},
    ]
    found, _ = findings(*rows, grown={"SyncookiesSent": 9})
    assert found == []


def test_each_holder_has_times_of_its_own() -> None:
    quiet = {"state_label": "ESTABLISHED", "info.last_ack_ms": 9}
    rows = [
        quiet
        | {
            "inode": inode,
            "info.last_sent_ms": hours * 3_600_000,
            "info.last_received_ms": hours * 3_600_000,
            "processes": (Owner(inode, b"p", 1),),
        }
        for inode, hours in ((1, 3), (2, 22))
    ]
    found, _ = findings(*rows)
    told = {f.processes[0].pid: f.numbers["longest_ms"] for f in found}
    assert told == {1: 3 * 3_600_000, 2: 22 * 3_600_000}


def test_probes_tell_for_how_long_a_window_is_zero() -> None:
    assert probed_ms({"rto": 204_000, "backoff": 0}) == 0
    assert probed_ms({"rto": 204_000, "backoff": 3}) == 204 + 408 + 816
    assert probed_ms({"rto": 1_000, "backoff": 1}) == 200
    assert probed_ms({"rto": 100_000_000, "backoff": 2}) == 100_000 + 120_000
    assert probed_ms({}) == 0


def diagnosis(*found: Finding) -> Diagnosis:
    counted = {"ESTABLISHED": 3, "TIME_WAIT": 1500}
    return Diagnosis(
        findings=found,
        not_examined=(),
        source="netlink",
        taken_at=0.0,
        seconds=0.5,
        filter=None,
        limitations=(),
        counted=counted,
        processes=4,
    )


def test_names_are_harmless_and_lines_fit() -> None:
    process = Process(
        pid=7,
        name=b"a\x1b[2J",
        user="bob",
        started_at=0.0,
        command=(b"/bin/\xff", b"x" * 500),
        descriptors=9,
        descriptors_limit=None,
    )
    peer = finding(processes=(process,))
    text = ""
    for width in (40, 80, 200):
        text = "".join(render_diagnosis(diagnosis(peer), width=width, color=False))
        assert "\x1b" not in text
        assert max(map(len, text.splitlines())) <= width
    assert '"a\\x1b[2J"' in text
    assert "\\xff" in text
    assert "1,500 in TIME_WAIT are normal" in text


def test_a_report_higher_than_the_terminal_ends_with_its_verdicts() -> None:
    both = diagnosis(
        finding(severity=Severity.CRITICAL, verdict="worst"), finding(verdict="least")
    )
    report = "".join(render_diagnosis(both, width=80, color=False))
    rows = report.count("\n")
    ending = "\nNOTICE   least\nCRITICAL worst\n"
    for height, is_repeated in ((rows + 1, False), (rows, True), (None, False)):
        text = "".join(render_diagnosis(both, width=80, color=False, height=height))
        assert text.startswith(report)
        assert text[len(report) :] == (ending if is_repeated else "")
    one = diagnosis(finding())
    alone = "".join(render_diagnosis(one, width=80, color=False))
    assert "".join(render_diagnosis(one, width=80, color=False, height=1)) == alone
    brief = "".join(render_brief(both, width=80, color=False, is_terminal=True))
    assert brief.endswith(ending.removeprefix("\n"))
    piped = "".join(render_brief(both, width=80, color=False))
    assert piped.startswith("CRITICAL worst\nNOTICE   least\n")
    assert "means" not in brief
    assert "examined" in brief


def test_many_findings_are_one_line_each_in_the_end() -> None:
    many = [finding(size=size) for size in range(20)]
    text = "".join(render_diagnosis(diagnosis(*many), width=80, color=False))
    assert text.count("NOTICE ") == 20
    assert text.count("\nunless ") == 8


def test_json_is_ascii_and_whole() -> None:
    process = Process(
        pid=7,
        name=b"\xff",
        user=None,
        started_at=1.5,
        command=(b"\xff",),
        descriptors=None,
        descriptors_limit=None,
    )
    text = render_diagnosis_json(diagnosis(finding(processes=(process,))))
    assert text.isascii()
    assert '"name_raw": "ff"' in text
    assert '"started_at": "1970-01-01T00:00:01.500Z"' in text


def test_counters_are_read_by_name() -> None:
    text = "Tcp: A B\nTcp: 1 -2\nIp: A\nIp: 9\nTcpExt: C D\nTcpExt: 3\n"
    assert parse_counters(text, ("Tcp", "TcpExt")) == {"A": 1, "B": -2, "C": 3}
    assert parse_counters("Tcp: A\n", ("Tcp",)) == {}


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 0), ("8080", 0), ("40000-40009", 10), ("39000-40009,60999-61010,x", 11)],
)
def test_reserved_ports_are_those_in_the_range(text: str, number: int) -> None:
    assert count_ports(text, 40_000, 60_999) == number


def test_thresholds_have_names_and_units() -> None:
    assert set(NAMES.values()) == {field.name for field in fields(Thresholds)}
    assert (option_name("kept_ms"), unit("kept_ms")) == ("kept", "ms")
    assert (option_name("ports_percent"), unit("ports_percent")) == (
        "ports-percent",
        "percent",
    )
    assert unit("retransmits") == ""


Row = dict[str, Any]
FULL: Row = {
    "state_label": "LISTEN",
    "local_address": "10.0.0.1",
    "local_port": 443,
    "remote_address": "0.0.0.0",
    "remote_port": 0,
    "recv_q": 17,
    "send_q": 16,
}
ROOM = FULL | {"recv_q": 3}
CLIENT: Row = {
    "state_label": "ESTABLISHED",
    "local_address": "10.0.0.1",
    "local_port": 45_000,
    "remote_address": "10.0.0.1",
    "remote_port": 443,
    "timer": "retransmit",
    "retransmits": 7,
    "send_q": 9,
}
CONNECTING = CLIENT | {"state_label": "SYN_SENT", "retransmits": 3}
HALF = FULL | {
    "state_label": "SYN_RECEIVED",
    "remote_address": "10.0.0.9",
    "remote_port": 5555,
    "recv_q": 0,
    "send_q": 0,
    "retransmits": 2,
    "inode": 0,
}


def rules_found(*rows: Row) -> dict[str, Any]:
    found, _ = findings(*rows)
    return {finding.rule: finding for finding in found}


def test_a_full_queue_explains_what_hangs_because_of_it() -> None:
    rows = (FULL, *[CLIENT] * 34, *[CONNECTING] * 41, *[HALF] * 12)
    (finding,) = rules_found(*rows).values()
    assert (finding.rule, finding.severity) == ("accept-queue", Severity.CRITICAL)
    evidence = " ".join(finding.evidence)
    assert "34 in ESTABLISHED" in evidence
    assert "41 in SYN_SENT" in evidence
    assert "12 half-open connections" in evidence
    assert not any("ip route" in command for command in finding.commands)


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_full_queue_of_every_address_explains_only_clients_of_this_host(
    address: str,
) -> None:
    elsewhere = CONNECTING | {"remote_address": "192.0.2.77"}
    rows = (FULL | {"local_address": address}, *[CONNECTING] * 3, *[elsewhere] * 3)
    found = rules_found(*rows)
    assert set(found) == {"accept-queue", "connect"}
    assert found["connect"].subject == "192.0.2.77:443"
    assert "3 in SYN_SENT" in " ".join(found["accept-queue"].evidence)


def test_a_queue_with_room_explains_nothing() -> None:
    found = rules_found(ROOM, *[CLIENT] * 34, *[CONNECTING] * 41, *[HALF] * 12)
    assert set(found) == {"silent-peer", "connect", "half-open"}
    for name in ("silent-peer", "connect"):
        commands = " ".join(found[name].commands)
        assert "ip route get" not in commands  # the peer is on this host
    assert "path is broken" not in found["silent-peer"].means


def test_a_full_wildcard_is_not_blamed_for_a_listener_of_its_own() -> None:
    """The kernel gives connections to the listener on the address itself."""
    wildcard = FULL | {"local_address": "0.0.0.0"}
    found = rules_found(wildcard, ROOM, *[CONNECTING] * 9, *[HALF] * 20)
    assert set(found) == {"connect", "half-open"}
    found = rules_found(FULL, wildcard, *[CONNECTING] * 9)
    assert found["accept-queue"].subject == "10.0.0.1:443"


def test_a_queue_at_its_limit_has_room_for_one_more() -> None:
    found = rules_found(FULL | {"recv_q": 16}, *[CONNECTING] * 9)
    assert set(found) == {"connect"}


def test_closing_sockets_are_counted_once_for_several_processes() -> None:
    away = CLIENT | {"remote_address": "192.0.2.77"}
    closing = away | {"state_label": "FIN_WAIT_1", "inode": 0, "retransmits": 5}
    rows = [away | {"processes": (Owner(pid, b"nginx", 8),)} for pid in (70, 71)] * 9
    found, _ = findings(*rows, *[closing] * 40)
    assert [f.rule for f in found] == ["silent-peer", "silent-peer"]
    assert sorted(f.numbers["closing"] or 0 for f in found) == [0, 40]


def test_closing_sockets_to_a_full_queue_are_not_lost() -> None:
    closing = CLIENT | {"state_label": "FIN_WAIT_1", "inode": 0, "retransmits": 5}
    found = rules_found(FULL, *[CLIENT] * 9, *[closing] * 6)
    assert set(found) == {"accept-queue", "closing"}


@pytest.mark.parametrize(
    ("acked", "local_port", "means"),
    [
        (1, 45_000, "A full accept queue"),
        (45, 45_000, "path is broken"),
        (None, 45_000, "path is broken"),
        (1, 443, "path is broken"),  # a server: its SYN is not counted
    ],
)
def test_only_the_syn_was_acknowledged(
    acked: int | None, local_port: int, means: str
) -> None:
    away = CLIENT | {
        "remote_address": "192.0.2.77",
        "local_port": local_port,
        "info.bytes_acked": acked,
    }
    found, _ = findings(*[away] * 9, at=context(listening=frozenset({443})))
    (finding,) = found
    assert finding.rule == "silent-peer"
    assert means in finding.means
    assert "ip route get 192.0.2.77" in finding.commands


READING: Row = CLIENT | {"timer": "off", "retransmits": 0, "recv_q": 12, "inode": 9}


def test_a_stopped_process_is_the_first_finding() -> None:
    workers = (Owner(71, b"nginx", 4), Owner(72, b"nginx", 4), Owner(70, b"nginx", 4))
    rows = (
        FULL | {"processes": workers},
        *[READING | {"processes": (Owner(71, b"nginx", 8),)}] * 3,
        READING | {"processes": (Owner(90, b"idle", 8),)},
        *[CLIENT | {"processes": (Owner(95, b"wrk", 5),)}] * 9,
    )
    found, _ = findings(*rows, is_stopped=lambda pid: pid in (71, 72))
    first = found[0]
    assert (first.rule, first.severity) == ("stopped", Severity.CRITICAL)
    assert first.verdict.startswith("nginx[71] and 1 other process are stopped")
    assert first.evidence == (
        "they have 1 listener and 3 connections with unread data",
        "17 connections waiting to be accepted",
    )
    assert first.commands == ("kill -CONT 71", "kill -CONT 72")
    assert first.numbers == {
        "processes": 2,
        "listeners": 1,
        "unread": 3,
        "waiting": 17,
    }


def test_only_those_that_are_waited_for_are_examined() -> None:
    asked: list[int] = []

    def is_stopped(pid: int) -> bool:
        asked.append(pid)
        return True

    quiet = CLIENT | {"timer": "off", "retransmits": 0}
    found, _ = findings(*[quiet] * 5, is_stopped=is_stopped)
    assert (found, asked) == ([], [])


def test_a_filter_does_not_hide_that_descriptors_run_out() -> None:
    """Those of the processes that own what it selects; others are not its business."""
    selected = READING | {"recv_q": 0, "processes": (Owner(70, b"uvicorn", 8),)}
    known = {70: (900, 800), 71: (990, 980)}
    found, _ = findings(selected, at=context(is_filtered=True), descriptors=known)
    assert [(f.rule, f.subject, f.size) for f in found] == [
        ("descriptors", '"ngin\\x1bx"[70]', 900)
    ]
    other = READING | {"recv_q": 0, "processes": (Owner(75, b"quiet", 8),)}
    assert findings(other, at=context(is_filtered=True), descriptors=known)[0] == []


def test_drops_are_not_held_against_a_queue_with_room() -> None:
    """The counters are those of the namespace: some other queue has overflowed."""
    waiting = READING | {"local_port": 443, "inode": 0, "recv_q": 5}
    waiting |= dict.fromkeys(
        ("info.last_sent_ms", "info.last_received_ms", "info.last_ack_ms"), 90_000
    )
    drops = {"ListenOverflows": 9}
    grown: dict[str, Any] = {"counters": drops, "grown": drops}
    found, _ = findings(ROOM, *[waiting] * 3, **grown)
    by_rule = {finding.rule: finding for finding in found}
    assert set(by_rule) == {"accept-queue", "accept-drops"}
    assert "ListenOverflows" not in " ".join(by_rule["accept-queue"].evidence)
    assert by_rule["accept-drops"].size == 9
    found, _ = findings(FULL, *[waiting] * 17, **grown)
    (finding,) = found
    assert "ListenOverflows 9 so far" in " ".join(finding.evidence)
