"""How many Python functions are called for each socket: a guard that is exact anywhere.

Times differ from machine to machine; the number of calls does not. A column that is made
by a function per socket, where a slice would do, shows here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from conftest import Lab, enter_lab

# Connections, each with both ends here: so many that a thread receives the most of both.
FEW, MANY = 7000, 9000
PROGRAM = """
import io, json, os, sys, threading
count = 0
def profile(frame, event, argument):
    global count
    count += event == "call"
if hasattr(os, "sched_setaffinity"):  # no second process, whose calls do not count
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from tcpstates.cli.app import run
kept = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
threading.setprofile(profile)
sys.setprofile(profile)
code = run(sys.argv[1:])
sys.setprofile(None)
os.write(kept, json.dumps([code, count]).encode())
"""


@pytest.fixture(scope="module")
def labs() -> Iterator[tuple[Lab, Lab]]:
    """Return two namespaces that differ in the number of their sockets only."""
    with ExitStack() as stack:
        few, many = (
            stack.enter_context(contextmanager(enter_lab)("plenty", str(number)))
            for number in (FEW, MANY)
        )
        yield few, many


def calls(lab: Lab, arguments: list[str]) -> int:
    finished = lab.run(sys.executable, "-c", PROGRAM, *arguments)
    assert finished.returncode == 0, finished.stderr
    code, number = json.loads(finished.stdout)
    assert code in (0, 1)
    return int(number)


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        ("-tan", 0.1),
        ("-tas", 0.05),
        ("-tac", 0.05),
        ("-tano", 0.5),
        ("-tani", 1.5),
        ("--json -tan", 0.2),
        ("--json -tani", 2),
        ("--csv -tan", 0.2),
        ("-tanp", 1.5),
        ("doctor", 0.4),
        ("-tan recv-q > 0", 0.1),
        ("-tan rtt > 1s", 0.5),
        ("-tan --sort -recv-q --limit 20", 0.05),
        ("-ta --by state", 0.05),
    ],
)
def test_calls_per_socket(labs: tuple[Lab, Lab], arguments: str, most: float) -> None:
    few, many = (calls(lab, arguments.split()) for lab in labs)
    sockets = labs[1].parts["sockets"] - labs[0].parts["sockets"]
    assert round((many - few) / sockets, 2) <= most


@pytest.mark.parametrize(
    ("tool", "most"), [("ss -tan", 0.3), ("netstat -tan", 0.3), ("lsof -nP -iTCP", 0.3)]
)
def test_calls_per_line(
    labs: tuple[Lab, Lab], tmp_path: Path, tool: str, most: float
) -> None:
    counted = []
    for number, lab in enumerate(labs):
        printed = lab.run(*tool.split())
        if printed.returncode == 127:
            pytest.skip(f"{tool} is missing")
        file = tmp_path / str(number)
        file.write_text(printed.stdout)
        counted.append(calls(lab, ["-tan", "--from", str(file)]))
    sockets = labs[1].parts["sockets"] - labs[0].parts["sockets"]
    assert round((counted[1] - counted[0]) / sockets, 2) <= most
