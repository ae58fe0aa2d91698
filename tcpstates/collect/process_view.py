"""What is known of the processes that own sockets: live ones, or those a text names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from tcpstates.collect import owners
from tcpstates.collect.names import SystemNames
from tcpstates.collect.owner_table import OwnerTable
from tcpstates.collect.proc_files import (
    count_descriptors,
    is_stopped,
    sees_all_processes,
)
from tcpstates.model import Owner, Reason
from tcpstates.processes import Process

_OUR_NAMESPACE = "/proc/self/ns/net"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessView:
    """The owners of some sockets, as far as they can be inspected."""

    owners: Callable[[int], tuple[Owner, ...]]  # by inode
    unseen: str  # why a socket with a file has no owner here; see `model.Reason`
    process: Callable[[int], Process]
    user: Callable[[int | None], str | None]  # a uid's name
    descriptors: Mapping[int, tuple[int, int]]  # by pid: open, and of these sockets
    descriptors_limit: Callable[[int], int | None]  # by pid
    hidden_processes: int  # whose descriptors cannot be inspected
    is_unprivileged: bool  # root would see more
    is_stopped: Callable[[int], bool]  # by a signal or a debugger, as far as known
    is_here: Callable[[int], bool]  # whether a process is in this network namespace


def view_live(inodes: Iterable[int], sockets: int | None) -> ProcessView:
    """Scan /proc for the owners of sockets; see `owners.scan` for `sockets`."""
    table = OwnerTable(inodes)
    owners.scan(table, sockets=sockets)
    return view_table(table)


def view_table(table: OwnerTable) -> ProcessView:
    """View the processes that a scan has found."""
    from tcpstates.collect.psutil_ import read_descriptors_limit, read_process

    names = SystemNames(numeric=False)

    @cache
    def process(pid: int) -> Process:
        found = read_process(pid)
        if not table.is_same(pid):  # the pid belongs to another process by now
            return Process(pid=pid, name=table.name(pid))
        used = table.usage.get(pid)
        number = used[0] if used else count_descriptors(pid)
        return found if number is None else replace(found, descriptors=number)

    def user(uid: int | None) -> str | None:
        return None if uid is None else names.user(uid) or str(uid)

    return ProcessView(
        owners=table.of_inode,
        unseen=table.unseen_reason(),
        process=process,
        user=user,
        descriptors=table.usage,
        descriptors_limit=read_descriptors_limit,
        hidden_processes=table.unreadable,
        is_unprivileged=not sees_all_processes(),
        is_stopped=is_stopped,
        is_here=is_here,
    )


def view_listed(owners: Iterable[Owner]) -> ProcessView:
    """View processes of which there is only what a listing says of them."""
    names = {owner.pid: owner.name for owner in owners}
    return ProcessView(
        owners=lambda inode: (),
        unseen=Reason.UNKNOWN,
        process=lambda pid: Process(pid=pid, name=names.get(pid)),
        user=lambda uid: None if uid is None else str(uid),
        descriptors={},
        descriptors_limit=lambda pid: None,
        hidden_processes=0,
        is_unprivileged=False,
        is_stopped=lambda pid: False,
        is_here=lambda pid: True,
    )


def is_here(pid: int) -> bool:
    """Whether a process is in our network namespace, as far as we may know."""
    try:
        inode = os.stat(f"/proc/{pid}/ns/net").st_ino
        return inode == os.stat(_OUR_NAMESPACE).st_ino
    except OSError:
        return True
