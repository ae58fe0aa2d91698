"""The tests themselves, where a system lacks what Linux has: they are skipped, not lost."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from conftest import NOT_EVERYWHERE, TESTS, finish
from tcpstates.advice import is_possible, possible

# What Windows does not have.
SIGNALS = (
    "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGWINCH"
)
OF_OS = "getuid geteuid getpgid killpg mkfifo setns setsid sysconf O_PATH"
OF_SOCKET = "AF_NETLINK AF_UNIX MSG_DONTWAIT SO_BINDTODEVICE SO_MARK SO_REUSEPORT"
PLUGIN = f"""
import importlib.abc, os, signal, socket, sys


class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {sorted(NOT_EVERYWHERE)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


for name in {sorted(NOT_EVERYWHERE)!r}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
for module, names in ((signal, "{SIGNALS}"), (os, "{OF_OS}"), (socket, "{OF_SOCKET}")):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""


@pytest.mark.skipif(os.name != "posix", reason="this is such a system")
def test_every_file_can_be_collected_where_posix_is_missing(tmp_path: Path) -> None:
    (tmp_path / "absent.py").write_text(PLUGIN)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "absent",
        "--collect-only",
        "-q",
        "-rs",
    ]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    finished = finish([*command, str(TESTS)], env=environment, cwd=TESTS.parent)
    assert finished.returncode == 0, finished.stdout[-3000:]
    skipped = re.findall(
        r"^SKIPPED \[\d+\] (\S+): (.*)$", finished.stdout, re.MULTILINE
    )
    assert len(skipped) >= 5
    assert all("has no module" in reason for _, reason in skipped)
    collected = re.findall(r"^(\d+) tests collected", finished.stdout, re.MULTILINE)
    assert int(collected[0]) > 4000


@pytest.mark.parametrize(
    ("command", "elsewhere"),
    [
        ("tcpstates -tanp close_wait", True),
        ("tcpstates -ltn", True),
        ("tcpstates doctor --watch 10 close_wait", True),
        ("tcpstates explain close_wait", True),
        ("tcpstates sequence close", True),
        ("tcpstates --from file -ta", True),
        ("tcpstates -ltn 'recv-q > 0'", False),
        ("tcpstates -tano close_wait", False),
        ("tcpstates -tanpi close_wait and pid = 7", False),
        ("tcpstates -tan idle > 1h", False),
        ("tcpstates kill dst 10.0.0.1", False),
        ("tcpstates trace --for 1", False),
        ("tcpstates sequence close --live", False),
        ("tcpstates doctor --netns all", False),
        ("ss -K dst 10.0.0.1", False),
        ("sysctl net.ipv4.tcp_mem", False),
        ("top -H -p 7", False),
    ],
)
def test_advice_that_a_system_can_follow(command: str, elsewhere: bool) -> None:
    assert is_possible(command, "linux")
    for platform in ("win32", "darwin", "freebsd14"):
        assert is_possible(command, platform) == elsewhere
        assert possible([command], platform) == ((command,) if elsewhere else ())
