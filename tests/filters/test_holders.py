"""Patterns of the user against names that a file holds."""

from __future__ import annotations

import re
import signal
import threading
import time
from typing import Any

import pytest

from support.fakes.batches import batch
from support.fakes.lookups import FixedLookup
from tcpstates.errors import FilterSyntaxError
from tcpstates.filters.parser import parse_filter
from tcpstates.filters.patience import TooLongError, time_limit
from tcpstates.filters.process_conditions import ProcessPattern, required_pids
from tcpstates.filters.syntax import answer
from tcpstates.model import Owner

UNIX_ONLY = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="there is no such timer on this system"
)
WICKED = "(a+)+$"


def held_by(*names: bytes) -> Any:
    return batch(*({"processes": (Owner(1, name, 2),)} for name in names))


@UNIX_ONLY
@pytest.mark.parametrize("names", [1, 50])
def test_a_pattern_that_runs_away_is_given_up(names: int) -> None:
    """One second for all names together, and an error that points at the pattern."""
    expression, text = parse_filter(["process", "~", WICKED], FixedLookup())
    rows = held_by(*(b"a" * (40 + n) + b"b" for n in range(names)))
    started = time.monotonic()
    with pytest.raises(FilterSyntaxError) as raised:
        answer(expression, rows, text)
    assert time.monotonic() - started < 20
    assert str(raised.value) == (
        "the pattern takes more than 1 s on these process names"
    )
    assert raised.value.span == (0, len(text))


def test_a_pattern_that_does_not_is_answered() -> None:
    expression, text = parse_filter(["process", "~", WICKED], FixedLookup())
    assert list(answer(expression, held_by(b"aaa", b"aab", b"b"), text)) == [
        True,
        False,
        False,
    ]


@UNIX_ONLY
def test_the_limit_leaves_nothing_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TooLongError), time_limit(0.01):
        re.search(WICKED, "a" * 40 + "b")
    with time_limit(30):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before
    with pytest.raises(TooLongError), time_limit(-1):  # nothing is left
        re.search(WICKED, "a" * 40 + "b")


def test_in_another_thread_there_is_no_limit() -> None:
    found: list[bool] = []

    def search() -> None:
        found.append(ProcessPattern(re.compile("^a+$")).matches(b"aaa"))

    thread = threading.Thread(target=search)
    thread.start()
    thread.join(30)
    assert found == [True]


@UNIX_ONLY
def test_many_names_are_no_reason_to_give_up() -> None:
    """A simple pattern is answered however many there are, in batches as they come."""
    expression, text = parse_filter(["process", "~", "w1$"], FixedLookup())
    for start in range(0, 100_000, 5_000):
        names = (b"worker-w%d" % n for n in range(start, start + 5_000))
        found: list[Any] = list(answer(expression, held_by(*names), text))
        assert sum(found) == (start == 0)


@UNIX_ONLY
def test_names_that_were_judged_cost_nothing_again() -> None:
    pattern = ProcessPattern(re.compile("a"))
    rows = held_by(b"a", b"b")
    assert list(pattern.test(rows)) == [True, False]
    pattern._seconds = -1.0
    assert list(pattern.test(rows)) == [True, False]


@UNIX_ONLY
def test_an_alarm_of_somebody_else_goes_on() -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        signal.setitimer(signal.ITIMER_REAL, 60, 7)
        with time_limit(30):
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= 30
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 50 < left <= 60
        assert interval == 7
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pid = 5", {5}),
        ("pid in 5,7-9", {5, 7, 8, 9}),
        ("close_wait and pid = 5 and sport = :80", {5}),
        ("pid = 5 or pid = 6", None),
        ("not pid = 5", None),
        ("pid != 5", None),
        ("pid > 5", None),
        ("pid < 500", None),
        ("pid in 1-64", set(range(1, 65))),
        ("pid in 1-65", None),
        ("process = nginx", None),
        ("process = nginx and pid = 5", {5}),
        ("close_wait", None),
    ],
)
def test_the_pids_of_which_one_must_own_a_socket(
    text: str, expected: set[int] | None
) -> None:
    expression, _ = parse_filter([text], FixedLookup())
    found = required_pids(expression)
    assert found == (None if expected is None else frozenset(expected))
