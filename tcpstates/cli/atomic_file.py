"""Write a file atomically: it appears when it is complete, or not at all.

The data go to a new file in the same folder, which is renamed at the end. A reader
(node_exporter reads at any time) sees either the old file or the new one.

Root may write where others can write, too, so no name is trusted twice: the folder is
opened once, and the new file is accessed only by its descriptor.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import BinaryIO

from tcpstates.cli.safe_path import HAS_FOLDERS, Folder, OwnDescriptor, find_folder

_DESCRIPTOR = re.compile(r"(?:/dev/fd|/proc/(?:self|thread-self)/fd)/([0-9]{1,9})")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_PERMISSIONS = 0o777  # without set-user-ID, set-group-ID and sticky
_READER_SECONDS = 5.0  # how long a named pipe may lack a reader
_PAUSE = 0.02  # seconds between two attempts to open it
# Signals that do not end a process, that Python converts to exceptions, or after which
# no handler can run.
_NOT_ENDING = {
    getattr(signal, f"SIG{name}", None)
    for name in (
        *("CHLD", "CONT", "URG", "WINCH", "INFO", "TSTP", "TTIN", "TTOU", "STOP"),
        *("KILL", "INT", "PIPE", "SEGV", "BUS", "FPE", "ILL"),
    )
}


@contextmanager
def whole_file(path: str) -> Iterator[BinaryIO]:
    """Provide a stream to write to; raise OSError if it cannot be written.

    Anything but a regular file (a pipe, a device, a descriptor of ours) is written to
    directly. A link remains a link if no other user can have created it. Owner and mode
    of an existing file are kept if only the current user and root can have created it,
    but never set-user-ID.
    """
    if path.endswith(("/", os.sep)):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    place = _find(path)
    if isinstance(place, int):
        with open(os.dup(place), "wb") as stream:
            yield stream
        return
    folder, name = place
    try:
        before = folder.look(name)
        if before is not None and not stat.S_ISREG(before.st_mode):
            with open(_open_special(folder, name, before), "wb") as stream:
                yield stream
            return
        with _Waiting(folder) as waiting:
            with open(waiting.descriptor, "wb", closefd=False) as stream:
                yield stream
                stream.flush()
                os.fsync(waiting.descriptor)
            _dress(waiting.descriptor, folder, before)
            waiting.rename(name)
    finally:
        folder.close()


def _find(path: str) -> tuple[Folder, str] | int:
    """Find the folder of a path and the name in it, or a descriptor of ours."""
    number = _own_descriptor(path)
    try:
        return find_folder(path) if number is None else number
    except OwnDescriptor as own:
        return own.number


def _own_descriptor(path: str) -> int | None:
    """Return the number of the descriptor that a path stands for, if any."""
    found = _DESCRIPTOR.fullmatch(path)
    return int(found[1]) if found else _STANDARD.get(path)


def _open_special(folder: Folder, name: str, before: os.stat_result) -> int:
    """Open anything but a regular file; never wait for long for another user.

    A named pipe without a reader is waited for, for some seconds.
    """
    path = os.path.join(folder.path, name)
    if stat.S_ISDIR(before.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if folder.may_be_planted(before):
        text = "not a regular file, and another user may have created it"
        raise PermissionError(errno.EPERM, text, path)
    descriptor = _open_for_writing(folder, name, before, path)
    if not os.path.samestat(os.fstat(descriptor), before):
        os.close(descriptor)
        raise PermissionError(errno.EPERM, "it was replaced while being opened", path)
    if hasattr(os, "set_blocking"):
        os.set_blocking(descriptor, True)
    return descriptor


def _open_for_writing(
    folder: Folder, name: str, before: os.stat_result, path: str
) -> int:
    """Open a pipe or a device without blocking; a pipe's reader may come late."""
    deadline = time.monotonic() + _READER_SECONDS
    while True:
        try:
            return folder.open(name, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(before.st_mode):
                raise
            if time.monotonic() > deadline:
                text = f"no process has read this pipe for {_READER_SECONDS:g} s"
                raise OSError(errno.ENXIO, text, path) from error
            time.sleep(_PAUSE)


class _Waiting:
    """A temporary file in a folder, which is removed at the end unless renamed.

    No collector of text files reads files of this name. The file is removed before any
    signal that can be caught ends the program.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._name = f".tcpstates-{secrets.token_hex(8)}.tmp"
        self._exists = False
        self._handlers: dict[int, object] = {}
        self.descriptor = -1

    def __enter__(self) -> _Waiting:
        for number in _ending_signals():
            # A signal that was ignored at the start (nohup) stays ignored.
            if signal.getsignal(number) is signal.SIG_DFL:
                self._handlers[number] = signal.signal(number, self._end)
        try:
            self._exists = True
            self.descriptor = self._folder.open(
                self._name, os.O_RDWR | os.O_CREAT | os.O_EXCL
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._remove()
        for number in self._handlers:
            signal.signal(number, signal.SIG_DFL)

    def _remove(self) -> None:
        if self._exists:
            with suppress(OSError):
                self._folder.remove(self._name)
            self._exists = False

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._remove()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def rename(self, target: str) -> None:
        """Rename the file; raise PermissionError if it has been replaced.

        The owner of the folder can still swap it just before the rename. Then a file of
        theirs is in their folder, no other file is touched, and the second check
        detects it.
        """
        if not HAS_FOLDERS:
            self._close()  # Windows cannot rename an open file
            self._folder.replace(self._name, target)
        else:
            self._check(self._name)
            with suppress(FileNotFoundError):  # it is gone: the next check reports it
                self._folder.replace(self._name, target)
            self._check(target)
        self._exists = False

    def _check(self, name: str) -> None:
        found = self._folder.look(name)
        if found is None or not os.path.samestat(found, os.fstat(self.descriptor)):
            path = os.path.join(self._folder.path, name)
            text = "it was removed or replaced while being written"
            raise PermissionError(errno.EPERM, text, path)

    def _close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _ending_signals() -> list[int]:
    """List the signals that end a program but leave it time to clean up."""
    return [number for number in signal.valid_signals() if number not in _NOT_ENDING]


def _dress(descriptor: int, folder: Folder, before: os.stat_result | None) -> None:
    """Set owner and mode to those of the old file, or to those of any new file.

    A file of another user in a folder that others can write to is a trap: its creator
    would own the data that we write.
    """
    if sys.platform != "win32":  # Windows has neither
        if before is None or folder.may_be_planted(before):
            umask = os.umask(0)
            os.umask(umask)
            narrower = 0o777 if before is None else before.st_mode
            os.fchmod(descriptor, 0o666 & ~umask & narrower)
            return
        with suppress(PermissionError):
            os.fchown(descriptor, before.st_uid, before.st_gid)
        os.fchmod(descriptor, before.st_mode & _PERMISSIONS)
