"""While thousands of connections a second come and go, what is told stays true."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import PATIENCE, Lab, enter_lab
from support.labs.churn import STAYING

LOOKS = 12


@pytest.fixture(scope="module", params=["many buckets", "few buckets"])
def churn(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Return a laboratory where sockets come and go all the time."""
    is_small = request.param == "few buckets"
    if is_small and (not hasattr(os, "geteuid") or os.geteuid() != 0):
        pytest.skip("only root can give a namespace a small hash")
    yield from enter_lab("churn", *(["--few-buckets"] if is_small else []))


@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_no_socket_twice_and_no_wrong_owner(churn: Lab, source: str) -> None:
    parts, began = churn.parts, churn.ask(None)
    for _ in range(LOOKS):
        rows = churn.sockets("-tap", "--source", source)
        if source == "netlink":  # procfs has no cookies; the kernel's faults remain
            cookies = Counter(row["cookie"] for row in rows)
            assert cookies.most_common(1)[0][1] == 1
        else:
            inodes = Counter(row["inode"] for row in rows if row["inode"])
            assert inodes.most_common(1)[0][1] == 1
        for row in rows:
            stays = parts["port"] in (row["local_port"], row["remote_port"])
            owners: Any = row["processes"]
            pids = {owner["pid"] for owner in owners}
            assert pids <= {parts["main" if stays else "churner"]}, row
            if stays and row["inode"]:
                assert pids, row
    ended = churn.ask(None)
    assert ended["done"] - began["done"] > 1000  # or nothing was tested


def test_counts_lie_within_what_the_kernel_counted(churn: Lab) -> None:
    for _ in range(LOOKS):
        before = churn.ask(None)
        (number,) = churn.tcpstates("-tac", "time_wait").stdout.split()
        after = churn.ask(None)
        passed = after["done"] - before["done"]
        low, high = sorted((before["tw"], after["tw"]))
        assert low - passed <= int(number) <= high + passed


def test_counts_are_exact_when_nothing_moves(churn: Lab) -> None:
    deadline = time.monotonic() + PATIENCE
    while churn.ask(None)["tw"] == 0:
        assert time.monotonic() < deadline, "nothing comes and goes"
    os.kill(churn.parts["churner"], signal.SIGSTOP)
    before = number = after = 0
    try:
        for _ in range(20):  # some may end their minute just then
            before = churn.ask(None)["tw"]
            # The kernel's number includes FIN_WAIT_2 once the process has closed it.
            asked = ("-tac", "time_wait", "fin_wait_2")
            number = int(churn.tcpstates(*asked).stdout)
            after = churn.ask(None)["tw"]
            if before == after:
                break
        assert before == number == after > 0
    finally:
        os.kill(churn.parts["churner"], signal.SIGCONT)


def test_what_stays_is_there(churn: Lab) -> None:
    """With 16 buckets the kernel itself misses some, and says nothing (ehash walk)."""
    found = set()
    for _ in range(LOOKS):
        rows = churn.sockets("-t", f"sport = :{churn.parts['port']} established")
        found |= {row["remote_port"] for row in rows}
        assert all(row["local_port"] == churn.parts["port"] for row in rows)
    assert len(found) == STAYING
