"""The screen of `-w` in a real terminal: stopped, continued, resized, killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import COMMAND, PATIENCE, Lab, enter_lab
from support.labs.actor import PORT


class Terminal:
    """A shell in tmux, inside the namespace of a laboratory."""

    def __init__(self, lab: Lab, folder: Path, width: int, height: int) -> None:
        self._folder = folder
        self._tmux = ["tmux", "-f", "/dev/null", "-S", str(folder / "socket")]
        shell = [*lab.enter, "bash", "--norc", "--noprofile"]
        size = ["-x", str(width), "-y", str(height)]
        environment = {**os.environ, "TERM": "xterm", "PS1": "$ ", "LC_ALL": "C.UTF-8"}
        subprocess.run(
            [*self._tmux, "new-session", "-d", *size, *shell],
            check=True,
            env=environment,
        )

    def _run(self, *words: str) -> str:
        finished = subprocess.run(
            [*self._tmux, *words], check=True, capture_output=True, text=True
        )
        return finished.stdout

    @property
    def text(self) -> str:
        """What is on the screen."""
        return self._run("capture-pane", "-p")

    def type(self, line: str) -> None:
        """Type a line."""
        self._run("send-keys", line, "Enter")

    def press(self, key: str) -> None:
        """Press a key, such as C-z."""
        self._run("send-keys", key)

    def resize(self, width: int, height: int) -> None:
        """Make the window larger or smaller."""
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def wait(self, condition: Callable[[str], bool]) -> None:
        """Wait until the screen is as it should be."""
        end = time.monotonic() + PATIENCE
        while not condition(text := self.text):
            assert time.monotonic() < end, text
            time.sleep(0.05)

    def settings(self) -> str:
        """Return what stty says of the terminal."""
        path = self._folder / f"stty{time.monotonic_ns()}"
        self.type(f"clear; stty -a > {path}; echo $((6 * 7))told")
        self.wait(lambda text: "42told" in text)
        # The size is that of the window.
        return path.read_text().split(";", 3)[3]

    def close(self) -> None:
        """End the shell and whatever it runs."""
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)


@pytest.fixture
def actor() -> Iterator[Lab]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is missing (Debian: tmux)")
    yield from enter_lab("actor")


SIZES = [(80, 24), (200, 50), (20, 5)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_terminal_is_as_it_was(
    actor: Lab, tmp_path: Path, width: int, height: int
) -> None:
    actor.ask(["pair"])
    terminal = Terminal(actor, tmp_path, width, height)
    try:
        terminal.wait(lambda text: "$" in text)
        before = terminal.settings()
        watch = f"clear; {COMMAND[0]} -tan -w 0.3 port = :{PORT}"
        terminal.type(watch)
        terminal.wait(lambda text: "every 0.3" in text)
        terminal.press("C-z")
        terminal.wait(lambda text: text.rstrip().endswith("$"))
        assert terminal.settings() == before
        terminal.type("clear; fg")
        terminal.wait(lambda text: "every 0.3" in text)
        for size in [*SIZES, (width, height)]:
            terminal.resize(*size)
            terminal.wait(lambda text: "every 0.3" in text)
            shown = terminal.text.splitlines()
            assert max(map(len, shown)) <= size[0]
        terminal.press("C-c")
        assert terminal.settings() == before
        terminal.type(f"{watch} & wait")
        terminal.wait(lambda text: "every 0.3" in text)
        terminal.press("C-c")
        terminal.type("kill -9 $!; wait; clear")
        assert terminal.settings() == before
    finally:
        terminal.close()
