"""Write a file as a whole: it appears when it is complete, or not at all.

What is written goes to a new file beside it, which takes its name in the end, so a
reader (node_exporter reads when it likes) sees the old or the new one.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

_DESCRIPTOR = re.compile(r"(?:/dev/fd|/proc/(?:self|thread-self)/fd)/([0-9]{1,9})")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_ENDINGS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def whole_file(path: str) -> Iterator[BinaryIO]:
    """Give a stream to write to; raise OSError where it cannot be written.

    What is no plain file (a pipe, a device, a descriptor of ours) is written to as it
    is. A link stays one; owner and mode are kept as far as we may.
    """
    descriptor = _own_descriptor(path)
    if descriptor is not None:
        with open(os.dup(descriptor), "wb") as stream:
            yield stream
        return
    if path.endswith(("/", os.sep)):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    try:
        before = os.stat(path)
    except FileNotFoundError:
        before = None
    if before is not None and not stat.S_ISREG(before.st_mode):
        with open(path, "wb") as stream:
            yield stream
        return
    target = os.path.realpath(path)
    with _beside(os.path.dirname(target)) as (descriptor, waiting):
        with open(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(descriptor)
        _dress(waiting, before)
        os.replace(waiting, target)


def _own_descriptor(path: str) -> int | None:
    """Return the number of a descriptor that a path stands for."""
    found = _DESCRIPTOR.fullmatch(path)
    return int(found[1]) if found else _STANDARD.get(path)


@contextmanager
def _beside(folder: str) -> Iterator[tuple[int, str]]:
    """Make a file in a folder, which is gone afterwards unless it got another name.

    Its name is one that no collector of textfiles takes for its own.
    """
    descriptor, waiting = tempfile.mkstemp(".tmp", ".tcpstates-", folder)

    def remove(number: int, frame: Any) -> None:
        with suppress(OSError):
            os.unlink(waiting)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    handlers = {number: signal.signal(number, remove) for number in _ENDINGS}
    try:
        yield descriptor, waiting
    except BaseException:
        with suppress(OSError):
            os.unlink(waiting)
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _dress(path: str, before: os.stat_result | None) -> None:
    """Give a new file the owner and mode of the old one, or those of any new file."""
    if before is None:
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(path, 0o666 & ~umask)
        return
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(path, before.st_uid, before.st_gid)
    os.chmod(path, stat.S_IMODE(before.st_mode))
