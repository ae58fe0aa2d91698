"""`--until`: exit codes, times and the last line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Lab, enter_lab
from support.labs.actor import PORT
from support.streaming import stream
from tcpstates.cli.thresholds import parse_threshold


@pytest.fixture(scope="module")
def actor() -> Iterator[Lab]:
    """Return a laboratory that opens and ends connections."""
    yield from enter_lab("actor")


@pytest.mark.parametrize(
    ("text", "met", "unmet"),
    [
        ("close_wait<1", 0, 1),
        ("listen>=2", 2, 1),
        ("total>3", 4, 3),
        ("total<=3", 3, 4),
        ("total=0", 0, 1),
        ("total=2:4", 3, 5),
        ("total=5:", 5, 4),
        ("total=@2:4", 5, 3),
    ],
)
def test_what_a_condition_means(text: str, met: int, unmet: int) -> None:
    condition = parse_threshold(text)
    assert condition.is_met(met)
    assert not condition.is_met(unmet)


def test_it_is_so_already(actor: Lab) -> None:
    finished = actor.tcpstates("--until", "listen>=1", "sport", "=", f":{PORT}")
    assert finished.returncode == 0
    assert finished.stdout == "listen 1; listen>=1 reached after 0.0 s\n"


def test_it_waits_for_the_end_of_a_connection(actor: Lab, tmp_path: Path) -> None:
    made = actor.ask(["pair"])
    actor.ask(["close", made["number"], 0])
    asked = ["--until", "close_wait<1", "-w", "0.2", "sport", "=", f":{PORT}"]
    with stream([*actor.enter, *actor.command, *asked], tmp_path) as waiting:
        time.sleep(0.5)  # it goes on while nothing changes
        assert waiting.process.poll() is None
        closed = actor.ask(["close", made["number"], 1])
        assert waiting.process.wait(30) == 0
        took = time.monotonic() - closed
    assert took < 5  # one interval, and the end of the process on a busy machine
    assert "close_wait 0; close_wait<1 reached after " in waiting.text


def test_the_timeout(actor: Lab) -> None:
    start = time.monotonic()
    finished = actor.tcpstates("--until", "listen<1", "--timeout", "1.5")
    assert finished.returncode == 1
    assert finished.stdout == "listen 1; listen<1 not reached within 1.5 s\n"
    assert time.monotonic() - start >= 1.5


def test_it_has_to_hold(actor: Lab) -> None:
    asked = ["--until", "listen=1:", "--until", "total>=1", "-w", "0.2"]
    finished = actor.tcpstates(*asked, "--for", "0.5")
    assert finished.returncode == 0
    assert finished.stdout.startswith("listen 1, total ")
    seconds = float(finished.stdout.split()[-2])
    assert seconds >= 0.5
    finished = actor.tcpstates(*asked, "--for", "60", "--timeout", "0.4")
    assert finished.returncode == 1
    assert "not held for 60 s within 0.4 s" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--until", "close_wiat<1"], "did you mean close_wait?"),
        (["--until", "close_wait"], "expected NAME=RANGE"),
        (["--for", "2"], "requires --until"),
        (["--timeout", "2"], "requires --until"),
        (["--until", "total=0", "--json"], "prints one line"),
        (["--until", "total=0", "--from", "x"], "remove --from"),
    ],
)
def test_what_makes_no_sense(arguments: list[str], told: str) -> None:
    from support.tools.inprocess import told as tell

    code, _, error = tell(arguments)
    assert code == 2
    assert told in error
