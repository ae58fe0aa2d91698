"""One connection to another host: the greeting, the program, questions and answers.

Nothing on the far side is trusted: lines and answers have a size, and everything has a
deadline. After a failure, a session is of no use any more.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Thread
from typing import IO, Any, NamedTuple

from tcpstates.errors import SourceUnavailable
from tcpstates.fleet.batches import BEGIN
from tcpstates.fleet.bootstrap import ASK_PYTHON, ASK_WINDOWS, PROGRAM, READY, TEXT
from tcpstates.fleet.checks import BadAnswer
from tcpstates.fleet.pipes import Pipes, TooLarge, TooLate, end
from tcpstates.fleet.program import program
from tcpstates.fleet.targets import Target
from tcpstates.text import sanitise_line

_MOST_BEFORE = 1 << 16  # bytes before the greeting
_MOST_ERRORS = 1 << 16
_LONGEST_REASON = 300  # characters
_BATCH = BEGIN.encode()
_NAMES_ERROR = re.compile(
    r"^(\w+ )?error\b|: (invalid|unrecognized|unknown) ", re.IGNORECASE
)
_EXPLAINS = re.compile("try |see |run |usage|more help", re.IGNORECASE)
_SSH_FAILED = 255  # ssh's own exit code for its own errors

Take = Callable[[Any], None]  # a batch, as JSON


class Wanted(NamedTuple):
    """What every question of a session is about."""

    source: str = "auto"
    netns: tuple[str, ...] = ()
    seconds: float = 10  # for which an answer may take


class HostFailed(SourceUnavailable):
    """A host that cannot be reached, or does not answer as it should."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.args = (f"{name}: {reason}",)


