"""Read sockets through the system's own netstat, if there is no better source.

On Windows, `netstat.exe -ano` is the last resort. On macOS, `netstat -anv` shows every
socket and its process even to unprivileged users. Both are started by their absolute
path, so a program of that name in PATH or in the current directory is never run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence

from tcpstates.batch import Batch
from tcpstates.capabilities import ONLY_STATES_AND_PIDS
from tcpstates.collect.restrict import restrict_batch
from tcpstates.collect.saved.source import service_port
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, OwnersBy, Request
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import to_batches
from tcpstates.states import OtherState
from tcpstates.wording import plural

_DEADLINE = 15  # seconds
_NO_WINDOW = 0x08000000  # CREATE_NO_WINDOW, winbase.h
_MACOS = "/usr/sbin/netstat"

Run = Callable[[Sequence[str]], bytes]


class NetstatSource:
    """The output of Windows' netstat.exe: state, endpoints, pid."""

    name = "netstat"
    lacks = ONLY_STATES_AND_PIDS
    owners_by = OwnersBy.PID
    reads_everything = True

    def __init__(self, folder: str | None = None, run: Run | None = None) -> None:
        self._folder = folder
        self._run = run or run_program

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield all sockets once the program has finished; see `model.Source`."""
        folder = self._folder or _system_folder()
        if folder is None:
            raise SourceUnavailable(self.name, "available on Windows only")
        # q also shows bound sockets; it requires Windows 8.1 or newer.
        flags = "-anoq" if OtherState.BOUND in request.states else "-ano"
        program = f"{folder}\\netstat.exe"
        output = _started(self.name, self._run, [program, flags])
        text = output.decode(_console_encoding(), "replace")
        yield from parse_listing(text, request, limitations)


def read_macos(
    request: Request, limitations: list[Limitation], run: Run | None = None
) -> Iterator[Batch]:
    """Yield the sockets of macOS, with pids, which its netstat shows to every user."""
    output = _started("netstat", run or run_program, [_MACOS, "-anv"])
    text = output.decode("utf-8", "surrogateescape")
    yield from parse_listing(text, request, limitations)


def parse_listing(
    text: str, request: Request, limitations: list[Limitation]
) -> Iterator[Batch]:
    """Parse a listing; count the lines that cannot be parsed."""
    reader = Reader(service_port, format="netstat")
    lines = (line.rstrip("\r") for line in text.split("\n"))
    rows = [*reader.read(lines), *reader.finish()]
    for batch in to_batches(rows):
        kept = restrict_batch(batch, request)
        if kept is not None:
            yield kept
    if reader.unreadable:
        count = reader.unreadable
        noun = plural(count, "line")
        limit = Limitation(
            "rows-skipped", f"skipped {count} unreadable {noun} of netstat"
        )
        limitations.append(limit)


def _started(source: str, run: Run, command: Sequence[str]) -> bytes:
    import subprocess

    try:
        return run(command)
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"{command[0]}: {type(error).__name__}: {error}"
        raise SourceUnavailable(source, reason) from error


def run_program(command: Sequence[str]) -> bytes:
    """Return a program's output; run it without shell or window, with a timeout."""
    import subprocess

    finished = subprocess.run(  # noqa: S603  (an absolute path of the system)
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_DEADLINE,
        check=True,
        cwd=os.path.dirname(command[0]),
        creationflags=_NO_WINDOW if sys.platform == "win32" else 0,
    )
    return finished.stdout


if sys.platform == "win32":

    def _system_folder() -> str | None:
        """Ask Windows for its system directory.

        The environment could name any directory.
        """
        import ctypes

        buffer = ctypes.create_unicode_buffer(260)
        length = ctypes.windll.kernel32.GetSystemDirectoryW(buffer, len(buffer))
        return buffer.value if 0 < length < len(buffer) else None

else:

    def _system_folder() -> str | None:
        """Return None: this is not Windows."""
        return None


def _console_encoding() -> str:
    """Return the encoding of consoles, the OEM code page."""
    return "oem" if sys.platform == "win32" else "cp850"
