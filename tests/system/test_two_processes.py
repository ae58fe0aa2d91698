"""Long listings are formatted by two processes: the same bytes, and nothing is left."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from conftest import PATIENCE, Lab, enter_lab

if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
    pytest.skip("there is only one processor", allow_module_level=True)

F_SETPIPE_SZ, ROOM = 1031, 1 << 20  # fcntl(2); as much as any user may have
CONNECTIONS = 5000  # each with both ends here
# Prints on standard error which processes are forked.
PROGRAM = """
import os, sys
os.register_at_fork(after_in_child=lambda: os.write(2, b"child %d\\n" % os.getpid()))
if sys.argv[1] == "alone":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.argv[:2] = ["tcpstates"]
from tcpstates.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with contextmanager(enter_lab)("plenty", str(CONNECTIONS)) as found:
        yield found


def command(lab: Lab, arguments: str, *, alone: bool = False) -> list[str]:
    mode = "alone" if alone else "together"
    return [*lab.enter, sys.executable, "-c", PROGRAM, mode, *arguments.split()]


@pytest.mark.parametrize(
    "arguments",
    [
        "-tan",
        "-tanH --color always",
        "-tane",
        "--csv -tan",
        "--json -tanmi",
        "--jsonl -tan",
        "-tan --limit 6000",
        "-tan sport = :8080",
        "-tanp",
        "--jsonl -tanp",
        "-tan process ~ python",
    ],
)
def test_two_processes_print_what_one_prints(lab: Lab, arguments: str) -> None:
    one = lab.run(*command(lab, arguments, alone=True)[len(lab.enter) :])
    two = lab.run(*command(lab, arguments)[len(lab.enter) :])
    assert one.returncode == two.returncode == 0
    assert "child" not in one.stderr
    assert two.stderr.count("child") == 1
    assert without_clocks(two.stdout) == without_clocks(one.stdout)
    assert one.stdout.count("ESTAB") >= CONNECTIONS


def without_clocks(text: str) -> str:
    """Leave out what changes from one moment to the next."""
    return re.sub(r'"(taken_at|\w+_ms|\w*time\w*)": [^,}]*', "", text)


@pytest.mark.parametrize("arguments", ["-ltn", "-tan --sort -recv-q", "-tac", "-s"])
def test_other_work_is_not_shared(lab: Lab, arguments: str) -> None:
    finished = lab.run(*command(lab, arguments)[len(lab.enter) :])
    assert finished.returncode == 0
    assert "child" not in finished.stderr


@contextmanager
def started(lab: Lab) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Give a listing that waits for its reader, and the pid of its child."""
    words = command(lab, "--csv -taneo")
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # The child is started after 2000 sockets, which have to fit into the pipe.
        fcntl.fcntl(process.stdout, F_SETPIPE_SZ, ROOM)
        word, pid = process.stderr.readline().split()
        assert word == b"child"
        yield process, int(pid)


def is_gone(pid: int) -> bool:
    """Wait until a process has ended; False if it does not end."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
        if status.rpartition(")")[2].split()[0] == "Z":  # whoever has it is slow
            return True
        sleep(0.01)
    return False


def test_no_child_is_left_when_the_reader_leaves(lab: Lab) -> None:
    with started(lab) as (process, child):
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert is_gone(child)


@pytest.mark.parametrize("number", [2, 9, 15])
def test_no_child_is_left_when_the_program_is_ended(lab: Lab, number: int) -> None:
    with started(lab) as (process, child):
        process.send_signal(number)
        process.wait(PATIENCE)
        assert is_gone(child)


def test_a_child_that_is_ended_loses_no_socket(lab: Lab) -> None:
    with started(lab) as (process, child):
        os.kill(child, 9)
        printed, _ = process.communicate()
        assert process.returncode == 0
        assert printed.count(b"\n") == 2 * CONNECTIONS + 2


def test_without_room_for_a_process_one_does_everything(lab: Lab) -> None:
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is missing (Debian: util-linux)")
    user = lab.nobody()
    finished = lab.run("prlimit", "--nproc=1:1", *user, "-tan")
    assert finished.returncode == 0, finished.stderr
    assert len(finished.stdout.splitlines()) == 2 * CONNECTIONS + 2
    assert finished.stderr == ""
