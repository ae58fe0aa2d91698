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

FEW, MANY = 1000, 3000  # connections, each with both ends here
PROGRAM = """
import io, json, os, sys, threading
count = 0
def profile(frame, event, argument):
    global count
    count += event == "call"
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
        ("-tan", 0.05),
        ("-tas", 0.05),
        ("-tac", 0.05),
        ("-tano", 0.8),
        ("-tani", 2.5),
        ("--json -tan", 0.1),
        ("--json -tani", 2),
        ("--csv -tan", 0.1),
        ("-tanp", 2.5),
        ("doctor", 0.5),
        ("-tan recv-q > 0", 0.05),
        ("-tan rtt > 1s", 1),
        ("-tan --sort -recv-q --limit 20", 0.05),
        ("-ta --by state", 0.05),
    ],
)
def test_calls_per_socket(labs: tuple[Lab, Lab], arguments: str, most: float) -> None:
    few, many = (calls(lab, arguments.split()) for lab in labs)
    sockets = labs[1].parts["sockets"] - labs[0].parts["sockets"]
    assert round((many - few) / sockets, 2) <= most


@pytest.mark.parametrize(
    ("tool", "most"), [("ss -tan", 2), ("netstat -tan", 2), ("lsof -nP -iTCP", 3)]
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
