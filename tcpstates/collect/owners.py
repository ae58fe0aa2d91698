"""Find the processes that own sockets.

Every process is scanned, even if each requested socket has been found, because several
processes may own one socket: a forked child, a worker that inherited a listener.
Stopping at the first owner would be quicker, but would hide the others. `proc_scan`
reads /proc, `iterator_scan` asks the kernel for all descriptors at once; both give the
same owners.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress

from tcpstates.collect.owner_table import OwnerTable
from tcpstates.collect.proc_files import count_descriptors
from tcpstates.collect.proc_scan import ProcScan

# Seconds that a scan of /proc takes, and from which the iterator is quicker.
_PER_PROCESS, _PER_DESCRIPTOR, _WORTH = 25e-6, 5e-6, 0.1
MANY = round(_WORTH / _PER_DESCRIPTOR)  # sockets for which the iterator is quicker
_FILES = "/proc/sys/fs/file-nr"
_SAMPLE = 20  # processes


def scan(table: OwnerTable, *, sockets: int | None = None) -> None:
    """Scan all processes, then their threads for sockets without an owner.

    `sockets` is the approximate number of sockets on the host, and requests the
    descriptor usage of each process too. None requests owners only.
    """
    if not table.holders and sockets is None:
        return
    try:
        pids = sorted(int(n) for n in os.listdir(table.root) if n.isdigit())
    except OSError:
        pids = []
    if not pids:
        table.available = False
        return
    counts_usage = sockets is not None
    if table.root == "/proc" and is_iterator_quicker(pids):
        from tcpstates.collect.iterator_scan import scan_by_iterator

        if scan_by_iterator(table, pids, counts_usage=counts_usage):
            return
    number = len(table.holders) if sockets is None else sockets
    ProcScan(table, table.root, pids, counts_usage=counts_usage, sockets=number).run()


def prepare() -> None:
    """Begin a scan for MANY sockets: do what does not depend on them.

    Call it while sockets are still read: 0.03 s of work, for which the kernel then does
    not wait.
    """
    from tcpstates.collect.iterator_scan import prepare_iterator

    prepare_iterator()


def scan_only(table: OwnerTable, pids: Collection[int]) -> bool:
    """Scan these processes only; False if one of them cannot be examined."""
    if not os.path.exists(f"{table.root}/self"):
        return False
    ProcScan(table, table.root, sorted(pids), counts_usage=False).run()
    if table.unreadable:
        table.clear()
        return False
    return True


def is_iterator_quicker(pids: Sequence[int]) -> bool:
    """Estimate whether the BPF iterator is quicker than a scan of /proc.

    The kernel counts its open files, of which a few processes may have most; a file may
    have many descriptors, which a sample of the processes shows.
    """
    files = 0
    with suppress(OSError, ValueError, IndexError), open(_FILES, "rb") as file:
        files = int(file.read().split()[0])
    worth = (_WORTH - len(pids) * _PER_PROCESS) / _PER_DESCRIPTOR  # descriptors
    if files > worth:
        return True
    sample = pids[:: len(pids) // _SAMPLE + 1]
    counted = sum(count_descriptors(pid) or 0 for pid in sample)
    return counted * len(pids) / len(sample) > worth
