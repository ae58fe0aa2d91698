"""Write a file as a whole: it appears when it is complete, or not at all.

What is written goes to a new file beside it, which takes its name in the end, so a
reader (node_exporter reads when it likes) sees the old or the new one.

Root writes where others may write too, so names are never trusted twice: the folder is
opened once, and everything is done to the new file by its descriptor.
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
_READER_SECONDS = 5.0  # for which a named pipe may lack a reader
_PAUSE = 0.02  # seconds between two tries to open it
# Signals that do not end a process, that Python turns into exceptions, or after which
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
    """Give a stream to write to; raise OSError where it cannot be written.

    What is no plain file (a pipe, a device, a descriptor of ours) is written to as it
    is. A link stays one, if no other user can have put it there. Owner and mode stay
    those of the file before where only we and root can have put that one there, but
    never set-user-ID.
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
    """Return the folder of a path and the name in it, or a descriptor of ours."""
    number = _own_descriptor(path)
    try:
        return find_folder(path) if number is None else number
    except OwnDescriptor as own:
        return own.number


def _own_descriptor(path: str) -> int | None:
    """Return the number of a descriptor that a path stands for."""
    found = _DESCRIPTOR.fullmatch(path)
    return int(found[1]) if found else _STANDARD.get(path)


def _open_special(folder: Folder, name: str, before: os.stat_result) -> int:
    """Open what is no plain file; never wait for long for another user.

    A named pipe without a reader is waited for, some seconds.
    """
    path = os.path.join(folder.path, name)
    if stat.S_ISDIR(before.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if folder.may_be_planted(before):
        text = "not a plain file, and another user may have put it there"
        raise PermissionError(errno.EPERM, text, path)
    descriptor = _open_for_writing(folder, name, before, path)
    if not os.path.samestat(os.fstat(descriptor), before):
        os.close(descriptor)
        raise PermissionError(errno.EPERM, "it was replaced while it was opened", path)
    if hasattr(os, "set_blocking"):
        os.set_blocking(descriptor, True)
    return descriptor


def _open_for_writing(
    folder: Folder, name: str, before: os.stat_result, path: str
) -> int:
    """Open a pipe or a device without waiting; a pipe's reader may come late."""
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
    """A new file in a folder, which is gone afterwards unless it got another name.

    Its name is one that no collector of textfiles takes for its own. It is removed
    before any signal that can be caught ends the program.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._name = f".tcpstates-{secrets.token_hex(8)}.tmp"
        self._exists = False
        self._handlers: dict[int, object] = {}
        self.descriptor = -1

    def __enter__(self) -> _Waiting:
        for number in _ending_signals():
            # One that was ignored at the start (nohup) stays so.
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
        """Give the file its name; raise PermissionError if it is another file by now.

        The owner of the folder can still swap it just before the renaming. Then a file
        of his is in his folder, no other file is touched, and the second look finds it.
        """
        if not HAS_FOLDERS:
            self._close()  # Windows renames no open file
            self._folder.replace(self._name, target)
        else:
            self._check(self._name)
            with suppress(FileNotFoundError):  # it is gone: the next look says so
                self._folder.replace(self._name, target)
            self._check(target)
        self._exists = False

    def _check(self, name: str) -> None:
        found = self._folder.look(name)
        if found is None or not os.path.samestat(found, os.fstat(self.descriptor)):
            path = os.path.join(self._folder.path, name)
            text = "it was removed or replaced while it was written"
            raise PermissionError(errno.EPERM, text, path)

    def _close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _ending_signals() -> list[int]:
    """Return the signals that end a program, and leave it time to clean up."""
    return [number for number in signal.valid_signals() if number not in _NOT_ENDING]


def _dress(descriptor: int, folder: Folder, before: os.stat_result | None) -> None:
    """Give a new file the owner and mode of the old one, or those of any new file.

    A file of another user in a folder that others may write to is a trap: who made it
    would own what we write.
    """
    if sys.platform != "win32":  # which has neither
        if before is None or folder.may_be_planted(before):
            umask = os.umask(0)
            os.umask(umask)
            narrower = 0o777 if before is None else before.st_mode
            os.fchmod(descriptor, 0o666 & ~umask & narrower)
            return
        with suppress(PermissionError):
            os.fchown(descriptor, before.st_uid, before.st_gid)
        os.fchmod(descriptor, before.st_mode & _PERMISSIONS)
