"""Every system call of every kind fails once, and no answer is wrong.

This is the quick form, some calls of each kind. The full one, all calls with all
errors, is `tests/support/tools/torture.py` run by hand: see tests/README.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from conftest import program
from support.tools.judge import Ended, Judge


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount /proc"
)
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing")
@pytest.mark.parametrize(
    ("options", "runs"),
    [("--most 1 --seconds 60", 20), ("--most 1 --interrupt --seconds 25", 8)],
    ids=["errors", "interrupts"],
)
def test_whatever_a_call_does_no_answer_is_wrong(options: str, runs: int) -> None:
    namespaces = ["unshare", "-n", "-p", "-f", "--kill-child", "--mount-proc"]
    script = program("tools.torture")
    finished = subprocess.run(
        [*namespaces, *script, *options.split()],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    *wrong, last = finished.stdout.splitlines()
    assert wrong == [], finished.stderr
    summary = json.loads(last)
    assert sum(each["runs"] for each in summary.values()) > runs, summary
    assert finished.returncode == 0


TABLE = "Proto State Recv-Q Send-Q Local Remote\ntcp LISTEN 0 16 127.0.0.1:80 *\n"
WRONG = {
    "a traceback": Ended(1, TABLE, "Traceback (most recent call last):\n"),
    "failed without a word": Ended(3, "", ""),
    "exit code 1": Ended(1, TABLE, ""),
    "somebody else's message": Ended(0, TABLE, "malloc: out of luck\n"),
    "an internal error": Ended(3, "", "tcpstates: internal error, ...\n", "read(3)"),
    "lines that are not there": Ended(0, TABLE.replace("LISTEN", "CLOSED"), ""),
    "lines are missing": Ended(0, TABLE.splitlines()[0], ""),
}


@pytest.mark.parametrize("complaint", WRONG)
def test_the_judge_sees_what_is_wrong(complaint: str) -> None:
    def run(command: list[str]) -> Ended:
        return Ended(0, '{"sockets": []}' if "--json" in command else TABLE, "")

    judge = Judge(["-tan"], run)
    assert judge.complaint(Ended(0, TABLE, "")) is None
    less = Ended(0, "", "tcpstates: something is missing\n")
    assert judge.complaint(less) is None
    assert str(judge.complaint(WRONG[complaint])).startswith(complaint)
