"""Another user who swaps unfinished files for links: what `whole_file` must withstand.

A forked child gives up root's privileges and keeps swapping until it is told to stop, so
no interpreter has to be readable for that user.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Value
from pathlib import Path

STRANGER = 65534  # nobody, on every Linux


@contextmanager
def swapping(folder: Path, victim: Path) -> Iterator[object]:
    """Swap every unfinished file of a folder for a link to `victim`, as a stranger.

    Yields a counter with the number of swaps so far in its `value`.
    """
    swaps = Value("Q", 0)
    child = os.fork()
    if not child:
        try:
            os.setresgid(STRANGER, STRANGER, STRANGER)
            os.setgroups([])
            os.setresuid(STRANGER, STRANGER, STRANGER)
            os.chdir(folder)
            while True:
                _swap_all(victim, swaps)
        finally:
            os._exit(1)
    try:
        yield swaps
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _swap_all(victim: Path, swaps: object) -> None:
    for name in os.listdir("."):
        if name.startswith(".tcpstates-"):
            with contextlib.suppress(OSError):
                os.unlink(name)
                os.symlink(victim, name)
                swaps.value += 1  # type: ignore[attr-defined]
