"""Tell someone who waits at a terminal how much of a big file has been read."""

from __future__ import annotations

import sys
import time

import click

_PATIENCE = 1.0  # seconds before anything is shown
_PAUSE = 0.2  # seconds between two changes


class Progress:
    """A line on stderr that is overwritten; see `collect.saved.source.Progress`."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _PATIENCE
        self._width = 0  # of what is shown

    def show(self, lines: int, sockets: int) -> None:
        """Show the numbers, unless they were shown a moment ago."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _PAUSE
        text = f"tcpstates: {lines:,} lines read, {sockets:,} sockets found"
        click.echo(f"\r{text:<{self._width}}", nl=False, err=True)
        self._width = len(text)

    def hide(self) -> None:
        """Erase the line, because other output may follow."""
        if self._width:
            click.echo(f"\r{'':<{self._width}}\r", nl=False, err=True)
            self._width = 0


def progress_on_terminal() -> Progress | None:
    """Return a line of progress; None if stderr is not a terminal."""
    return Progress() if sys.stderr is not None and sys.stderr.isatty() else None
