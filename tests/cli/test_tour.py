"""The tour: eight screens that fit, with real sockets, and a clean end."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tcpstates
from conftest import COMMAND, PATIENCE, Lab, finish, run_command
from tcpstates.lifecycle.tour_pages import PAGES

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="sequences are performed on Linux"
)
RIGHT = "".join(f"{'abcd'[page.right]}\n\n" for page in PAGES)


def pages(text: str) -> list[str]:
    """Split what the tour has printed."""
    return re.split(r"^(?=\d/8  )", text, flags=re.MULTILINE)[1:]


def test_eight_screens_with_real_sockets() -> None:
    finished = run_command("tour", input=RIGHT, env={"COLUMNS": "80"})
    assert finished.returncode == 0, finished.stderr
    shown = pages(finished.stdout)
    assert [page.split("\n")[0][5:] for page in shown] == [p.title for p in PAGES]
    assert all(page.count("Right. ") == 1 for page in shown)
    for page in shown:
        # All that is to be read before the answer is typed, and its prompt.
        lines = page.partition("\nRight. ")[0].splitlines()
        assert len(lines) <= 23, page
        assert max(map(len, lines)) <= 80
    port = re.search(r"sport = :(\d+)", shown[0])
    assert port
    assert f"127.0.0.1:{port[1]}  0.0.0.0:*" in shown[0]
    assert shown[2].count("ESTABLISHED ") == 4
    assert "!" not in shown[1].partition("$")[2].partition("Which")[0]
    assert shown[5].count("time-wait(") == 2
    assert "leaks sockets: 6 in CLOSE_WAIT" in shown[6]
    assert "\n0\n" in shown[7]
    assert "nothing to see" in shown[7]
    # Only the kernel's memory of it is left.
    left = run_command("-tan", f"sport = :{port[1]} or dport = :{port[1]}").stdout
    assert "LISTEN" not in left
    assert "CLOSE_WAIT" not in left


def test_wrong_answers_are_put_right_and_q_ends() -> None:
    finished = run_command("tour", input="c\nq\n")
    assert f"a: {PAGES[0].choices[0]}." in finished.stdout
    assert len(pages(finished.stdout)) == 1
    assert finished.returncode == 0
    finished = run_command("tour", input="x\n")
    assert "type a letter from a to c; q ends" in finished.stderr
    assert finished.returncode == 0


def test_as_another_user(lab: Lab) -> None:
    switch = lab.nobody()[: -len(COMMAND)]
    # The tour starts further processes, so the interpreter must be theirs to run.
    found = [path for path in sys.path if path.endswith("site-packages")]
    path = os.pathsep.join([*found, str(Path(tcpstates.__file__).parents[1])])
    python = ["env", f"PYTHONPATH={path}", "/usr/bin/python3", "-m", "tcpstates"]
    if lab.run(*switch, *python, "-V").returncode:
        pytest.skip("another user cannot run /usr/bin/python3 with these packages")
    finished = finish([*lab.enter, *switch, *python, "tour"], input=RIGHT)
    assert finished.returncode == 0, finished.stderr
    assert len(pages(finished.stdout)) == 8


def test_on_a_terminal_it_ends_cleanly_on_ctrl_c() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "tour"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(theirs)
    text = b""
    while b"answer: " not in text:
        assert select.select([ours], [], [], PATIENCE)[0]
        text += os.read(ours, 1000)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    os.close(ours)
    assert not Path(f"/proc/{process.pid}").exists()
