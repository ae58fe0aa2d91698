"""A command that goes on, and the lines that it has printed so far."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import PATIENCE


class Stream:
    """A running command whose output goes to a file."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._path = folder / "out"
        self.errors = folder / "err"
        with open(self._path, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err)

    @property
    def text(self) -> str:
        """What has been printed in whole lines."""
        text = self._path.read_text("utf-8")
        return text[: text.rfind("\n") + 1]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The objects printed so far."""
        return [json.loads(line) for line in self.text.splitlines()]

    def wait_for(self, is_there: Callable[[], object]) -> None:
        """Wait until something is so."""
        end = time.monotonic() + PATIENCE
        while not is_there():
            told = self.errors.read_text("utf-8")
            assert self.process.poll() is None, told
            assert time.monotonic() < end, (told, self.text[-2000:])
            time.sleep(0.05)

    def wait_for_events(
        self, number: int, which: Callable[[dict[str, Any]], object]
    ) -> list[dict[str, Any]]:
        """Wait for so many events of a kind; return all of them."""
        self.wait_for(lambda: sum(map(bool, map(which, self.events))) >= number)
        return [event for event in self.events if which(event)]

    def end(self, by: int = signal.SIGINT) -> int:
        """End the command; return its exit code."""
        if self.process.poll() is None:
            os.kill(self.process.pid, by)
        return self.process.wait(PATIENCE)


@contextmanager
def stream(command: Sequence[str], folder: Path) -> Iterator[Stream]:
    """Run a command until the block ends."""
    running = Stream(command, folder)
    try:
        yield running
    finally:
        running.end(signal.SIGKILL)