class Session:
    """A connection; it is used by one thread at a time."""

    def __init__(self, target: Target, wanted: Wanted) -> None:
        self._target, self._wanted = target, wanted
        self._pipes: Pipes | None = None
        self._errors = bytearray()
        self._drain: Thread | None = None
        self._is_aborted = False
        self.tool: str | None = None  # what prints text there; None: our program
        self.machine = ""  # as uname -sm names it, where text is printed

    @property
    def is_open(self) -> bool:
        """Whether it has connected; then questions can be asked, or text be read."""
        return self._pipes is not None

    def answer(self, question: Mapping[str, Any]) -> Any:
        """Ask, connecting first if need be; None: a tool there cannot be asked."""
        if self.tool is None and not self.is_open:
            self.open()
        return self.ask(question) if self.tool is None else None

    def open(self) -> None:
        """Connect; raise HostFailed."""
        try:
            self._start(ASK_PYTHON)
            self._greet()
        except HostFailed:
            if not self._has_no_shell():
                raise
            self.close()
            self._start(ASK_WINDOWS)
            self.tool = "netstat"

    def ask(self, question: Mapping[str, Any], take: Take | None = None) -> Any:
        """Ask our program there; `take` gets each batch. Raise HostFailed."""
        self._begin()
        self._send(json.dumps(question).encode() + b"\n")
        while line := self._line():
            data = self._object(line)
            if line.startswith(_BATCH):
                if take is None:
                    raise self._failed("unexpected answer: sockets")
                take(data["batch"])
                continue
            if "error" in data:
                raise HostFailed(self._target.name, _short(data["error"]))
            return data.get("done")
        raise self._failed("the answer ends too early")

    def lines(self) -> Iterator[str]:
        """Read what a tool prints there, once; raise HostFailed, also for a part."""
        self._begin()
        while line := self._line():
            yield line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        code = None if self._pipes is None else self._pipes.exit_code()
        if code != 0:
            raise self._failed(f"its answer may be incomplete: exit code {code}")
        self.close()

    def close(self) -> None:
        """End the connection."""
        pipes, self._pipes = self._pipes, None
        if pipes is not None:
            pipes.close()
        if self._drain is not None:
            self._drain.join(0.5)  # a shared connection may keep it open

    def abort(self) -> None:
        """End what connects, so that the thread that uses this session goes on."""
        self._is_aborted = True
        if self._pipes is not None:
            self._pipes.give_up()

    def bad(self, error: BadAnswer) -> HostFailed:
        """Say that an answer was not as it should be."""
        return HostFailed(self._target.name, f"invalid answer: {error}")

    def _start(self, words: Sequence[str]) -> None:
        if self._is_aborted:
            raise self._failed("interrupted")
        start = time.monotonic()
        arguments = self._target.arguments(words)
        self._errors.clear()
        self.tool, self.machine = None, ""
        try:
            process = subprocess.Popen(  # noqa: S603  (words, never a shell)
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=sys.platform != "win32",
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            text = f"{arguments[0]}: {reason}"
            raise HostFailed(self._target.name, sanitise_line(text)) from error
        self._pipes = Pipes(process)
        self._begin(time.monotonic() - start)
        self._drain = Thread(
            target=_collect, args=(process.stderr, self._errors), daemon=True
        )
        self._drain.start()

    def _greet(self) -> None:
        """Wait for the greeting, and send the program that it asks for."""
        before = 0
        while line := self._line():
            words = line.decode("ascii", "replace").split()
            if words[:1] == [PROGRAM] and len(words) == 2 and _is_tag(words[1]):
                with suppress(OSError):  # it has no input there: TEXT follows
                    self._introduce(words[1])
                continue
            if words == [READY]:
                return
            if words[:1] == [TEXT] and len(words) > 1:
                self.tool, self.machine = words[1], " ".join(words[2:])
                return
            before += len(line)
            if before > _MOST_BEFORE:
                raise self._failed("prints too much before it answers")
        raise self._failed("the connection was closed")

    def _introduce(self, tag: str) -> None:
        sent = program(tag)
        first = {"source": self._wanted.source, "netns": self._wanted.netns}
        head = f"{len(sent)}\n".encode()
        self._write(head + sent + json.dumps(first).encode() + b"\n")

    def _send(self, content: bytes) -> None:
        try:
            self._write(content)
        except OSError as error:
            raise self._failed("the connection was closed") from error

    def _write(self, content: bytes) -> None:
        try:
            self._open_pipes().write(content)
        except TooLate as error:
            raise self._late() from error

    def _line(self) -> bytes:
        """Read a line; empty: there is no more."""
        try:
            return self._open_pipes().line()
        except TooLate as error:
            raise self._late() from error
        except TooLarge as error:
            raise self._failed("the answer is too large") from error
        except OSError:
            return b""

    def _object(self, line: bytes) -> dict[str, Any]:
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise self._failed(f"unexpected answer: {_short(line[:80])}")
        return data

    def _begin(self, spent: float = 0) -> None:
        self._open_pipes().begin(self._wanted.seconds - spent)

    def _open_pipes(self) -> Pipes:
        if self._pipes is None:
            raise HostFailed(self._target.name, "not connected")
        return self._pipes

    def _late(self) -> HostFailed:
        if self._is_aborted:
            return HostFailed(self._target.name, "interrupted")
        text = f"no answer within {self._wanted.seconds:g} s"
        return HostFailed(self._target.name, text)

    def _failed(self, reason: str) -> HostFailed:
        """Say why: what the command has printed as its error, or `reason`."""
        if self._pipes is not None:
            end(self._pipes.process)
            if self._drain is not None:
                self._drain.join(0.5)
        printed = bytes(self._errors).decode("utf-8", "replace")
        return HostFailed(self._target.name, _short(_error_in(printed) or reason))

    def _has_no_shell(self) -> bool:
        """Check whether the far side was reached, but did not know sh."""
        if self._pipes is None or not self._target.shells or self._target.sudo:
            return False
        code = self._pipes.process.poll()
        return code is not None and 0 < code != _SSH_FAILED


def _error_in(printed: str) -> str:
    """Return the line that names the error; empty: nothing was printed.

    It is the last one, unless a program explains its usage after it.
    """
    lines = list(filter(None, map(str.strip, printed.splitlines())))
    plain = [line for line in lines if not _EXPLAINS.match(line)]
    named = [line for line in plain if _NAMES_ERROR.search(line)]
    if len(plain) == len(lines):
        named = []
    return (named[:1] or plain[-1:] or lines[-1:] or [""])[0]


def _is_tag(text: str) -> bool:
    """Check whether a greeting names a version, such as cpython-311."""
    return text.replace("-", "").isalnum()


def _collect(stream: IO[bytes], errors: bytearray) -> None:
    """Keep the end of what is printed as errors."""
    with suppress(OSError, ValueError), stream:
        while part := os.read(stream.fileno(), 4096):
            errors += part
            del errors[:-_MOST_ERRORS]


def _short(said: object) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    line = sanitise_line(text)
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."
