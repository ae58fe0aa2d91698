"""Where text goes: data to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from tcpstates.errors import TcpstatesError

_DEFAULT_WIDTH = 80


class OutputError(TcpstatesError):
    """Standard output cannot be written: it is closed, or its disk is full."""


class ReaderGone(TcpstatesError):
    """The reader has closed the pipe: it has seen enough, which is no error."""


def output_error(error: OSError) -> TcpstatesError:
    """Return what a failed write means."""
    if isinstance(error, BrokenPipeError):
        return ReaderGone("the reader has closed the pipe")
    return OutputError(f"cannot write output: {error.strerror}")


class Output:
    """Standard output as bytes, with what is known of the terminal behind it."""

    def __init__(self) -> None:
        """Look at the stream once; raise OutputError when it is closed."""
        if sys.stdout is None:
            raise OutputError("cannot write output: standard output is closed")
        self._stream = sys.stdout.buffer
        self.encoding = sys.stdout.encoding or "ascii"
        self.is_terminal = sys.stdout.isatty()

    @property
    def width(self) -> int:
        """Return the terminal's width in cells, from COLUMNS or the terminal."""
        columns = os.environ.get("COLUMNS", "")
        if columns.isdecimal() and int(columns):
            return int(columns)
        try:
            return os.get_terminal_size(sys.stdout.fileno()).columns or _DEFAULT_WIDTH
        except (OSError, ValueError):
            return _DEFAULT_WIDTH

    def wants_color(self, choice: str) -> bool:
        """Tell whether to colour: --color, then NO_COLOR, then the terminal."""
        if choice != "auto":
            return choice == "always"
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        return self.is_terminal or os.environ.get("CLICOLOR_FORCE") not in (
            None,
            "",
            "0",
        )

    def write(self, chunks: Iterable[str]) -> None:
        """Write texts as they come; characters that do not fit are escaped.

        Raise OutputError, or ReaderGone.
        """
        encoding, stream = self.encoding, self._stream
        for chunk in chunks:
            text = memoryview(chunk.encode(encoding, "backslashreplace"))
            try:
                # An unbuffered stream (python -u) may take a part at a time.
                while written := stream.write(text) if text else 0:
                    text = text[written:]
            except OSError as error:
                raise output_error(error) from error

    def flush(self) -> None:
        """Write what is waiting, click's own text too; errors as from `write`."""
        try:
            sys.stdout.flush()
            self._stream.flush()
        except OSError as error:
            raise output_error(error) from error


def complain(text: str) -> None:
    """Print one line on standard error."""
    from tcpstates.render.text import sanitise_line

    _tell(f"tcpstates: {sanitise_line(text)}\n")


def point_at(text: str, span: tuple[int, int]) -> None:
    """Print a text on standard error, and below it what marks a part of it."""
    from tcpstates.render.text import mark_part

    line, mark = mark_part(text, span, _DEFAULT_WIDTH - 4)
    _tell(f"  {line}\n  {mark}\n")


def _tell(text: str) -> None:
    """Write to standard error; a closed one is no reason to fail."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            pass  # there is nowhere left to say so
