"""`-w` over several namespaces: ends are heard of in each of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Lab, enter_lab
from support.streaming import stream

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root enters other network namespaces",
)
NUMBER = 50


@pytest.fixture
def one() -> Iterator[Lab]:
    yield from enter_lab("actor")


@pytest.fixture
def two() -> Iterator[Lab]:
    yield from enter_lab("actor")


def test_every_short_connection_is_told_with_its_namespace(
    one: Lab, two: Lab, tmp_path: Path
) -> None:
    """None of them is there at any look."""
    pids = [str(lab.parts["main"]) for lab in (one, two)]
    command = [*one.command, "-w", "0.5", "--jsonl", "-N", pids[0], "-N", pids[1]]
    with stream(command, tmp_path) as watching:
        watching.wait_for_events(1, lambda e: e["event"] == "start")
        for lab in (one, two):
            lab.ask(["resets", NUMBER])
        ends = watching.wait_for_events(
            4 * NUMBER, lambda e: e["event"] == "closed" and e["missed"]
        )
    inodes = {os.stat(f"/proc/{lab.parts['main']}/ns/net").st_ino for lab in (one, two)}
    assert {end["netns_id"] for end in ends} == inodes
    for number in inodes:
        assert sum(end["netns_id"] == number for end in ends) == 2 * NUMBER
