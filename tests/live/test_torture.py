"""Every system call of every kind fails once, and no answer is wrong.

This is the quick form, some calls of each kind. The full one, all calls with all
errors, is `tests/support/torture.py` run by hand: see tests/README.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import SUPPORT

CALLS_OF_A_KIND = 8


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount /proc"
)
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing")
def test_no_failing_call_makes_an_answer_wrong() -> None:
    namespaces = ["unshare", "-n", "-p", "-f", "--mount-proc"]
    script = [sys.executable, str(SUPPORT / "torture.py")]
    finished = subprocess.run(
        [*namespaces, *script, "--most", str(CALLS_OF_A_KIND)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    *wrong, last = finished.stdout.splitlines()
    assert wrong == [], finished.stderr
    summary = json.loads(last)
    assert all(each["runs"] > 50 for each in summary.values()), summary
    assert finished.returncode == 0
