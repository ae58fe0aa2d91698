"""Find TCP sockets that processes hold open and that no table lists.

The kernel takes a socket out of its tables when the connection ends, by a reset, a
timeout or keepalive, even if the program has not closed its descriptor. A leak of such
sockets is invisible in every listing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from tcpstates.collect.kernel_counts import read_sockstat
from tcpstates.collect.proc_files import network_namespace
from tcpstates.collect.sources import load_source
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Request
from tcpstates.states import OtherState, TcpState

FEW = 10  # sockets of a process: a program may be about to connect some
_PAUSE = 0.5  # seconds between two looks
_MOST = 200_000  # descriptors that are examined
_TCP = (b"TCP\0", b"TCPv6\0")
_PROTOCOL = "system.sockprotoname"  # sockfs_xattr_handler, net/socket.c


def count_unlisted(usage: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """Return the number of such sockets by pid, of processes that have at least FEW.

    `usage` has the descriptors and sockets of each process. They are examined only if
    the kernel counts more TCP sockets than its tables have; so on most hosts this takes
    as long as reading two small files. Empty where that is unknown.
    """
    counts = read_sockstat()
    allocated = counts.get("TCP", {}).get("alloc", 0)
    listed = sum(counts.get(name, {}).get("inuse", 0) for name in ("TCP", "TCP6"))
    if allocated - listed < FEW:
        return {}
    here = network_namespace("self")
    left = _MOST
    pids = []
    for pid, (descriptors, sockets) in usage.items():
        left -= descriptors
        if sockets >= FEW and left >= 0 and network_namespace(pid) == here:
            pids.append(pid)
    found = _unlisted(pids)
    if found:
        # A busy server closes each of them a moment later; a leak stays.
        time.sleep(_PAUSE)
        again = _unlisted(list(found))
        found = {pid: found[pid] & inodes for pid, inodes in again.items()}
    return {pid: len(same) for pid, same in found.items() if len(same) >= FEW}


def _unlisted(pids: Sequence[int]) -> dict[int, set[int]]:
    """Return the inodes that no table lists, of each process that has at least FEW."""
    held = {pid: set(_tcp_inodes(pid)) for pid in pids}
    wanted = set().union(*held.values())
    listed = _listed(wanted) if wanted else set()
    left = {pid: inodes - listed for pid, inodes in held.items()}
    return {pid: inodes for pid, inodes in left.items() if len(inodes) >= FEW}


def _tcp_inodes(pid: int) -> Iterator[int]:
    """Yield the inodes of a process's TCP sockets, as far as they may be seen."""
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError, ValueError):
                path = f"{folder}/{name}"
                link = os.readlink(path)
                is_socket = link.startswith("socket:[")
                if is_socket and os.getxattr(path, _PROTOCOL) in _TCP:
                    yield int(link[8:-1])


def _listed(wanted: set[int]) -> set[int]:
    """Return those of the inodes that a table lists; all, if none can be read."""
    found: set[int] = set()
    request = Request(states=frozenset({*TcpState, OtherState.BOUND}))
    try:
        for batch in load_source("netlink").read(request, []):
            found |= wanted.intersection(batch.column("inode"))
    except SourceUnavailable:
        return wanted
    return found
