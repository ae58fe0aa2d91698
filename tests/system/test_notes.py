"""What limits an answer is said where users read it, in every command."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import COMMAND, Lab, finish

PROGRAM = """
import sys
sys.argv = ["tcpstates", *sys.argv[1:]]
from tcpstates.collect import proc_scan
proc_scan._WORTH_HELP = 0
from tcpstates.__main__ import main
main()
"""


def notes(lab: Lab, *arguments: str) -> list[str]:
    finished = lab.tcpstates(*arguments)
    assert finished.returncode in (0, 1), finished.stderr
    lines = finished.stderr.splitlines()
    assert all(line.startswith("tcpstates: ") for line in lines)
    return [line.removeprefix("tcpstates: ") for line in lines]


def kinds(lab: Lab, *arguments: str) -> list[str]:
    told = json.loads(lab.tcpstates("--json", *arguments).stdout)
    return [limit["kind"] for limit in told["limitations"]]


@pytest.mark.parametrize("source", ["procfs", "psutil"])
def test_what_a_source_lacks_is_said(lab: Lab, source: str) -> None:
    for option, what in (("-i", "tcp_info"), ("-m", "memory")):
        text = f"source {source} does not report {what}; netlink does"
        assert notes(lab, "-ltn", option, "--source", source).count(text) == 1
        assert "field-not-told" in kinds(lab, "-lt", option, "--source", source)
        assert notes(lab, "-ltn", option) == []
    assert "field-not-told" not in kinds(lab, "-lt", "--source", source)


def test_states_that_a_source_lacks_are_said(lab: Lab) -> None:
    (text,) = notes(lab, "-tan", "--source", "procfs", "bound or listen")
    assert "source procfs does not report BOUND sockets" in text
    asked = ("-ta", "--source", "procfs", "bound or listen")
    assert kinds(lab, *asked) == ["state-not-told"]


def test_one_process_of_psutil_is_said(lab: Lab) -> None:
    text = "psutil names one process of a socket; others may own it too"
    assert notes(lab, "-tanp", "--source", "psutil", "pid = 1").count(text) == 1
    assert notes(lab, "-tanp", "--source", "procfs", "pid = 1") == []


def test_sockets_whose_process_psutil_does_not_know(lab: Lab) -> None:
    asked = ("-tap", "--source", "psutil", "exclude", "time-wait")
    rows = lab.sockets(*asked)
    number = sum(row["no_process_reason"] == "unknown" for row in rows)
    assert number > 1
    text = f"{number} sockets have no known process: psutil does not report why"
    assert text in notes(lab, *asked, "-n")
    # The laboratory has one socket that is bound to this port and owned by nobody.
    one = ("-tap", "--source", "psutil", f"sport = {lab.parts['unaccepted']}", "estab")
    (row,) = lab.sockets(*one)
    assert row["no_process_reason"] == "unknown"
    text = "1 socket has no known process: psutil does not report why"
    assert text in notes(lab, *one, "-n")


def test_another_user_may_miss_holders(lab: Lab) -> None:
    finished = lab.run(*lab.nobody(), "-tan", "pid = 1")
    assert "the owners shown may be incomplete" in finished.stderr


def test_the_doctor_and_check_say_it_too(lab: Lab) -> None:
    text = "psutil names one process of a socket; others may own it too"
    assert notes(lab, "doctor", "--source", "psutil", "pid = 1").count(text) == 1
    finished = lab.tcpstates(
        "check", "--source", "psutil", "-c", "listen=9999", "pid = 1"
    )
    assert "others may own it too" in finished.stderr + finished.stdout
    finished = lab.tcpstates("diagram", "pid = 1")
    assert finished.stderr == ""


def test_a_note_that_costs_no_row_leaves_a_check_ok(lab: Lab) -> None:
    finished = lab.tcpstates(
        "check", "--source", "procfs", "-c", "listen=9999", "listen or bound"
    )
    assert finished.stdout.startswith("TCPSTATES ")
    assert finished.returncode == (3 if "UNKNOWN" in finished.stdout else 0)
    assert "does not report BOUND sockets" in finished.stderr + finished.stdout


def test_explain_counts_from_the_next_source(lab: Lab) -> None:
    finished = lab.run("strace", "-qq", "-o", "/dev/null", "-f", "-e", "trace=socket",
                       "-e", "inject=socket:error=EPERM:when=1", *COMMAND, "diagram")  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert re.search(r"source netlink: .*procfs", finished.stderr)


# The helper process, end to end.


def test_a_helper_changes_nothing(lab: Lab) -> None:
    """Each row comes once, with the owners that one process finds."""
    asked = ("-tuanp", "--json", "exclude", "time-wait")
    by_itself = lab.tcpstates(*asked)
    finished = lab.run(sys.executable, "-c", PROGRAM, *asked)
    assert finished.stderr == by_itself.stderr
    alone, helped = (
        {
            row["cookie"]: (row["processes"], row["no_process_reason"])
            for row in json.loads(each.stdout)["sockets"]
        }
        for each in (by_itself, finished)
    )
    assert helped == alone
    assert finished.stdout.count('"cookie"') == len(alone)


@pytest.fixture
def crowded() -> Iterator[socket.socket]:
    """Hold most of the descriptors that this process may have."""
    import resource

    if sys.platform != "linux":
        pytest.skip("only Linux tells of limits")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir()))
    held = [socket.socket() for _ in range(200)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 220, before[1]))
    yield held[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    for each in held:
        each.close()


def test_descriptors_are_found_with_a_helper_too(crowded: socket.socket) -> None:
    import os

    for command in ([*COMMAND], [sys.executable, "-c", PROGRAM]):
        finished = finish([*command, "doctor", "--json"])
        told = json.loads(finished.stdout)
        found = [
            finding
            for finding in told["findings"]
            if finding["rule"] == "descriptors"
            and finding["processes"][0]["pid"] == os.getpid()
        ]
        assert len(found) == 1
        assert found[0]["numbers"]["sockets"] >= 200
