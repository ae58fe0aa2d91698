"""Find TCP sockets that processes hold open and that no table lists.

The kernel takes a socket out of its tables when the connection ends, by a reset, a
timeout or keepalive, even if the program has not closed its descriptor. A leak of such
sockets is invisible in every listing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from tcpstates.collect.kernel_counts import read_sockstat
from tcpstates.collect.proc_files import network_namespace
from tcpstates.collect.sources import load_source
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Request
from tcpstates.states import OtherState, TcpState

FEW = 10  # sockets of a process: a program may be about to connect some
_SAMPLE = 50  # descriptors of a process; if some of them are suspicious, all
_SUSPICIOUS = 2
_PAUSE = 0.5  # seconds between two looks
_MOST = 200_000  # descriptors that are examined
_TCP = (b"TCP\0", b"TCPv6\0")
_PROTOCOL = "system.sockprotoname"  # sockfs_xattr_handler, net/socket.c


def count_unlisted(
    usage: Mapping[int, tuple[int, int]],
    elsewhere: Callable[[], Mapping[int, Sequence[int]]],
) -> dict[int, int]:
    """Return the number of such sockets by pid, of processes that have at least FEW.

    `usage` has the descriptors and sockets of each process, `elsewhere` the processes
    of other network namespaces. They are examined only if the kernel counts more TCP
    sockets than its tables have: it counts the sockets of all namespaces together, and
    the entries of the tables in each. Empty where that is unknown.
    """
    counts = read_sockstat()
    left = counts.get("TCP", {}).get("alloc", 0) - _in_tables(counts)
    if left < FEW:
        return {}
    for processes in elsewhere().values():
        left -= _in_tables(read_sockstat(f"/proc/{processes[0]}"))
    if left < FEW:
        return {}
    here = network_namespace("self")
    room = _MOST
    candidates: dict[int, int] = {}
    for pid, (descriptors, sockets) in usage.items():
        room -= descriptors
        if sockets >= FEW and room >= 0 and network_namespace(pid) == here:
            candidates[pid] = sockets
    found = _unlisted(_suspects(candidates))
    if found:
        # A busy server closes each of them a moment later; a leak stays.
        time.sleep(_PAUSE)
        again = _unlisted(list(found))
        found = {pid: found[pid] & inodes for pid, inodes in again.items()}
    return {pid: len(same) for pid, same in found.items() if len(same) >= FEW}


def _in_tables(counts: Mapping[str, Mapping[str, int]]) -> int:
    """Return how many TCP sockets the tables of a namespace have."""
    return sum(counts.get(name, {}).get("inuse", 0) for name in ("TCP", "TCP6"))


def _suspects(usage: Mapping[int, int]) -> list[int]:
    """Return the processes of which a sample of the descriptors is suspicious.

    `usage` has the number of sockets by pid. A process with few is suspicious itself.
    """
    steps = {pid: max(1, sockets // _SAMPLE) for pid, sockets in usage.items()}
    sampled = {p: set(_tcp_inodes(p, step)) for p, step in steps.items() if step > 1}
    listed = _listed(set().union(*sampled.values())) if sampled else set()
    return [
        pid
        for pid, step in steps.items()
        if step == 1 or len(sampled[pid] - listed) >= _SUSPICIOUS
    ]


def _unlisted(pids: Sequence[int]) -> dict[int, set[int]]:
    """Return the inodes that no table lists, of each process that has at least FEW."""
    held = {pid: set(_tcp_inodes(pid)) for pid in pids}
    wanted = set().union(*held.values())
    listed = _listed(wanted) if wanted else set()
    left = {pid: inodes - listed for pid, inodes in held.items()}
    return {pid: inodes for pid, inodes in left.items() if len(inodes) >= FEW}


def _tcp_inodes(pid: int, step: int = 1) -> Iterator[int]:
    """Yield the inodes of a process's TCP sockets, as far as they may be seen.

    `step`: of every so many descriptors, examine one.
    """
    attribute: Callable[[str, str], bytes] | None = getattr(os, "getxattr", None)
    if attribute is None:
        return  # not Linux
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):
        for name in os.listdir(folder)[::step]:
            with suppress(OSError, ValueError):
                path = f"{folder}/{name}"
                link = os.readlink(path)
                is_socket = link.startswith("socket:[")
                if is_socket and attribute(path, _PROTOCOL) in _TCP:
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
