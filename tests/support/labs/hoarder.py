"""A process with up to 100,000 descriptors, and a user whom nobody knows. Run as `lab.py` is."""

from __future__ import annotations

import os
import resource
import socket
from contextlib import suppress

from support.labs.lab import HELD, in_child, listener, loopback_up, port, tell_and_wait

_WANTED = 100_000
UNKNOWN_USER = 54321


def keep_copies(made: socket.socket) -> int:
    """Keep as many descriptors of a socket as this user may; return how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in (_WANTED + 100, hard):  # to raise it takes CAP_SYS_RESOURCE
        with suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, hard)))
            break
    wanted = min(_WANTED, limit - 100)
    for _ in range(wanted):
        os.dup(made.fileno())
    return wanted + 1


def unknown_user() -> None:
    """Open a socket as a user without a name."""
    for made in HELD:
        made.close()
    with suppress(OSError):  # in a user namespace that has no such user
        os.setuid(UNKNOWN_USER)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    HELD.append(datagrams)


def main() -> None:
    """Make both; print who is who."""
    loopback_up()
    made = listener()
    parts = {"main": os.getpid(), "hoarder": os.getpid(), "port": port(made)}
    pid = in_child(unknown_user)
    parts["uid"] = os.stat(f"/proc/{pid}").st_uid
    parts["descriptors"] = keep_copies(made)
    tell_and_wait(parts)


if __name__ == "__main__":
    main()
