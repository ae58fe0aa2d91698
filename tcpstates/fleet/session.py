"""One connection to another host: the greeting, the program, questions and answers.

Nothing on the far side is trusted: lines and answers have a size, and everything has a
deadline, at which the command that connects is ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Thread, Timer
from typing import IO, Any, NamedTuple

from tcpstates.errors import SourceUnavailable
from tcpstates.fleet.batches import BEGIN
from tcpstates.fleet.bootstrap import ASK_PYTHON, ASK_WINDOWS, PROGRAM, READY, TEXT
from tcpstates.fleet.checks import BadAnswer
from tcpstates.fleet.program import program
from tcpstates.fleet.targets import Target
from tcpstates.text import sanitise_line

_LONGEST_LINE = 64 << 20  # bytes
_LARGEST_ANSWER = 4 << 30
_MOST_BEFORE = 1 << 16  # bytes before the greeting
_MOST_ERRORS = 1 << 16
_LONGEST_REASON = 300  # characters
_BATCH = BEGIN.encode()
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
        self._process: subprocess.Popen[bytes] | None = None
        self._errors = bytearray()
        self._drain: Thread | None = None
        self._is_late = False
        self._is_aborted = False
        self._left = 0  # bytes that the current answer may still have
        self.tool: str | None = None  # what prints text there; None: our program
        self.machine = ""  # as uname -sm names it, where text is printed

    @property
    def is_open(self) -> bool:
        """Whether questions can be asked without connecting again."""
        return self._process is not None and self.tool is None

    def open(self) -> None:
        """Connect; raise HostFailed."""
        words: Sequence[str] = ASK_PYTHON
        with self._deadline():
            try:
                self._start(words)
                self._greet()
            except HostFailed:
                if not self._has_no_shell():
                    raise
                self.close()
                self._start(ASK_WINDOWS)
                self.tool, self.machine = "netstat", ""

    def ask(self, question: Mapping[str, Any], take: Take | None = None) -> Any:
        """Ask our program there; `take` gets each batch. Raise HostFailed."""
        with self._deadline():
            self._send(json.dumps(question).encode() + b"\n")
            return self._answer(take)

    def lines(self) -> Iterator[str]:
        """Read what a tool prints there, once; raise HostFailed."""
        with self._deadline():
            while line := self._line():
                yield line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            code = self._wait()
            if code and self.machine == "":
                raise self._failed(f"exit code {code}")
        self.close()

    def close(self) -> None:
        """End the connection."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                stream and stream.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
        _end(process)
        process.wait()
        if self._drain is not None:
            self._drain.join(0.5)  # a shared connection may keep it open

    def abort(self) -> None:
        """End what connects, so that the thread that uses this session goes on."""
        self._is_aborted = True
        process = self._process
        if process is not None:
            _end(process)

    def _start(self, words: Sequence[str]) -> None:
        if self._is_aborted:
            raise self._failed("interrupted")
        arguments = self._target.arguments(words)
        self._errors.clear()
        try:
            process = subprocess.Popen(  # noqa: S603  (words, never a shell)
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=sys.platform != "win32",
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            text = f"{arguments[0]}: {reason}"
            raise HostFailed(self._target.name, sanitise_line(text)) from error
        self._process = process
        self._left = _LARGEST_ANSWER
        self._drain = Thread(
            target=_collect, args=(process.stderr, self._errors), daemon=True
        )
        self._drain.start()

    def _greet(self) -> None:
        """Wait for the greeting, and send the program that it asks for."""
        before = 0
        while line := self._line():
            words = line.decode("ascii", "replace").split()
            if words[:1] == [PROGRAM] and len(words) == 2:
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
        except (OSError, ValueError) as error:
            raise self._failed("the connection was closed") from error

    def _write(self, content: bytes) -> None:
        stream = self._open_process().stdin
        if stream is not None:
            stream.write(content)
            stream.flush()

    def _answer(self, take: Take | None) -> Any:
        self._left = _LARGEST_ANSWER
        while line := self._line():
            told = self._object(line)
            if line.startswith(_BATCH) and take is not None:
                take(told["batch"])
                continue
            if "error" in told:
                raise HostFailed(self._target.name, _short(told["error"]))
            return told.get("done")
        raise self._failed("the answer ends too early")

    def _object(self, line: bytes) -> dict[str, Any]:
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise self._failed(f"unexpected answer: {_short(line[:80])}")
        return told

    def _line(self) -> bytes:
        """Read a line; empty: there is no more."""
        stream = self._open_process().stdout
        try:
            line = b"" if stream is None else stream.readline(_LONGEST_LINE)
        except (OSError, ValueError):
            line = b""
        self._left -= len(line)
        if len(line) >= _LONGEST_LINE or self._left < 0:
            raise self._failed("the answer is too large")
        if self._is_late:
            raise self._failed("")
        return line

    def _deadline(self) -> _Deadline:
        return _Deadline(self._wanted.seconds, self._expire)

    def _expire(self) -> None:
        self._is_late = True
        if self._process is not None:
            _end(self._process)

    def _wait(self) -> int:
        return self._open_process().wait()

    def _open_process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise self._failed("not connected")
        return self._process

    def _failed(self, reason: str) -> HostFailed:
        """Say why: the deadline, what the command has printed last, or `reason`."""
        name = self._target.name
        if self._is_late:
            return HostFailed(name, f"no answer within {self._wanted.seconds:g} s")
        if self._process is not None:
            _end(self._process)
            if self._drain is not None:
                self._drain.join(0.5)
        said = bytes(self._errors).decode("utf-8", "replace").strip().splitlines()
        return HostFailed(name, _short(said[-1]) if said else reason)

    def _has_no_shell(self) -> bool:
        """Check whether the far side was reached, but did not know sh."""
        if self._is_late or self._process is None or not self._target.has_shell:
            return False
        code = self._process.poll()
        return code is not None and 0 < code != _SSH_FAILED and not self._target.sudo

    def bad(self, error: BadAnswer) -> HostFailed:
        """Say that an answer was not as it should be."""
        return HostFailed(self._target.name, f"invalid answer: {error}")


class _Deadline:
    """Ends what takes too long."""

    def __init__(self, seconds: float, expire: Callable[[], None]) -> None:
        self._timer = Timer(seconds, expire)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _collect(stream: IO[bytes], errors: bytearray) -> None:
    """Keep the end of what is printed as errors."""
    with suppress(OSError, ValueError), stream:
        while part := os.read(stream.fileno(), 4096):
            errors += part
            del errors[:-_MOST_ERRORS]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, 9)  # with what its ProxyCommand has started


def _short(said: object) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    line = sanitise_line(text)
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."
