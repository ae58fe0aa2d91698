"""Write a file as a whole: it appears when it is complete, or not at all.

What is written goes to a new file beside it, which takes its name in the end, so a
reader (node_exporter reads when it likes) sees the old or the new one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


@contextmanager
def whole_file(path: str) -> Iterator[BinaryIO]:
    """Give a stream to write to; raise OSError where it cannot be written.

    What is no plain file (a pipe, a device) is written to as it is. A link stays one.
    """
    path = os.path.realpath(path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        with open(path, "wb") as stream:
            yield stream
        return
    folder, name = os.path.split(path)
    # No collector of textfiles takes it for one: it does not end as they do.
    waiting = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(waiting, flags, 0o666)
    try:
        with open(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(descriptor)
        if mode is not None:
            os.chmod(waiting, stat.S_IMODE(mode))
        os.replace(waiting, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(waiting)
        raise
