"""Numbers below a summary, and how counts are worded."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from support.fakes.batches import FixedNames, batch
from tcpstates import attribution
from tcpstates.collect.owner_table import OwnerTable
from tcpstates.columns.registry import STATE, USER
from tcpstates.columns.tally import BY_STATE, count_by
from tcpstates.model import KernelCounts, Reason
from tcpstates.render.plain import _MOST_PADDED, _Padded
from tcpstates.render.tally_text import describe_counts, summary_notes

NAMES = FixedNames()


def notes(
    *states: str, kernel: KernelCounts | None = None, **reasons: int
) -> list[str]:
    rows: list[dict[str, Any]] = [{"state_label": state} for state in states]
    tally = count_by([batch(*rows)] if rows else [], BY_STATE, NAMES)
    named = {name.replace("_", "-"): number for name, number in reasons.items()}
    return list(summary_notes(tally, named, kernel, hosts=""))


def test_listeners_are_listeners() -> None:
    assert notes() == []
    assert notes("ESTABLISHED", "CLOSE_WAIT") == []
    assert notes("LISTEN", "ESTABLISHED") == ["1 listener"]
    assert notes("LISTEN", "ESTABLISHED", "LISTEN") == ["2 listeners"]


def test_sockets_without_a_process() -> None:
    assert notes(time_wait=3, orphan=1) == ["without a process: 3 time-wait, 1 orphan"]


@pytest.mark.parametrize(
    ("kernel", "text"),
    [
        (KernelCounts(1, None), "1 orphans in all namespaces"),
        (KernelCounts(1, 100), "1 orphans in all namespaces (limit 100)"),
        (
            KernelCounts(1, 100, 7),
            "1 orphans in all namespaces (limit 100), 7 in TIME_WAIT or closed FIN_WAIT_2",
        ),
        (
            KernelCounts(None, None, 7, 262_144),
            "7 in TIME_WAIT or closed FIN_WAIT_2 (limit 262144)",
        ),
        (KernelCounts(memory_bytes=2_400_000), "2.29 MiB of memory in all namespaces"),
        (
            KernelCounts(0, 1, 0, 2, 2_400_000, 3, 2_400_000_000),
            (
                "0 orphans in all namespaces (limit 1), 0 in TIME_WAIT or closed FIN_WAIT_2"
                " (limit 2), 2.29 MiB of memory in all namespaces (limit 2.24 GiB)"
            ),
        ),
    ],
)
def test_what_the_kernel_counts(kernel: KernelCounts, text: str) -> None:
    assert notes(kernel=kernel) == [f"the kernel counts {text}"]


def test_what_stands_below_a_table() -> None:
    assert describe_counts(Counter(), 80) == "no sockets match"
    assert describe_counts(Counter(LISTEN=1), 80) == "1 socket: 1 LISTEN"
    found = Counter({"LISTEN": 1, "ESTABLISHED": 3})
    assert describe_counts(found, 80) == "4 sockets: 3 ESTABLISHED, 1 LISTEN"
    assert describe_counts(found, 20) == "4 sockets: 3\nESTABLISHED, 1\nLISTEN"
    assert describe_counts(Counter({"A\x1b": 1}), 80) == r"1 socket: 1 A\x1b"


ROOT = "run as root, or with both capabilities CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"


@pytest.mark.parametrize(
    ("number", "unreadable", "reason", "text"),
    [
        (1, 9, Reason.HIDDEN, f"1 owner is hidden, in other users' processes: {ROOT}"),
        (
            2,
            9,
            Reason.HIDDEN,
            f"2 owners are hidden, in other users' processes: {ROOT}",
        ),
        (
            1,
            1,
            Reason.NOT_FOUND,
            (
                "the owner of 1 socket was not found: 1 process cannot be inspected, even"
                " by root. A socket that is being passed to another process has no owner"
            ),
        ),
        (
            3,
            2,
            Reason.NOT_FOUND,
            (
                "the owners of 3 sockets were not found: 2 processes cannot be inspected, even"
                " by root. A socket that is being passed to another process has no owner"
            ),
        ),
    ],
)
def test_owners_that_were_not_found(
    number: int, unreadable: int, reason: str, text: str
) -> None:
    table = OwnerTable(())
    table.unreadable = unreadable
    assert attribution._hidden(number, table, reason) == ("owners-hidden", text)


def test_values_are_remembered_up_to_a_bound() -> None:
    padded = _Padded(USER, 8, color=False)
    for number in range(_MOST_PADDED * 2 + 10):
        assert padded[number] == str(number).ljust(8)
    assert len(padded) <= _MOST_PADDED + 1
    assert _Padded(STATE, 12, color=True)["LISTEN"] == "\x1b[36mLISTEN      \x1b[0m"
