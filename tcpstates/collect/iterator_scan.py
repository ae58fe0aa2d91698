"""Find the processes that own sockets by asking the kernel for all descriptors at once.

A scan of /proc takes 5 us per descriptor and 25 us per process; the BPF iterator takes
0.08 s to set up, and then 1 us per socket. It is used where it saves time and the
kernel allows it: for a privileged user in the host's own namespaces. Where it cannot
be used, /proc is read, with the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing, suppress
from itertools import compress, repeat
from operator import and_, eq
from typing import TYPE_CHECKING

from tcpstates.collect.owner_table import NOT_WANTED, OwnerTable
from tcpstates.collect.proc_files import (
    in_first_pid_namespace,
    in_first_time_namespace,
    may_trace_by_bpf,
    sees_all_processes,
)
from tcpstates.collect.proc_scan import ProcScan
from tcpstates.packed_owners import FD
from tcpstates.prefetch import read_ahead

if TYPE_CHECKING:
    from tcpstates.collect.bpf.descriptors import Descriptors

# Reads, of up to 700 descriptors each, before a thread is started; and those that may
# wait for the main thread.
_ALONE, _AHEAD = 16, 32
_TICK = 10**9 // 100  # nanoseconds; USER_HZ is 100 wherever `program` knows bpf(2)
Own = tuple[int, int, int]  # pid, descriptor and inode in a thread's own table


def scan_by_iterator(
    table: OwnerTable, pids: Iterable[int], *, counts_usage: bool
) -> bool:
    """Fill the table; False, with nothing in it, if the kernel does not allow it."""
    if not _is_allowed():
        return False
    try:
        visited, threads = _take(table, counts_usage=counts_usage)
    except (OSError, ImportError):
        table.clear()
        return False
    # Nothing is said of kernel threads, of processes that have closed even their
    # standard streams, and of those that a hardened kernel does not show.
    others = [pid for pid in pids if pid not in visited]
    ProcScan(table, "/proc", others, counts_usage=counts_usage).run()
    _take_threads(table, threads)
    return True


def prepare_iterator() -> None:
    """Do the part of a scan for owners that depends on the kernel alone."""
    if _is_allowed():
        with suppress(OSError, ImportError):  # the scan will have the same
            from tcpstates.collect.bpf.descriptors import prepare

            prepare(only_sockets=True)


def _is_allowed() -> bool:
    """Whether we have the privileges, and the iterator's numbers are ours.

    It reports the host's pids, and times since the host's boot.
    """
    is_privileged = may_trace_by_bpf() and sees_all_processes()
    return is_privileged and in_first_pid_namespace() and in_first_time_namespace()


def _take(table: OwnerTable, *, counts_usage: bool) -> tuple[set[int], list[Own]]:
    """Take the descriptors of processes; return their pids, and what threads have."""
    from tcpstates.collect.bpf.descriptors import read_descriptors

    threads: list[Own] = []
    visited: set[int] = set()
    opened: Counter[int] = Counter()
    sockets: Counter[int] = Counter()
    # The kernel collects the next ones meanwhile, for about as long.
    found = read_ahead(
        read_descriptors(only_sockets=not counts_usage), alone=_ALONE, ahead=_AHEAD
    )
    with closing(found):
        for some in found:
            processes = some.processes()
            visited |= processes
            _take_wanted(table, some, processes, threads)
            if counts_usage:
                pids = some.pids()
                for pid in processes.difference(table.started):
                    table.started[pid] = some.started(pids.index(pid)) // _TICK
                are_own = list(map(eq, pids, some.threads()))
                opened.update(compress(pids, are_own))
                are_sockets = map(bool, some.inodes())
                sockets.update(compress(pids, map(and_, are_own, are_sockets)))
    if counts_usage:
        table.usage = {pid: (n, sockets[pid]) for pid, n in opened.items()}
    return visited, threads


def _take_wanted(
    table: OwnerTable, some: Descriptors, processes: set[int], threads: list[Own]
) -> None:
    """Take the descriptors that are requested sockets; note those of threads."""
    inodes, owners = some.inodes(), some.owners()
    before = list(map(table.holders.get, inodes, repeat(NOT_WANTED)))
    chosen = [True] * len(inodes)
    if before.count(None) < len(before):  # not only sockets that have no owner yet
        chosen = [holder is not NOT_WANTED for holder in before]
        before, inodes, owners = (
            list(compress(column, chosen)) for column in (before, inodes, owners)
        )
        processes = {owner >> 32 for owner in owners}
    for pid in processes.difference(table.names):
        place = some.pids().index(pid)
        table.names[pid] = some.name(place)
        table.started[pid] = some.started(place) // _TICK
    have_own_tables = some.have_own_tables()
    if not (have_own_tables or any(before)) and len(set(inodes)) == len(inodes):
        table.holders.update(zip(inodes, owners, strict=True))
        return
    tasks = compress(some.threads(), chosen)
    for thread, inode, owner in zip(tasks, inodes, owners, strict=True):
        if thread == owner >> 32:
            table.add(inode, owner)
        else:
            threads.append((owner >> 32, owner & FD, inode))


def _take_threads(table: OwnerTable, threads: list[Own]) -> None:
    """Take the tables of threads for sockets without an owner, as `ProcScan` does."""
    if not threads:
        return
    missing = table.missing()
    last = None
    for pid, descriptor, inode in sorted(threads):
        if not missing and pid != last:
            break
        last = pid
        missing -= table.add(inode, pid << 32 | descriptor)
