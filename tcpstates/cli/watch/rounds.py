"""Rounds at regular times, from start to start."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator


def collect_garbage() -> None:
    """Free reference cycles now and then: a command that goes on may run for days.

    The usual threshold, 700 objects, would look through all of them at each round.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    gc.enable()


def rounds(
    interval: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Yield at the start of each round how many were skipped before it.

    A round that takes longer than `interval` seconds does not delay the times of the
    others: those that it overlaps are skipped.
    """
    start = clock()
    skipped = 0
    while True:
        yield skipped
        start += interval
        late = clock() - start
        skipped = int(late // interval) + 1 if late > 0 else 0
        start += skipped * interval
        sleep(max(0.0, start - clock()))


def sleeper(end: float | None) -> Callable[[float], None]:
    """Return a sleep that does not go beyond a moment of time.monotonic; None: any."""

    def sleep(seconds: float) -> None:
        left = seconds if end is None else min(seconds, end - time.monotonic())
        time.sleep(max(0.0, left))

    return sleep
