"""Rounds run from start to start; those that overlap a slow one are skipped."""

from __future__ import annotations

from itertools import islice

from tcpstates.cli.watch.rounds import rounds


def test_slow_rounds_do_not_move_the_others() -> None:
    now = 100.0
    slow = {1: 0.4, 2: 3.5, 4: 1.0}  # seconds that a round takes
    starts, skipped = [], []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def clock() -> float:
        return now

    first = islice(rounds(1, clock=clock, sleep=sleep), 6)
    for number, missed in enumerate(first):
        starts.append(now)
        skipped.append(missed)
        now += slow.get(number, 0)
    assert starts == [100, 101, 102, 106, 107, 108]
    assert skipped == [0, 0, 0, 3, 0, 0]
