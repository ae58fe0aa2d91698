"""Where text goes: data to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from typing import BinaryIO

from tcpstates.errors import TcpstatesError

_DEFAULT_WIDTH = 80
_WIDEST = 65_535  # what a terminal can be: ws_col, ioctl_tty(2)


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
    """Where data go, with what is known of the terminal behind it.

    `is_terminal` is False for a file. Text is in the terminal's encoding, but that of
    machine formats in UTF-8 everywhere.
    """

    def __init__(self) -> None:
        """Look at standard output once; it may be closed where a file is written."""
        self._stream: BinaryIO | None = sys.stdout.buffer if sys.stdout else None
        if sys.stdout is None:  # click writes --help without a look
            sys.stdout = TextIOWrapper(BytesIO(), encoding="utf-8")
        self.encoding = sys.stdout.encoding or "ascii"
        self.is_terminal = sys.stdout.isatty()

    @contextmanager
    def into(self, path: str | None) -> Iterator[None]:
        """Write to a file instead, all of it or nothing; None or "-": as before."""
        if path is None or path == "-":
            yield
            return
        from tcpstates.cli.atomic_file import whole_file

        before = self._stream, self.is_terminal, self.encoding
        try:
            with whole_file(path) as stream:
                self._stream, self.is_terminal, self.encoding = stream, False, "utf-8"
                yield
        except OSError as error:
            text = f"cannot write {path!r}: {error.strerror or error}"
            raise OutputError(text) from error
        finally:
            self._stream, self.is_terminal, self.encoding = before

    @property
    def width(self) -> int:
        """Return the terminal's width in cells, from COLUMNS or the terminal."""
        columns = os.environ.get("COLUMNS", "")
        if columns.isascii() and columns.isdecimal() and len(columns) < 10:
            return min(int(columns), _WIDEST) or self._terminal_width()
        return self._terminal_width()

    def _terminal_width(self) -> int:
        try:
            return os.get_terminal_size(sys.stdout.fileno()).columns or _DEFAULT_WIDTH
        except (OSError, ValueError):  # no terminal or no descriptor
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

    def write(self, chunks: Iterable[str], *, encoding: str | None = None) -> None:
        """Write texts as they come; characters that do not fit are escaped.

        Raise OutputError, or ReaderGone.
        """
        chosen, stream = encoding or self.encoding, self._stream
        if stream is None:
            raise OutputError("cannot write output: standard output is closed")
        for chunk in chunks:
            text = memoryview(chunk.encode(chosen, "backslashreplace"))
            try:
                # An unbuffered stream (python -u) may take a part at a time.
                while written := stream.write(text) if text else 0:
                    text = text[written:]
            except OSError as error:
                raise self._failed(error) from error

    def flush(self) -> None:
        """Write what is waiting, click's own text too; errors as from `write`."""
        try:
            sys.stdout.flush()
            if self._stream is not None:
                self._stream.flush()
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> Exception:
        """Return what a failed write means; a file's own name is told by `into`."""
        is_file = self._stream is not sys.stdout.buffer
        return error if is_file else output_error(error)


def warn(text: str) -> None:
    """Print one line on standard error."""
    from tcpstates.text import sanitise_line

    _tell(f"tcpstates: {sanitise_line(text)}\n")


def point_at(text: str, span: tuple[int, int]) -> None:
    """Print a text on standard error, and below it what marks a part of it."""
    from tcpstates.text import mark_part

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
