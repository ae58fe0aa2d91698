"""Output: data to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import EINVAL
from io import BytesIO, TextIOWrapper
from typing import BinaryIO

from tcpstates.errors import TcpstatesError

_DEFAULT_WIDTH = 80
_WIDEST = 65_535  # the maximum of a terminal: ws_col, ioctl_tty(2)


class OutputError(TcpstatesError):
    """Standard output is not writable: it is closed, or its disk is full."""


class ReaderGone(TcpstatesError):
    """The reader has closed the pipe: it has read enough, which is not an error."""


def output_error(error: OSError) -> TcpstatesError:
    """Convert the error of a failed write."""
    # Windows has EINVAL for a pipe whose reader has left.
    is_windows = sys.platform == "win32" and error.errno == EINVAL
    if isinstance(error, BrokenPipeError) or is_windows:
        return ReaderGone("the reader has closed the pipe")
    return OutputError(f"cannot write output: {error.strerror}")


class Output:
    """The destination of data, and the properties of its terminal.

    `is_terminal` is False for a file. Text is in the terminal's encoding; machine
    formats are always in UTF-8.
    """

    def __init__(self) -> None:
        """Examine standard output once; it may be closed if a file is written."""
        self._stream: BinaryIO | None = sys.stdout.buffer if sys.stdout else None
        if sys.stdout is None:  # click writes --help without checking
            sys.stdout = TextIOWrapper(BytesIO(), encoding="utf-8")
        self.encoding = sys.stdout.encoding or "ascii"
        self.is_terminal = sys.stdout.isatty()
        self._has_written = False

    @contextmanager
    def into(self, path: str | None) -> Iterator[None]:
        """Write to a file instead, all or nothing; None or "-": standard output."""
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
        """The terminal's width in cells, from COLUMNS or the terminal."""
        columns = os.environ.get("COLUMNS", "")
        if columns.isascii() and columns.isdecimal() and len(columns) < 10:
            return min(int(columns), _WIDEST) or self._terminal_width()
        return self._terminal_width()

    def _terminal_width(self) -> int:
        try:
            return os.get_terminal_size(sys.stdout.fileno()).columns or _DEFAULT_WIDTH
        except (OSError, ValueError):  # no terminal or no descriptor
            return _DEFAULT_WIDTH

    @property
    def height(self) -> int | None:
        """The terminal's number of lines; None: there is no terminal."""
        if not self.is_terminal:
            return None
        try:
            return os.get_terminal_size(sys.stdout.fileno()).lines or None
        except (OSError, ValueError):
            return None

    def wants_color(self, choice: str) -> bool:
        """Decide whether to colour: --color, then NO_COLOR, then the terminal."""
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
        """Write texts as they arrive; escape characters that cannot be encoded.

        Raise OutputError, or ReaderGone. If memory runs out while the texts are made,
        it is freed before MemoryError is raised.
        """
        try:
            self._write(chunks, encoding)
        except MemoryError as error:
            _free_frames(error)
            raise

    def _write(self, chunks: Iterable[str], encoding: str | None) -> None:
        chosen, stream = encoding or self._plain_encoding(), self._stream
        if stream is None:
            raise OutputError("cannot write output: standard output is closed")
        for chunk in chunks:
            text = memoryview(chunk.encode(chosen, "backslashreplace"))
            chosen = encoding or self._plain_encoding()
            try:
                # An unbuffered stream (python -u) may accept only part of the text.
                while written := stream.write(text) if text else 0:
                    text = text[written:]
            except OSError as error:
                raise self._failed(error) from error

    def _plain_encoding(self) -> str:
        """Return the encoding; for a second chunk, one that adds no second mark."""
        if not self.encoding.lower().startswith(("utf-16", "utf-32", "utf-8-sig")):
            return self.encoding
        is_first, self._has_written = not self._has_written, True
        name = self.encoding.lower().removesuffix("-sig")
        is_marked = is_first or name.endswith(("-le", "-be"))
        order = "" if is_marked or name == "utf-8" else f"-{sys.byteorder[0]}e"
        return self.encoding if is_marked else f"{name}{order}"

    def flush(self) -> None:
        """Flush buffered text, including click's own; errors as from `write`."""
        try:
            sys.stdout.flush()
            if self._stream is not None:
                self._stream.flush()
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> Exception:
        """Convert the error of a failed write; for a file, `into` adds its name."""
        is_file = self._stream is not sys.stdout.buffer
        return error if is_file else output_error(error)


def _free_frames(error: BaseException) -> None:
    """Free what the frames hold that an exception has passed through.

    CPython 3.11 allocates a number to unwind a long function, and where no memory is
    left, it tries that for ever.
    """
    held: BaseException | None = error
    while held is not None:
        held.__traceback__ = None
        held = held.__context__


def warn(*texts: str) -> None:
    """Print texts on standard error, each on one line."""
    from tcpstates.text import sanitise_line

    for text in texts:
        _write_error(f"tcpstates: {sanitise_line(text)}\n")


def point_at(text: str, span: tuple[int, int]) -> None:
    """Print a text on standard error, and mark a part of it on the line below."""
    from tcpstates.text import mark_part

    encoding = (sys.stderr.encoding if sys.stderr else None) or "ascii"

    def shown(part: str) -> str:  # what the stream makes of it
        return part.encode(encoding, "backslashreplace").decode(encoding)

    before, part, after = text[: span[0]], text[slice(*span)], text[span[1] :]
    start = len(shown(before))
    whole = shown(before) + shown(part) + shown(after)
    line, mark = mark_part(whole, (start, start + len(shown(part))), _DEFAULT_WIDTH - 4)
    _write_error(f"  {line}\n  {mark}\n")


def _write_error(text: str) -> None:
    """Write to standard error; ignore a closed one."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            pass  # no stream is left to report it
