"""The bounds of ages, by what the kernel tells of a socket."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from support.fakes.batches import FixedNames, batch
from tcpstates.ages import UNKNOWN, age_bounds_ms, idle_ms
from tcpstates.columns.times import age
from tcpstates.text import format_age

TIMES = ("info.last_sent_ms", "info.last_received_ms", "info.last_ack_ms")


def row(
    word: str, times: tuple[int | None, ...] = (None,) * 3, **more: Any
) -> dict[str, Any]:
    return {"state_label": word, **dict(zip(TIMES, times, strict=True)), **more}


@pytest.mark.parametrize(
    ("one", "bounds"),
    [
        (row("ESTABLISHED"), UNKNOWN),
        (row("ESTABLISHED", (5, 9, 7)), (9, inf)),
        (row("ESTABLISHED", (9, 5, 7)), (9, inf)),
        (row("ESTABLISHED", (5, 7, 9)), (9, inf)),
        (row("TIME_WAIT", timer_ms=None), UNKNOWN),
        (row("TIME_WAIT", timer_ms=60_000), (0, 0)),
        (row("TIME_WAIT", timer_ms=12_000), (48_000, 48_000)),
        (row("TIME_WAIT", timer_ms=70_000), (0, 0)),
        (row("SYN_SENT", retransmits=None), UNKNOWN),
        (row("SYN_SENT", retransmits=0), (0, 1000)),
        (row("SYN_SENT", retransmits=1), (1000, 3000)),
        (row("SYN_SENT", retransmits=3), (3000, 15_000)),
        (row("FIN_WAIT_2", timer="time-wait", timer_ms=None), (0, inf)),
        (row("FIN_WAIT_2", timer="time-wait", timer_ms=59_000), (1000, inf)),
        (row("FIN_WAIT_2", timer="time-wait", timer_ms=61_000), (0, inf)),
        (row("FIN_WAIT_2", (7, 1, 3)), (3, 7)),
        (row("FIN_WAIT_2", (3, 1, 7)), (3, 3)),
        (row("CLOSE_WAIT", (1, 9, 4)), (4, 9)),
        (row("CLOSE_WAIT", (1, 4, 9)), (4, 4)),
        (row("CLOSE_WAIT"), UNKNOWN),
        (row("LAST_ACK", (1, 2, 3)), UNKNOWN),
        (row("LISTEN", (1, 2, 3)), UNKNOWN),
        (row("SYN_RECEIVED", (1, 2, 3)), UNKNOWN),
    ],
)  # fmt: skip
def test_bounds(one: dict[str, Any], bounds: tuple[float, float]) -> None:
    assert list(age_bounds_ms(batch(one), 60_000)) == [bounds]


CREATED = 5000


@pytest.mark.parametrize("created", [None, CREATED])
@pytest.mark.parametrize("times", [(None,) * 3, (5000, 9000, 7000)])
def test_shown_ages_are_the_bounds(
    times: tuple[int | None, ...], created: int | None
) -> None:
    known = dict(zip(TIMES, times, strict=True))
    rows = [
        {"state_label": label, **known, "timer_ms": 12_000, "retransmits": 2}
        for label in ("ESTABLISHED", "TIME_WAIT", "SYN_SENT", "CLOSE_WAIT", "LISTEN")
    ]
    if created is not None:
        rows = [{**row, "created_ms": created} for row in rows]
    for chosen in (rows, rows[:1], rows[1:]):
        bounds = age_bounds_ms(batch(*chosen), 60_000)
        shown = [format_age(*each) for each in bounds]
        assert age(batch(*chosen), FixedNames()) == shown
        assert all(most <= (created or inf) for _, most in bounds)


def test_without_the_setting_a_closed_socket_may_have_any_age() -> None:
    one = row("FIN_WAIT_2", timer="time-wait", timer_ms=59_000)
    assert list(age_bounds_ms(batch(one), None)) == [(0, inf)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ESTABLISHED", 4),
        ("FIN_WAIT_1", 4),
        ("FIN_WAIT_2", 4),
        ("CLOSE_WAIT", 4),
        ("CLOSING", 4),
        ("LAST_ACK", 4),
        ("LISTEN", None),
        ("TIME_WAIT", None),
        ("SYN_SENT", None),
        ("SYN_RECEIVED", None),
    ],
)
def test_only_what_moves_data_is_idle(word: str, expected: int | None) -> None:
    assert list(idle_ms(batch(row(word, (4, 9, 1))))) == [expected]
    assert list(idle_ms(batch(row(word, (9, 4, 1))))) == [expected]
    assert list(idle_ms(batch(row(word)))) == [None]
