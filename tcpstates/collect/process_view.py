"""What is known of the processes that own sockets: live ones, or those a text names."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial

from tcpstates.collect import owners
from tcpstates.collect.names import SystemNames
from tcpstates.collect.owner_table import OwnerTable
from tcpstates.collect.proc_files import (
    count_descriptors,
    count_sleeps,
    is_kernel_thread,
    network_namespace,
    read_state,
    sees_all_processes,
)
from tcpstates.collect.unlisted import count_unlisted
from tcpstates.model import Owner, Reason
from tcpstates.processes import Process

_OUR_NAMESPACE = "/proc/self/ns/net"
_STOPPED, _UNINTERRUPTIBLE = ("T", "t"), "D"
_STUCK_SECONDS, _LOOK_AGAIN_SECONDS = 2, 0.1


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
    # Those of some processes that have been in one uninterruptible sleep for seconds.
    stuck_in_kernel: Callable[[Iterable[int]], frozenset[int]]
    is_here: Callable[[int], bool]  # whether a process is in this network namespace
    # The processes in other network namespaces, by the namespace's inode, as far as
    # they may be inspected.
    elsewhere: Callable[[], Mapping[int, Sequence[int]]]
    # The TCP sockets that a process holds and no table lists, by pid: see `unlisted`.
    unlisted: Callable[[], Mapping[int, int]] = dict


def view_live(inodes: Iterable[int], sockets: int | None) -> ProcessView:
    """Scan /proc for the owners of sockets; see `owners.scan` for `sockets`."""
    table = OwnerTable(inodes)
    owners.scan(table, sockets=sockets)
    return view_table(table)


def view_table(table: OwnerTable) -> ProcessView:
    """View the processes that a scan has found."""
    from tcpstates.collect.process_details import read_descriptors_limit, read_process

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
        is_stopped=lambda pid: read_state(pid) in _STOPPED,
        stuck_in_kernel=stuck_in_kernel,
        is_here=is_here,
        elsewhere=in_other_namespaces,
        unlisted=partial(count_unlisted, table.usage, in_other_namespaces),
    )


def view_listed(owners: Iterable[Owner]) -> ProcessView:
    """View processes of which there is only what a listing says of them."""
    names = {owner.pid: owner.name for owner in owners if owner.pid is not None}
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
        stuck_in_kernel=lambda pids: frozenset(),
        is_here=lambda pid: True,
        elsewhere=dict,
    )


def stuck_in_kernel(pids: Iterable[int]) -> frozenset[int]:
    """Return the processes whose main thread is in one uninterruptible sleep.

    A process that uses a disk is in this state for milliseconds (D, proc_pid_stat(5)),
    again and again. So those found in it are looked at for two seconds, in which they
    must not have woken up. Without any, nobody waits.
    """
    stuck = {
        pid: count_sleeps(pid) for pid in pids if read_state(pid) == _UNINTERRUPTIBLE
    }
    end = time.monotonic() + _STUCK_SECONDS
    while stuck and time.monotonic() < end:
        time.sleep(_LOOK_AGAIN_SECONDS)
        stuck = {
            pid: sleeps
            for pid, sleeps in stuck.items()
            if read_state(pid) == _UNINTERRUPTIBLE and count_sleeps(pid) == sleeps
        }
    return frozenset(stuck)


def is_here(pid: int) -> bool:
    """Whether a process is in our network namespace, as far as we may know."""
    return network_namespace(pid) in (None, network_namespace("self"))


def in_other_namespaces() -> Mapping[int, Sequence[int]]:
    """List the processes of other network namespaces; see `ProcessView.elsewhere`."""
    found: dict[int, list[int]] = {}
    with suppress(OSError):
        for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
            namespace = network_namespace(pid)
            if namespace is not None and not is_kernel_thread(pid):
                found.setdefault(namespace, []).append(pid)
        found.pop(os.stat(_OUR_NAMESPACE).st_ino, None)
    return found
