"""What the doctor says in each situation, literally: text and JSON.

Each situation has what a rule looks at, and no more. The expected texts are in
tests/golden/doctor; `pytest --update-golden` writes them anew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import pytest

from conftest import Golden
from support.fakes.batches import batch
from support.fakes.ordinary import KERNEL, MB, context, facts
from tcpstates.capabilities import Capability
from tcpstates.collect.sources import SOURCES, missing_from
from tcpstates.doctor.examiner import Examiner
from tcpstates.doctor.facts import RuleContext
from tcpstates.doctor.findings import Diagnosis, Severity
from tcpstates.doctor.thresholds import NAMES, Thresholds
from tcpstates.doctor.trends import compare
from tcpstates.model import Limitation, Owner
from tcpstates.processes import Process
from tcpstates.render.diagnosis import render_diagnosis
from tcpstates.render.diagnosis_json import render_diagnosis_json
from tcpstates.saved_listing import SavedListing
from tcpstates.settings import KernelSettings

TOLD = KernelSettings(is_known=True, first_port=40_000, last_port=40_099)
PROCESSES = {
    70: Process(
        pid=70,
        name=b"nginx",
        user="www-data",
        started_at=None,
        command=(b"nginx: worker", b"-g"),
        descriptors=20,
        descriptors_limit=1000,
        is_stopped=False,
    ),
    71: Process(
        pid=71,
        name=b"nginx",
        user="www-data",
        started_at=None,
        command=None,
        descriptors=None,
        descriptors_limit=None,
        is_stopped=False,
    ),
    72: Process(
        pid=72,
        name=b"my app\x1b",
        user="alice",
        started_at=None,
        command=(b"/bin/\xff",),
        descriptors=900,
        descriptors_limit=1000,
        is_stopped=True,
    ),
}
OWNED = {
    10: (Owner(70, b"nginx", 3),),
    11: (Owner(71, b"nginx", 3),),
    12: (Owner(72, b"my app\x1b", 4),),
    13: (Owner(70, b"nginx", 5), Owner(71, b"nginx", 5)),
}
TIMES = ("info.last_sent_ms", "info.last_received_ms", "info.last_ack_ms")


class Situation(NamedTuple):
    """Sockets, and how host and case differ from ordinary ones."""

    rows: tuple[dict[str, Any], ...] = ()
    context: dict[str, Any] = {}  # noqa: RUF012
    facts: dict[str, Any] = {}  # noqa: RUF012
    unheld: tuple[dict[str, Any], ...] = ()


def times(sent: int, received: int, ack: int) -> dict[str, int]:
    return dict(zip(TIMES, (sent, received, ack), strict=True))


def socket(word: str, inode: int = 10, **changes: Any) -> dict[str, Any]:
    ordinary = {"state_label": word, "state": word, "inode": inode, "processes": None}
    return ordinary | times(90_000, 90_000, 70_000) | changes


def many(
    number: int, word: str, inode: int = 10, **changes: Any
) -> tuple[dict[str, Any], ...]:
    return tuple(
        socket(word, inode, remote_port=50_000 + n, **changes) for n in range(number)
    )


CLOSE_WAIT = many(6, "CLOSE_WAIT")
RETRYING: dict[str, Any] = {"timer": "retransmit", "timer_ms": 900, "send_q": 2048}
PROBING: dict[str, Any] = {"timer": "probe", "timer_ms": 900, "send_q": 4096}
# The interval of probes is 26 s. The last one was answered; it was not, for 40 s.
ANSWERED: dict[str, Any] = {"rto": 204_000, "backoff": 7, "last_ack_ms": 15_000}
OVERDUE: dict[str, Any] = ANSWERED | {"last_ack_ms": 40_000}
FROM_HERE = {"local_port": 45_000}
PORTS = tuple(
    socket("ESTABLISHED", local_port=40_000 + n, remote_port=5432) for n in range(60)
)
WAITING = tuple(
    socket("TIME_WAIT", 0, local_port=40_000 + n, remote_port=5432, local_address="127.0.0.1",
           remote_address="127.0.0.1") for n in range(85)
)  # fmt: skip
QUEUE = socket(
    "LISTEN", recv_q=129, send_q=128, remote_port=0, remote_address="0.0.0.0"
)
SATURATED = (QUEUE, *many(5, "ESTABLISHED", 0, **times(9_000, 9_000, 9_000)))
HALF_OPEN = tuple(
    socket("SYN_RECEIVED", 0, remote_address=f"203.0.113.{n % 200}", retransmits=1)
    for n in range(90)
)
SAVED = frozenset({Capability.HOST_LIMITS, Capability.BACKLOG_LIMIT})
NOTHING = Thresholds(**dict.fromkeys(NAMES.values(), 0))

SITUATIONS: dict[str, Situation] = {
    "healthy": Situation((socket("ESTABLISHED"), socket("LISTEN", remote_port=0))),
    "healthy-many-time-wait": Situation(many(1001, "TIME_WAIT", 0)),
    "leak": Situation(CLOSE_WAIT),
    "leak-told-settings": Situation(CLOSE_WAIT, {"settings": TOLD}),
    "leak-critical": Situation(many(500, "CLOSE_WAIT")),
    "leak-not-read": Situation(many(6, "CLOSE_WAIT", recv_q=1)),
    "leak-stuck": Situation(many(6, "CLOSE_WAIT", 12, recv_q=2000)),
    "leak-mixed": Situation((*many(4, "CLOSE_WAIT"), *many(3, "CLOSE_WAIT", recv_q=1))),
    "leak-unknown-queue": Situation(many(6, "CLOSE_WAIT", recv_q=None)),
    "leak-notice": Situation(many(2, "CLOSE_WAIT")),
    "leak-keepalive": Situation(many(6, "CLOSE_WAIT", timer="keepalive", timer_ms=5)),
    "leak-workers": Situation((*many(3, "CLOSE_WAIT"), *many(3, "CLOSE_WAIT", 11))),
    "leak-shared": Situation(many(6, "CLOSE_WAIT", 13)),
    "leak-hidden": Situation(many(120, "CLOSE_WAIT", 99), {}, {"is_unprivileged": True}),
    "leak-clients": Situation(many(6, "CLOSE_WAIT", **FROM_HERE)),
    "leak-blind": Situation(CLOSE_WAIT, {"missing": frozenset({"tcp_info"})}),
    "leak-watched": Situation(many(6, "CLOSE_WAIT", **times(9, 9, 5)), {"is_watched": True}),
    "fin-wait-2": Situation(many(6, "FIN_WAIT_2")),
    "fin-wait-2-no-holders": Situation(
        many(6, "FIN_WAIT_2"), {"missing": frozenset({"inode"})}
    ),
    "silent-peer": Situation(many(6, "ESTABLISHED", **RETRYING, retransmits=7, **FROM_HERE)),
    "silent-peer-told": Situation(
        many(6, "ESTABLISHED", **RETRYING, retransmits=7), {"settings": TOLD}
    ),
    "zero-window": Situation(
        many(6, "ESTABLISHED", **PROBING, **FROM_HERE, retransmits=0, info=ANSWERED)
    ),
    "zero-window-not-due": Situation(
        (*many(2, "ESTABLISHED", **PROBING, **FROM_HERE, retransmits=0, info=ANSWERED),
         *many(4, "ESTABLISHED", **PROBING, **FROM_HERE, retransmits=0, info=OVERDUE,
               remote_address="198.51.100.8"))
    ),
    "zero-window-dead": Situation(
        (*many(2, "ESTABLISHED", **PROBING, **FROM_HERE, retransmits=5, info=OVERDUE),
         *many(3, "ESTABLISHED", **PROBING, **FROM_HERE, retransmits=0, info=OVERDUE),
         *many(1, "ESTABLISHED", **RETRYING, **FROM_HERE, retransmits=6),
         *many(40, "FIN_WAIT_1", 0, **RETRYING, retransmits=5),
         *many(9, "FIN_WAIT_1", 0, **PROBING, retransmits=3, info=OVERDUE))
    ),
    "zero-window-unknown": Situation(many(6, "ESTABLISHED", **PROBING, info=None)),
    "unread": Situation(many(3, "ESTABLISHED", 12, recv_q=300_000)),
    "unread-no-owner": Situation(many(3, "ESTABLISHED", 99, recv_q=5)),
    "idle": Situation(many(3, "ESTABLISHED", **times(8_000_000, 9_000_000, 8_000_000))),
    "established-untold": Situation(
        (socket("ESTABLISHED"),), {"missing": frozenset({"timers", "tcp_info"})}
    ),
    "closing-silent": Situation(
        (*many(4, "FIN_WAIT_1", 0, **RETRYING, retransmits=5),
         *many(3, "LAST_ACK", 10, **RETRYING, retransmits=3))
    ),
    "closing-silent-orphans": Situation(many(9, "FIN_WAIT_1", 0, **RETRYING, retransmits=5)),
    "closing-silent-many": Situation(many(1000, "LAST_ACK", 0, **RETRYING, retransmits=4)),
    "closing-full": Situation(
        many(6, "FIN_WAIT_1", 0, **PROBING, retransmits=0, info=ANSWERED)
    ),
    "closing-full-or-gone": Situation(
        many(6, "FIN_WAIT_1", 0, **PROBING, retransmits=1, info=OVERDUE)
    ),
    "closing-dead": Situation(
        many(6, "FIN_WAIT_1", 0, **PROBING, retransmits=3, info=OVERDUE)
    ),
    "closing-held": Situation(many(6, "CLOSING", 10, **RETRYING, retransmits=5)),
    "closing-untold": Situation(
        many(1, "LAST_ACK", 0), {"missing": frozenset({"timers"})}
    ),
    "connect": Situation(
        (socket("SYN_SENT", **times(0, 0, 0), **RETRYING, retransmits=3),
         socket("SYN_SENT", 12, **RETRYING, retransmits=2))
    ),
    "connect-ipv6": Situation(
        (socket("SYN_SENT", **RETRYING, retransmits=3, remote_address="2001:db8::1"),),
        {"settings": TOLD},
    ),
    "connect-unknown-port": Situation(
        (socket("SYN_SENT", **RETRYING, retransmits=3, remote_port=None),)
    ),
    "half-open-unknown-port": Situation(
        tuple(row | {"local_port": None} for row in (*HALF_OPEN, *HALF_OPEN))
    ),
    "accept-queue-unknown-port": Situation((QUEUE | {"local_port": None}, *SATURATED[1:])),
    "connect-untold": Situation((socket("SYN_SENT"),), {"missing": frozenset({"timers"})}),
    "accept-queue": Situation(SATURATED, {"settings": TOLD}),
    "accept-queue-short": Situation(
        (QUEUE | {"recv_q": 70}, *SATURATED[1:]), {"settings": replace(TOLD, somaxconn=128)}
    ),
    "accept-queue-never": Situation(
        (QUEUE | {"recv_q": 1, "inode": 12}, socket("CLOSE_WAIT", 0, **times(20_000, 20_000, 20_000)))
    ),
    "accept-queue-dropping": Situation(
        (QUEUE,), {}, {"grown": {"ListenOverflows": 3, "ListenDrops": 4},
                       "counters": {"ListenOverflows": 30, "ListenDrops": 40}}
    ),
    "accept-queue-shared": Situation(
        (QUEUE, QUEUE | {"inode": 12}, *SATURATED[1:])
    ),
    "accept-queue-blind": Situation((QUEUE,), {"missing": frozenset({"tcp_info"})}),
    "accept-queue-saved": Situation((QUEUE,), {"missing": SAVED, "knows_ports": False}),
    "leak-many-workers": Situation(
        tuple(row for pid in range(80, 85) for row in many(2, "CLOSE_WAIT", pid)),
        facts={"owners": lambda pid: (Owner(pid, b"worker", 3),), "process": lambda pid: Process(pid=pid)},
    ),
    "closing-unknown-tries": Situation(
        (*many(6, "LAST_ACK", 0, timer="retransmit", retransmits=None),
         *many(6, "LAST_ACK", 0, timer="retransmit", retransmits=3))
    ),
    "accept-queue-no-limit": Situation((QUEUE | {"send_q": None}, *SATURATED[1:])),
    "accept-queue-untold": Situation((QUEUE,), {"missing": frozenset({"queues"})}),
    "accept-drops": Situation(
        (), {}, {"grown": {"ListenOverflows": 1, "ListenDrops": 2},
                 "counters": {"ListenOverflows": 7, "ListenDrops": 9}}
    ),
    "half-open-flood": Situation(
        (QUEUE | {"recv_q": 0}, *HALF_OPEN), {}, {"counters": {"SyncookiesSent": 5}}
    ),
    "half-open-full": Situation(
        (QUEUE | {"recv_q": 0}, *HALF_OPEN, *HALF_OPEN), {"settings": TOLD},
        {"counters": {"SyncookiesSent": 5}, "grown": {"SyncookiesSent": 2}},
    ),
    "half-open-no-cookies": Situation(
        (QUEUE | {"recv_q": 0, "send_q": 4096}, *HALF_OPEN),
        {"settings": replace(TOLD, syncookies=0, max_syn_backlog=128)},
    ),
    "half-open-one-source": Situation(
        (QUEUE | {"recv_q": 0}, *(row | {"remote_address": "203.0.113.1"} for row in HALF_OPEN))
    ),
    "half-open-no-listener": Situation((*HALF_OPEN, *HALF_OPEN)),
    "half-open-untold": Situation(HALF_OPEN[:1], {"missing": frozenset({"timers"})}),
    "half-open-filtered": Situation(
        (QUEUE | {"recv_q": 0},), {"is_filtered": True}, unheld=HALF_OPEN
    ),
    "accept-queue-filtered": Situation((QUEUE,), {"is_filtered": True}, unheld=SATURATED[1:]),
    "ports": Situation(PORTS, {"settings": TOLD, "knows_ports": True}),
    "ports-critical": Situation(
        (*PORTS, *(row | {"local_port": row["local_port"] + 40} for row in PORTS[:50])),
        {"settings": TOLD},
    ),
    "ports-time-wait": Situation(WAITING, {"settings": replace(TOLD, tw_reuse=0)}),
    "ports-time-wait-reused": Situation(WAITING, {"settings": TOLD}),
    "ports-of-an-address": Situation(
        tuple(row | {"remote_port": n} for n, row in enumerate((*PORTS, *PORTS[20:50]))
              for row in (row | {"local_port": 40_000 + n},)),
        {"settings": TOLD},
    ),
    "ports-unknown": Situation(PORTS, {"knows_ports": False}),
    "time-wait-limit": Situation(context={"kernel": KERNEL._replace(time_wait=80)}),
    "time-wait-reached": Situation(
        context={"kernel": KERNEL._replace(time_wait=100)},
        facts={"grown": {"TCPTimeWaitOverflow": 2}, "counters": {"TCPTimeWaitOverflow": 3}},
    ),
    "orphans": Situation(
        context={"kernel": KERNEL._replace(orphans=80)}, facts={"counters": {"TCPAbortOnMemory": 4}}
    ),
    "orphans-critical": Situation(context={"kernel": KERNEL._replace(orphans=100)}),
    "memory": Situation(
        context={"kernel": KERNEL._replace(memory_bytes=75 * MB)}, facts={"counters": {"PruneCalled": 6}}
    ),
    "memory-critical": Situation(context={"kernel": KERNEL._replace(memory_bytes=96 * MB)}),
    "descriptors": Situation(
        facts={"descriptors": {72: (900, 800), 70: (990, 100), 71: (20, 19)}}
    ),
    "descriptors-critical": Situation(facts={"descriptors": {72: (960, 800)}}),
    "descriptors-elsewhere": Situation(
        facts={"descriptors": {72: (960, 800)}, "is_here": lambda pid: False}
    ),
    "descriptors-hidden": Situation(facts={"hidden_processes": 3, "is_unprivileged": True}),
    "descriptors-hidden-from-root": Situation(facts={"hidden_processes": 1}),
    "kernel-silent": Situation(context={"kernel": None}, facts={"descriptors": {}}),
    "filtered": Situation(CLOSE_WAIT, {"is_filtered": True}),
    "saved": Situation(CLOSE_WAIT, {"missing": SAVED, "knows_ports": False}),
    "thresholds-of-zero": Situation(
        (*many(1, "CLOSE_WAIT"), *many(1, "ESTABLISHED", recv_q=1)), {"thresholds": NOTHING}
    ),
    **{
        f"source-{source}": Situation(
            (*CLOSE_WAIT, *many(2, "SYN_SENT"), *many(2, "ESTABLISHED"), *many(2, "FIN_WAIT_1"),
             *many(6, "FIN_WAIT_2"), QUEUE, *HALF_OPEN[:2]),
            {"missing": frozenset(missing_from(source) if source in SOURCES else ())},
        )
        for source in (*SOURCES, "file")
    },
}  # fmt: skip


def examined(situation: Situation) -> Diagnosis:
    examiner = Examiner(context(**situation.context))
    if situation.rows:
        examiner.observe([batch(*situation.rows)])
    if situation.unheld:
        examiner.observe_unowned([batch(*situation.unheld)])
    others = [row for row in situation.rows if row["state_label"] != "LISTEN"]
    if examiner.wants_second_pass() and others:
        examiner.second_pass(batch(*others))
    told: dict[str, Any] = {
        "counted": examiner.counted,
        "owners": lambda inode: OWNED.get(inode, ()),
        "process": lambda pid: PROCESSES[pid],
    }
    findings, gaps = examiner.find(facts(**told | situation.facts))
    return Diagnosis(
        findings=tuple(findings),
        not_examined=tuple(gaps),
        source="file" if situation.context.get("missing") is SAVED else "netlink",
        taken_at=1_800_000_000.5,
        seconds=0.2516,
        filter="state close_wait" if situation.context.get("is_filtered") else None,
        limitations=(Limitation("some-kind", "some text"),),
        counted=dict(examiner.counted),
        processes=4,
        note=SavedListing.command_note
        if situation.context.get("missing") is SAVED
        else None,
    )


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_is_said(name: str, golden: Golden) -> None:
    found = examined(SITUATIONS[name])
    text = "".join(render_diagnosis(found, width=80, color=False))
    golden(f"doctor/{name}.txt", f"{text}\n{render_diagnosis_json(found)}")


def partners(*rows: dict[str, Any]) -> dict[Any, Any]:
    context = RuleContext(
        thresholds=Thresholds(),
        settings=KernelSettings(),
        kernel=None,
        listening=frozenset(),
        fin_timeout_ms=None,
        missing=frozenset(),
        is_live=False,
        is_filtered=False,
    )
    return {suspect.ends: suspect for suspect in context.sockets(batch(*rows))}


MIRRORED = {
    "local_address": "198.51.100.7",
    "remote_address": "192.0.2.1",
    "remote_port": 443,
}


@pytest.mark.parametrize(
    "name", ["leak", "fin-wait-2", "silent-peer-told", "unread", "zero-window", "idle"]
)
def test_the_other_ends_are_on_this_host(name: str, golden: Golden) -> None:
    situation = SITUATIONS[name]
    own = (
        {"remote_port": situation.rows[0]["local_port"]}
        if "local_port" in situation.rows[0]
        else {}
    )
    rows = [
        socket("ESTABLISHED", inode, **MIRRORED | own | {"local_port": 50_000 + n})
        for n, inode in enumerate((12, 12, 0, 99))
    ]
    found = examined(situation._replace(facts={"partners": partners(*rows)}))
    text = "".join(render_diagnosis(found, width=100, color=False))
    golden(f"doctor/partners-{name}.txt", text)


TRENDS: dict[str, tuple[list[int], list[int], dict[str, Any]]] = {
    "grows": ([5], [6], {}),
    "grows-urgently": (
        [5],
        [6],
        {"is_urgent_when_growing": True, "ages": (2_500.0,) * 6},
    ),
    "grows-urgently-without-ages": (
        [5],
        [6],
        {"is_urgent_when_growing": True, "ages": ()},
    ),
    "shrinks": ([6], [5], {}),
    "stays": ([5], [5], {}),
    "new": ([], [5], {}),
    "gone": ([5], [], {}),
}


@pytest.mark.parametrize("name", TRENDS)
def test_what_a_second_look_says(name: str, golden: Golden) -> None:
    before, after, changes = TRENDS[name]
    found = examined(SITUATIONS["leak-notice"])
    (finding,) = found.findings
    first = [replace(finding, size=size) for size in before]
    second = [replace(finding, size=size, **changes) for size in after]
    both = replace(found, findings=tuple(compare(first, second, 2.5)))
    text = "".join(render_diagnosis(both, width=80, color=False))
    golden(f"doctor/trend-{name}.txt", f"{text}\n{render_diagnosis_json(both)}")


def test_every_finding_is_compared() -> None:
    """A provisional one, or one that counts during a look only, hides no other."""
    (finding,) = examined(SITUATIONS["leak-notice"]).findings
    grown = replace(finding, subject="b", size=9)
    after = [
        replace(finding, subject="a", is_provisional=True),
        replace(finding, rule="accept-drops", subject="c"),
        grown,
    ]
    before = [
        replace(finding, subject="a", is_provisional=True),
        replace(finding, rule="accept-drops", subject="d"),
        replace(grown, size=5),
        replace(finding, subject="e", size=7, severity=Severity.CRITICAL),
    ]
    found = compare(before, after, 2.0)
    told = [
        (f.rule, f.subject, f.trend.change if f.trend else None, f.severity)
        for f in found
    ]
    assert told == [
        ("close-wait", "b", "grows", Severity.NOTICE),
        ("accept-drops", "c", None, Severity.NOTICE),
        ("close-wait", "e", "gone", Severity.NOTICE),
    ]
    assert [f.size for f in found] == [9, 2, 0]


def test_colours_and_widths(golden: Golden) -> None:
    found = examined(SITUATIONS["leak-stuck"])
    gone = compare(found.findings, (), 2.0)
    for width in (40, 120):
        text = "".join(render_diagnosis(found, width=width, color=True))
        golden(f"doctor/color-{width}.txt", text)
    both = replace(
        found, findings=(*found.findings, *gone), not_examined=found.not_examined * 2
    )
    golden(
        "doctor/color-gone.txt", "".join(render_diagnosis(both, width=80, color=True))
    )


def test_counts_of_the_states_are_those_of_the_sockets() -> None:
    found = examined(SITUATIONS["closing-silent"])
    assert Counter(found.counted) == {"FIN_WAIT_1": 4, "LAST_ACK": 3}


def test_thresholds_are_those_of_the_man_page() -> None:
    assert asdict(Thresholds()) == {
        "kept_ms": 60_000,
        "pool_count": 5,
        "pool_ms": 1_800_000,
        "many_count": 100,
        "many_ms": 5000,
        "leaked_percent": 50,
        "descriptors_percent": 80,
        "accept_queue_percent": 50,
        "accept_wait_ms": 1000,
        "accept_never_ms": 10_000,
        "half_open_percent": 50,
        "half_open_count": 100,
        "ports_percent": 50,
        "ports_critical_percent": 80,
        "limit_percent": 80,
        "syn_retries": 2,
        "retransmits": 4,
        "share_percent": 1,
        "clients_percent": 10,
        "zero_window_ms": 10_000,
        "zero_window_long_ms": 120_000,
        "waiting_ms": 10_000,
        "pool_size": 50,
        "connect_ms": 30_000,
        "unread_ms": 30_000,
        "idle_ms": 7_200_000,
        "closing_count": 5,
        "closing_many": 1000,
    }


def test_what_only_growth_can_make_a_finding_is_provisional() -> None:
    (watched,) = examined(SITUATIONS["leak-watched"]).findings
    assert watched.is_provisional
    assert watched.is_urgent_when_growing
    assert not examined(
        SITUATIONS["leak-watched"]._replace(context={"is_watched": False})
    ).findings
    growing = {
        name
        for name in SITUATIONS
        for finding in examined(SITUATIONS[name]).findings
        if finding.is_urgent_when_growing
    }
    rules = {
        finding.rule for n in growing for finding in examined(SITUATIONS[n]).findings
    }
    assert rules >= {"close-wait", "fin-wait-2", "accept-queue"}
    (finding,) = examined(SITUATIONS["leak"]).findings
    assert finding.ages == (70_000,) * 6


def test_queues_that_a_source_does_not_tell_count_as_nothing() -> None:
    for name in ("silent-peer", "zero-window"):
        situation = SITUATIONS[name]
        rows = tuple(row | {"send_q": None} for row in situation.rows)
        (finding,) = examined(situation._replace(rows=rows)).findings
        assert finding.numbers["send_q"] == 0


def test_only_mapped_addresses_are_shortened() -> None:
    from tcpstates.doctor.facts import unmap_ipv4

    assert unmap_ipv4("::ffff:192.0.2.1") == "192.0.2.1"
    assert unmap_ipv4("::ffff:0:192") == "::ffff:0:192"
    assert unmap_ipv4("::1") == "::1"
    assert unmap_ipv4("192.0.2.1") == "192.0.2.1"


def test_a_rule_sees_only_its_states() -> None:
    """Two states of one batch are kept apart."""
    mixed = (*CLOSE_WAIT, *many(6, "FIN_WAIT_2"))
    rules = [finding.rule for finding in examined(Situation(mixed)).findings]
    assert sorted(rules) == ["close-wait", "fin-wait-2"]
    assert [f.size for f in examined(Situation(mixed)).findings] == [6, 6]


def test_the_fullest_destination_comes_first() -> None:
    others = tuple(
        row | {"remote_address": "198.51.100.1", "remote_port": 6379} for row in PORTS
    )
    both = (*others[:55], *PORTS, *others[55:56])
    found = examined(Situation(both, {"settings": TOLD})).findings
    assert [f.subject for f in found if f.rule == "ports"] == [
        "192.0.2.1 198.51.100.7:5432",
        "192.0.2.1 198.51.100.1:6379",
    ]


def test_services_stand_for_ports_that_only_their_host_knows() -> None:
    from tcpstates.doctor.facts import ports_of

    listeners = batch(
        {"local_service": "myservice", "local_port": None}, {"local_port": 22}
    )
    assert list(ports_of([listeners])) == ["myservice", 22]


PROGRAMS = ("tcpstates ", "ip ", "cat ", "top ", "prlimit ", "sysctl ", "kill ", "on {")


def test_every_command_is_put_together_by_one_function() -> None:
    """No f-string of the rules begins as a command does: those quote nothing."""
    import ast
    from pathlib import Path

    import tcpstates.doctor

    paths = list(Path(tcpstates.doctor.__path__[0]).rglob("*.py"))
    assert len(paths) > 15
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) and isinstance(
                node.values[0], ast.Constant
            ):
                text = str(node.values[0].value)
                assert not text.startswith(PROGRAMS), f"{path.name}:{node.lineno}"
