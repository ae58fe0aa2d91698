"""What a second scan makes of a finding."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import pytest

from support.fakes.ordinary import finding
from tcpstates.doctor.findings import Severity
from tcpstates.doctor.trends import compare


@pytest.mark.parametrize(
    ("before", "after", "word", "severity"),
    [
        ([5], [5], "stays", Severity.NOTICE),
        ([5], [4], "shrinks", Severity.NOTICE),
        ([5], [6], "grows", Severity.NOTICE),
        ([], [6], "new", Severity.NOTICE),
        ([5], [], "gone", Severity.NOTICE),
    ],
)
def test_trends(
    before: list[int], after: list[int], word: str, severity: Severity
) -> None:
    first, second = (
        [finding(size=size) for size in sizes] for sizes in (before, after)
    )
    (found,) = compare(first, second, 2.0)
    assert found.trend is not None
    assert (found.trend.change, found.severity) == (word, severity)
    assert (found.trend.before, found.trend.after) == (sum(before), sum(after))


def test_growth_is_a_warning_where_nothing_goes_on() -> None:
    staying: dict[str, Any] = {
        "is_urgent_when_growing": True,
        "ages": (1.0, *(2500.0,) * 5),
    }
    (found,) = compare([finding(size=5)], [finding(size=6, **staying)], 2.0)
    assert found.severity == Severity.WARNING
    changing = staying | {"ages": (1.0,) * 6}  # others than before
    (found,) = compare([finding(size=5)], [finding(size=6, **changing)], 2.0)
    assert found.severity == Severity.NOTICE


def test_a_warning_that_falls_below_its_threshold_shrinks() -> None:
    first = finding(size=9, severity=Severity.WARNING)
    second = finding(size=8, is_provisional=True)
    (found,) = compare([first], [second], 2.0)
    assert found.trend is not None
    assert found.trend.change == "shrinks"


@pytest.mark.parametrize(
    ("before", "after", "oldest", "count"),
    [(5, 6, 2000, 1), (5, 6, 1000, 0), (6, 5, 2000, 0), (5, 5, 2000, 0)],
)
def test_what_only_growth_makes_suspicious(
    before: int, after: int, oldest: int, count: int
) -> None:
    first = finding(size=before, is_provisional=True)
    ages = (float(oldest),) * after
    second = finding(size=after, is_provisional=True, ages=ages)
    assert len(compare([first], [second], 2.0)) == count


STAYING: dict[str, Any] = {"is_urgent_when_staying": True, "ages": (2500.0,) * 5}


def test_what_should_go_away_and_stays_is_a_warning() -> None:
    (found,) = compare([finding(size=5)], [finding(size=5, **STAYING)], 2.0)
    assert found.severity == Severity.WARNING
    others = STAYING | {"ages": (100.0,) * 5}  # as many, but others
    (found,) = compare([finding(size=5)], [finding(size=5, **others)], 2.0)
    assert found.severity == Severity.NOTICE
    (found,) = compare([finding(size=6)], [finding(size=5, **STAYING)], 2.0)
    assert found.severity == Severity.NOTICE
    assert compare([], [finding(is_provisional=True, **STAYING)], 2.0) == []
    unknown = STAYING | {"ages": (), "is_urgent_when_growing": True}
    for size in (5, 6):
        (found,) = compare([finding(size=5)], [finding(size=size, **unknown)], 2.0)
        assert found.severity == Severity.NOTICE
    hidden = finding(is_provisional=True, **unknown)
    assert compare([hidden], [hidden], 2.0) == []


def test_what_starts_between_two_scans_grows_from_nothing() -> None:
    new = finding(
        size=7, starts_at_zero=True, is_urgent_when_growing=True, is_provisional=True
    )
    (found,) = compare([], [new], 2.0)
    assert found.trend is not None
    assert (found.trend.change, found.trend.before) == ("grows", 0)
    assert found.severity == Severity.WARNING


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        (5, 5, Severity.NOTICE),
        (6, 5, Severity.NOTICE),
        (4, 5, Severity.WARNING),
        (0, 5, Severity.WARNING),
    ],
)
def test_a_pool_matters_only_if_it_grows(
    before: int, after: int, severity: Severity
) -> None:
    parts: dict[str, Any] = {
        "severity": Severity.WARNING,
        "is_harmless_when_staying": True,
    }
    first = [finding(size=before, **parts)] if before else []
    (found,) = compare(first, [finding(size=after, **parts)], 2.0)
    assert found.severity == severity
    parts["severity"] = Severity.CRITICAL
    (found,) = compare([finding(**parts)], [finding(**parts)], 2.0)
    assert found.severity == Severity.CRITICAL


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ({1: 10, 2: 10}, {1: 10, 2: 10}, 0),
        ({1: 10, 2: 10}, {1: 10, 2: 11}, 1),
        ({1: 10, 2: 10, 3: 9}, {1: 11, 2: 11, 3: 10}, 3),
        ({}, {1: 12}, 0),
    ],
)
def test_what_moves_is_slow_not_stuck(
    before: dict[Hashable, int], after: dict[Hashable, int], moved: int
) -> None:
    first = finding(rule="unread", moved=before, severity=Severity.WARNING)
    second = replace(first, moved=after)
    (found,) = compare([first], [second], 2.0)
    is_most = moved * 2 > 5
    assert found.severity == (Severity.NOTICE if is_most else Severity.WARNING)
    said = f"bytes have moved meanwhile on {moved} of 5 connections"
    assert (said in found.evidence) == bool(moved)


@pytest.mark.parametrize(
    ("before", "after", "count"), [(50, 59, 0), (50, 60, 1), (50, 49, 0), (0, 60, 1)]
)
def test_only_notable_growth_is_reported(before: int, after: int, count: int) -> None:
    parts: dict[str, Any] = {
        "is_provisional": True,
        "notable_growth": 10,
        "starts_at_zero": True,
    }
    first = [finding(size=before, **parts)] if before else []
    found = compare(first, [finding(size=after, **parts)], 2.0)
    assert [f.severity for f in found] == [Severity.NOTICE] * count
