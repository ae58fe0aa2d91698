"""Ages agree with a stopwatch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Lab, enter_lab

TOLERANCE = 200  # milliseconds


@pytest.fixture(scope="module")
def stopwatch() -> Iterator[Lab]:
    yield from enter_lab("trouble", "stopwatch")


def read(lab: Lab, part: str, *words: str) -> tuple[dict[str, Any], float, float]:
    """Return a socket, and its true age before and after it was read, in ms."""
    began, number = lab.parts[part], lab.parts[f"{part}_port"]
    while time.monotonic_ns() - began < 800_000_000:
        time.sleep(0.05)
    before = (time.monotonic_ns() - began) / 1e6
    finished = lab.tcpstates("--json", "-tano", *words, f"port = :{number}")
    after = (time.monotonic_ns() - began) / 1e6
    (found,) = json.loads(finished.stdout)["sockets"]
    return found, before, after


def test_close_wait_lies_between_the_last_acknowledgment_and_the_last_data(
    stopwatch: Lab,
) -> None:
    found, before, after = read(stopwatch, "kept", "close_wait")
    assert before - TOLERANCE <= found["age_ms"] <= after + TOLERANCE
    assert found["age_max_ms"] >= before
    between = (stopwatch.parts["kept"] - stopwatch.parts["data"]) / 1e6
    apart = found["age_max_ms"] - found["age_ms"]
    assert apart == pytest.approx(between, abs=TOLERANCE)


def test_time_wait_is_exact(stopwatch: Lab) -> None:
    found, before, after = read(stopwatch, "over", "time_wait")
    assert found["age_ms"] == found["age_max_ms"]
    assert before - TOLERANCE <= found["age_ms"] <= after + TOLERANCE


def test_an_orphan_in_fin_wait_2_is_at_least_as_old_as_its_timer_says(
    stopwatch: Lab,
) -> None:
    found, before, after = read(stopwatch, "kept", "fin_wait_2")
    assert before - TOLERANCE <= found["age_ms"] <= after + TOLERANCE
    assert found["age_max_ms"] is None


def test_idle_time_counts_from_the_last_data(stopwatch: Lab) -> None:
    found, before, after = read(stopwatch, "still", "established", "listener")
    assert before - TOLERANCE <= found["idle_ms"] <= after + TOLERANCE


def test_the_column_says_the_same(stopwatch: Lab) -> None:
    read(stopwatch, "over", "time_wait")  # it is older than a second then
    number = stopwatch.parts["over_port"]
    words = ("-tanH", "--columns", "age,age-ms", "time_wait", f"port = :{number}")
    shown, exact = stopwatch.tcpstates(*words).stdout.split()
    assert float(shown.removesuffix("s")) * 1000 == pytest.approx(int(exact), abs=51)
