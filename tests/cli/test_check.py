"""Thresholds are read and judged as the guidelines of the monitoring plugins say."""

from __future__ import annotations

import os
import re

import pytest

from conftest import COMMAND, Lab, finish, run_command
from tcpstates.cli.commands.check import Result
from tcpstates.cli.thresholds import parse_threshold


@pytest.mark.parametrize(
    ("text", "fine", "crossed"),
    [
        ("close_wait=10", (0, 10), (11,)),
        ("close_wait=10:", (10, 999), (0, 9)),
        ("close_wait=~:10", (0, 10), (11,)),
        ("close_wait=10:20", (10, 20), (9, 21)),
        ("close_wait=@10:20", (9, 21), (10, 20)),
        ("listen<1", (1, 2), (0,)),
        ("listen<=1", (2,), (0, 1)),
        ("listen>3", (0, 3), (4,)),
        ("listen >= 3", (0, 2), (3,)),
    ],
)
def test_ranges(text: str, fine: tuple[int, ...], crossed: tuple[int, ...]) -> None:
    threshold = parse_threshold(text)
    assert not any(map(threshold.is_crossed, fine))
    assert all(map(threshold.is_crossed, crossed))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("close_wait", "expected NAME=RANGE"),
        ("clse_wait=1", "unknown state 'clse_wait'; did you mean close_wait"),
        ("xyzzy=1", "use a state, group or total"),
        ("listen=", "expected NAME=RANGE"),
        ("listen=5:1", "range '5:1' starts above its end"),
        ("listen=x", "invalid range 'x'"),
        ("listen=@", "invalid range '@'"),
        ("listen<1:", "expected a whole number after <"),
        ("listen=" + "9" * 99, "invalid range"),
    ],
)
def test_wrong_thresholds(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        parse_threshold(text)


def test_names_are_states_groups_or_all() -> None:
    assert parse_threshold("TIME-WAIT=1").states == frozenset({"TIME_WAIT"})
    both = frozenset({"FIN_WAIT_1", "FIN_WAIT_2"})
    assert parse_threshold("fin_wait=1").states == both
    assert parse_threshold("total=1").states is None


PERFORMANCE = re.compile(r"\S+=\d+;[@~\d:]*;[@~\d:]*;0")


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (["-w", "total=0:"], Result.OK),
        (["-w", "total=@0:"], Result.WARNING),
        (["-w", "total=@0:", "-c", "total=@0:"], Result.CRITICAL),
        (["-c", "total>=0", "dport = 1"], Result.CRITICAL),
        (["-tu4", "-w", "listen>=0", "-c", "total=0:"], Result.WARNING),
        (["-w", "bound>=0", "-c", "total=0:"], Result.WARNING),
    ],
)
def test_one_line_with_performance_data(arguments: list[str], result: Result) -> None:
    finished = run_command("check", *arguments)
    assert finished.returncode == result
    assert finished.stdout.startswith(f"TCPSTATES {result.name}: ")
    text, _, data = finished.stdout.rstrip("\n").partition(" | ")
    assert "\n" not in finished.stdout.rstrip("\n")
    assert "total" in text
    assert all(map(PERFORMANCE.fullmatch, data.split(" ")))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-c", "nothing"],
        ["-c", "total=1", "dprt = 1"],
        ["-c", "total=1", "--source", "nowhere"],
        ["-c", "total=1", "--sauce"],
        ["-c", "total=1", "--source", "psutil", "recv-q > 0"],
        ["-c", "total=1", "a|b"],
        ["-u", "-c", "close_wait<1"],
        ["-c", "close_wait=1", "-c", "CLOSE-WAIT=2"],
    ],
)
def test_what_goes_wrong_is_unknown(arguments: list[str]) -> None:
    finished = run_command("check", *arguments)
    assert finished.returncode == Result.UNKNOWN
    assert finished.stdout.startswith("TCPSTATES UNKNOWN: ")
    assert finished.stdout.count("\n") == 1
    assert "|" not in finished.stdout
    assert finished.stderr == ""  # it is said once


def test_a_reader_that_leaves_changes_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    finished = run_command("check", "-c", "total=@0:", stdout=writer, stderr=writer)
    os.close(writer)
    assert finished.returncode == Result.CRITICAL


def test_bound_sockets_are_counted_when_they_are_named(lab: Lab) -> None:
    if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 8):
        pytest.skip("this kernel does not tell of bound sockets")
    # The laboratory has one; its port is nobody else's.
    for words in ([], ["sport", "=", str(lab.parts["bound"])]):
        finished = lab.tcpstates("check", "-c", "bound=0", *words)
        assert finished.returncode == Result.CRITICAL
        assert finished.stdout == (
            "TCPSTATES CRITICAL: bound 1 (critical: over 0), see: tcpstates explain bound | bound=1;;0;0\n"
        )
    nothing = lab.tcpstates("check", "-c", "bound=0", "sport", "=", "1")
    assert nothing.returncode == Result.OK
    assert nothing.stdout == "TCPSTATES OK: bound 0 | bound=0;;0;0\n"


def test_what_may_be_hidden_is_not_ok(lab: Lab) -> None:
    asked = ("check", "-c", "total=9999", "process", "=", "sharing child")
    assert lab.tcpstates(*asked).returncode == Result.OK
    finished = lab.run(*lab.nobody(), *asked)
    assert finished.returncode == Result.UNKNOWN
    assert "more sockets may match: processes are hidden" in finished.stdout


def test_help_shows_its_examples_on_lines_of_their_own() -> None:
    for command in ("check", "completion"):
        text = run_command(command, "--help").stdout
        assert "\\b" not in text
        assert (
            len(re.findall(r"^ +(?:tcpstates|bash|fish|zsh) ", text, re.MULTILINE)) >= 2
        )


def test_a_full_disk_is_unknown() -> None:
    with open("/dev/full", "w") as full:
        finished = finish([*COMMAND, "check", "-c", "total=1"], stdout=full)
    assert finished.returncode == Result.UNKNOWN
