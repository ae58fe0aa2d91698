"""Which start of the system this is: cookies and inodes mean nothing after another."""

from __future__ import annotations

from contextlib import suppress


def boot_id() -> str | None:
    """Return the kernel's random number of this boot; None: there is none.

    `/proc/sys/kernel/random/boot_id` (random(4)).
    """
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        return file.read(100).strip() or None
    return None
