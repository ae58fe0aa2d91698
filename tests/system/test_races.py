"""What is looked at changes meanwhile, and the answer is still one that was true."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from conftest import COMMAND, PATIENCE, Lab, enter_lab, finish, program
from support.labs.races import IMPOSTOR, NAMES

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root makes pid namespaces",
)


@pytest.fixture(scope="module")
def flipping() -> Iterator[Lab]:
    """Return a laboratory with a process that changes its name all the time."""
    yield from enter_lab("races", "rename")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing")
def test_a_pid_that_another_process_gets_names_nobody_else() -> None:
    namespaces = ["unshare", "-n", "-p", "-f", "--kill-child", "--mount-proc"]
    script = [*program("labs.races"), "reuse"]
    finished = finish([*namespaces, *script])
    told = json.loads(finished.stdout)
    assert told["reused"], "the kernel gave another pid"
    assert told["code"] == 0
    (socket,) = told["sockets"]  # the kernel told of it before its holder ended
    names = {owner["name"] for owner in socket["processes"]}
    assert IMPOSTOR.decode() not in names


def test_a_name_is_read_whole_while_it_changes(flipping: Lab) -> None:
    for _ in range(30):
        (socket,) = flipping.sockets("-ltp")
        (owner,) = socket["processes"]
        assert owner["pid"] == flipping.parts["flipping"]
        # The kernel itself writes a few letters at a time.
        assert re.fullmatch("[ab]{12}", owner["name"]), NAMES


def test_a_storm_of_signals_changes_nothing(flipping: Lab) -> None:
    quiet = flipping.tcpstates("-ltn", "--csv").stdout
    process = subprocess.Popen(
        [*flipping.enter, *COMMAND, "-ltn", "--csv"], stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        assert time.monotonic() < deadline
        process.send_signal(signal.SIGWINCH)
        process.send_signal(signal.SIGCONT)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.read() == quiet
    assert process.returncode == 0


def test_several_at_once_do_not_disturb_each_other(flipping: Lab) -> None:
    command = [*flipping.enter, *COMMAND, "-a", "--csv"]
    alone = finish(command).stdout
    together = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    assert [process.communicate(timeout=PATIENCE)[0] for process in together] == [
        alone
    ] * 8
