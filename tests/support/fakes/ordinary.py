"""An ordinary host and case for the doctor, which each test changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from support.fakes.batches import batch
from tcpstates.doctor.examiner import Examiner
from tcpstates.doctor.facts import Facts, RuleContext
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.thresholds import Thresholds
from tcpstates.model import KernelCounts, Owner, Reason
from tcpstates.processes import Process
from tcpstates.settings import KernelSettings

MB = 1 << 20
KERNEL = KernelCounts(
    orphans=1,
    orphans_limit=100,
    time_wait=0,
    time_wait_limit=100,
    memory_bytes=1 * MB,
    memory_pressure_bytes=75 * MB,
    memory_limit_bytes=100 * MB,
)


def context(**changes: Any) -> RuleContext:
    """Return a host with nothing wrong, but for the changes."""
    known: dict[str, Any] = {
        "thresholds": Thresholds(),
        "settings": KernelSettings(),
        "kernel": KERNEL,
        "listening": frozenset({443}),
        "fin_timeout_ms": 60_000,
        "missing": frozenset(),
        "is_live": False,
        "is_filtered": False,
    }
    return RuleContext(**known | changes)


def facts(**changes: Any) -> Facts:
    """Return a case without sockets; owners and processes are the test's to say."""
    known: dict[str, Any] = {
        "counted": Counter(),
        "unseen": Reason.HIDDEN,
        "user": lambda uid: "alice",
        "descriptors": {70: (9, 1)},
        "descriptors_limit": lambda pid: 1000,
        "hidden_processes": 0,
        "is_unprivileged": False,
        "is_stopped": lambda pid: False,
        "stuck_in_kernel": lambda pids: frozenset(),
        "is_here": lambda pid: True,
        "elsewhere": dict,
        "partners": {},
        "counters": {},
        "grown": {},
        "unix_listeners": 0,
    }
    return Facts(**known | changes)


def findings(
    *rows: dict[str, Any], at: RuleContext | None = None, **changes: Any
) -> tuple[list[Finding], list[NotExamined]]:
    """Return what rules find in sockets, and what they could not examine."""
    examiner = Examiner(at or context())
    if rows:
        examiner.observe([batch(*rows)])
    known: dict[str, Any] = {
        "counted": examiner.counted,
        "owners": lambda inode: (Owner(70, b"ngin\x1bx", 9),),
        "process": lambda pid: Process(
            pid=pid,
            name=b"ngin\x1bx",
            user="www",
            started_at=0.0,
            command=(b"a", b"b\nc"),
            descriptors=9,
        ),
    }
    return examiner.find(facts(**known | changes))


def finding(rule: str = "close-wait", size: int = 5, **changes: Any) -> Finding:
    """Return a notice, which each test changes."""
    made = Finding(
        rule=rule,
        subject="x[1]",
        severity=Severity.NOTICE,
        size=size,
        verdict="x[1] \x1b[31mleaks",
        evidence=(),
        numbers={"oldest_ms": 5000},
        means="means",
        commands=("do",),
        unless="unless",
    )
    return replace(made, **changes)
