"""Texts that are longer than the terminal, page by page."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from conftest import COMMAND, PATIENCE, run_command

needs_less = pytest.mark.skipif(
    not Path("/usr/bin/less").exists(), reason="missing: less"
)
LONG, SHORT = ("explain", "glossary"), ("explain", "mss")


class Terminal:
    """A program on a terminal of 24 lines that is its own."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.text = ""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *COMMAND, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "LESS": "", **environment},
        )

    def wait_for(self, part: str) -> None:
        """Read until a part of the text is there."""
        end = time.monotonic() + PATIENCE
        while part not in self.text:
            assert time.monotonic() < end, self.text
            self.read()

    def read(self) -> None:
        """Read what is there."""
        if select.select([self._ours], [], [], 0.1)[0]:
            self.text += os.read(self._ours, 4096).decode()

    def press(self, keys: str) -> None:
        """Type something."""
        os.write(self._ours, keys.encode())

    def end(self, keys: str = "") -> int:
        """Wait for the end, typing keys; return the exit code."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, self.text
            self.press(keys)
            self.read()
        while select.select([self._ours], [], [], 0)[0]:
            self.read()
        assert termios.tcgetattr(self._theirs) == self.before
        return int(self.process.returncode)

    def close(self) -> None:
        """End the program, if it has not ended."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def terminal(*arguments: str, **environment: str) -> Iterator[Terminal]:
    opened = Terminal(*arguments, **environment)
    try:
        yield opened
    finally:
        opened.close()


@needs_less
@pytest.mark.parametrize("first", ["", "\x03"])
def test_a_long_text_waits_for_a_key(first: str) -> None:
    whole = run_command(*LONG, env={"COLUMNS": "80"}).stdout
    with terminal(*LONG, PAGER="/bin/false") as shown:
        shown.wait_for(":")
        shown.wait_for(whole.splitlines()[20])
        assert whole.splitlines()[-1] not in shown.text
        assert shown.process.poll() is None
        shown.press(first)  # less forgets what was typed before an interrupt
        assert shown.end("q") == 0


@needs_less
def test_it_may_not_start_programs(tmp_path: Path) -> None:
    with terminal(*LONG) as shown:
        shown.wait_for(":")
        shown.press(f"!touch {tmp_path}/made\n")
        shown.wait_for("not available")
        shown.press("qq")
        assert shown.end() == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (SHORT, {}),
        (LONG, {"PAGER": "cat"}),
        (LONG, {"PAGER": ""}),
        (LONG, {"TERM": "dumb"}),
        ((*LONG, "--json"), {}),
    ],
)
def test_what_is_just_printed(
    arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    whole = run_command(*arguments, env={"COLUMNS": "80"}).stdout
    with terminal(*arguments, **environment) as shown:
        assert shown.end() == 0
        assert shown.text.replace("\r\n", "\n") == whole
