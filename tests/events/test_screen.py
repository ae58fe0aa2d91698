"""`-w` on a terminal: redrawn in place, and the terminal left as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conftest import PATIENCE, Lab, enter_lab
from support.labs.actor import PORT

FRAME = "\x1b[H"


@pytest.fixture(scope="module")
def actor() -> Iterator[Lab]:
    """Return a laboratory that opens and ends connections."""
    yield from enter_lab("actor")


class Shown:
    """A command on a terminal of its own."""

    def __init__(self, command: list[str], size: tuple[int, int]) -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(size)
        self.before = termios.tcgetattr(self._theirs)
        self.text = ""
        environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
        self.process = subprocess.Popen(
            ["env", "--default-signal=HUP,INT", "setsid", "--ctty", *command],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=subprocess.DEVNULL,
            env={**environment, "TERM": "xterm", "NO_COLOR": "1"},
        )

    def resize(self, size: tuple[int, int]) -> None:
        """Set the size: columns, lines."""
        packed = struct.pack("HHHH", size[1], size[0], 0, 0)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, packed)

    @property
    def frames(self) -> list[list[str]]:
        """The lines of every whole frame."""
        whole = self.text.split(FRAME)[1:]
        return [
            re.sub(r"\x1b\[[KJ]", "", frame).split("\r\n")[:-1]
            for frame in whole
            if frame.endswith("\x1b[J")
        ]

    def wait_for(self, pattern: str) -> list[str]:
        """Wait for a frame with a line like this; return its lines."""
        end = time.monotonic() + PATIENCE
        while True:
            for frame in reversed(self.frames):
                if any(re.search(pattern, line) for line in frame):
                    return frame
            assert time.monotonic() < end, self.text[-3000:]
            if select.select([self._ours], [], [], 0.1)[0]:
                self.text += os.read(self._ours, 65536).decode()

    def close(self) -> None:
        """End the command; the terminal is as before."""
        self.process.kill()
        self.process.wait()
        assert termios.tcgetattr(self._theirs) == self.before
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def shown(
    lab: Lab, *arguments: str, size: tuple[int, int] = (100, 24)
) -> Iterator[Shown]:
    running = Shown([*lab.enter, *lab.command, *arguments], size)
    try:
        yield running
    finally:
        running.close()


def test_what_happens_is_marked(actor: Lab) -> None:
    stays = actor.ask(["pair"])
    with shown(actor, "-tan", "-w", "0.5") as screen:
        screen.wait_for(r"every 0.5 s$")
        made = actor.ask(["pair"])
        screen.wait_for(rf"^new +tcp +ESTABLISHED .*:{made['port']}")
        actor.ask(["shut", made["number"], 0])
        screen.wait_for(rf"^was ESTABLISHED +tcp +FIN_WAIT_2 .*:{made['port']}")
        actor.ask(["abort", made["number"], 1])
        actor.ask(["abort", made["number"], 0])
        frame = screen.wait_for(r"^gone +tcp ")
        assert any(re.match(rf" +tcp .*:{stays['port']}", line) for line in frame)
        assert len(frame) <= 23
    actor.ask(["close", stays["number"], 0])
    actor.ask(["close", stays["number"], 1])


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (20, 5)])
@pytest.mark.parametrize("arguments", ["-tanp", "-s", "--by process,state"])
def test_every_size_is_enough(
    actor: Lab, size: tuple[int, int], arguments: str
) -> None:
    with shown(actor, *arguments.split(), "-w", "0.3", size=size) as screen:
        screen.wait_for(r"every|\d\d:\d\d:\d\d")
        screen.resize((60, 15))
        count = len(screen.frames)
        while len(screen.frames) < count + 2:
            screen.wait_for(r"\d\d:\d\d:\d\d")
            if select.select([screen._ours], [], [], PATIENCE)[0]:
                screen.text += os.read(screen._ours, 65536).decode()
        for frame in screen.frames[:count]:
            assert len(frame) <= size[1] - 1
        assert max(map(len, screen.frames[-1])) <= 60
        assert len(screen.frames[-1]) <= 14


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_the_terminal_is_left_as_it_was(actor: Lab, by: signal.Signals) -> None:
    with shown(actor, "-tan", "-w", "0.3") as screen:
        screen.wait_for("every")
        screen.process.send_signal(by)
        screen.process.wait(PATIENCE)  # `close` compares the modes


def test_counts_have_a_change_and_a_history(actor: Lab) -> None:
    with shown(actor, "-tan", "--by", "state", "-w", "0.4") as screen:
        screen.wait_for("history")
        made = actor.ask(["pair"])
        screen.wait_for(r"^ *\d+ +\+2 .*ESTABLISHED$")
        screen.wait_for(r"^ *\d+ +\S*[▁▂▃▄▅▆▇█]{4,} +ESTABLISHED$")
    actor.ask(["close", made["number"], 0])
    actor.ask(["close", made["number"], 1])
    assert PORT
