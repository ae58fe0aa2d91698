"""Keep freed memory for what is allocated next, in processes that are ours alone.

glibc returns memory to the kernel as soon as some hundred kilobytes are free, and gets
it back for the next batch, page by page. Kept, it saves half of the page faults of a
long listing: a tenth of the time of 100,000 sockets.
"""

from __future__ import annotations

from contextlib import suppress

# malloc.h: free memory at the end of the heap up to which it is kept, and the size from
# which memory is allocated apart. In bytes.
_M_TRIM_THRESHOLD, _KEPT = -1, 16 << 20
_M_MMAP_THRESHOLD, _APART = -3, 8 << 20


class _Process:
    is_ours = False


def claim_process() -> None:
    """Note that no other program's code runs in this process."""
    _Process.is_ours = True


def keep_freed_memory() -> None:
    """Keep it from now on, if the process is ours and its C library is glibc.

    It loads ctypes, which takes 4 ms.
    """
    if _Process.is_ours:
        with suppress(ImportError, OSError, AttributeError):
            from ctypes import CDLL

            library = CDLL(None)
            library.mallopt(_M_TRIM_THRESHOLD, _KEPT)
            library.mallopt(_M_MMAP_THRESHOLD, _APART)
