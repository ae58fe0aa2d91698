"""Settings for many sockets, made only in processes that are ours alone.

Programs that use the API keep the settings that they have.
"""

from __future__ import annotations

import sys
from contextlib import suppress

# malloc.h: free memory at the end of the heap up to which it is kept, and the size from
# which memory is allocated apart. In bytes.
_M_TRIM_THRESHOLD, _KEPT = -1, 8 << 20
_M_MMAP_THRESHOLD, _APART = -3, 1 << 20
_SWITCH = 0.0005  # seconds; Python's own value is ten times that


class _Process:
    is_ours = False


def claim_process() -> None:
    """Note that no other program's code runs in this process."""
    _Process.is_ours = True


def prepare_for_many() -> None:
    """Make the settings, if the process is ours.

    Freed memory is kept for the next batch: glibc returns it to the kernel as soon as
    some hundred kilobytes are free, and gets it back page by page. This saves half of
    the page faults of 100,000 sockets, and a tenth of the time of `--json`.

    The thread that receives gets the interpreter's lock sooner. With that, `-tano` of
    100,000 sockets takes 0.45 s instead of 0.48.

    It loads ctypes, which takes 4 ms.
    """
    if not _Process.is_ours:
        return
    sys.setswitchinterval(_SWITCH)
    with suppress(ImportError, OSError, AttributeError):
        from ctypes import CDLL

        library = CDLL(None)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT)
        library.mallopt(_M_MMAP_THRESHOLD, _APART)
