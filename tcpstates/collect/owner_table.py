"""The owners of sockets: which process has which of them, by which descriptor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from errno import EMFILE, ENFILE, ENOENT, ESRCH
from operator import countOf
from typing import Any

from tcpstates.collect.proc_files import (
    in_first_pid_namespace,
    read_start,
    sees_all_processes,
)
from tcpstates.model import Owner, Reason
from tcpstates.packed_owners import PackedOwners

_MANY_HOLDERS = 16  # then a dictionary: twice the memory of a tuple, but fast
NOT_WANTED = ()  # differs from every owner


class OwnerTable:
    """The owners of the requested sockets.

    There may be a million entries, so one owner is one integer (pid and descriptor).
    Several owners are a tuple of integers, and many are the keys of a dictionary.
    """

    def __init__(self, inodes: Iterable[int], root: str = "/proc") -> None:
        """Take the socket inodes to look for; zero means none and is ignored."""
        self.holders: dict[int, Any] = dict.fromkeys(inodes)
        self.holders.pop(0, None)
        self.names: dict[int, bytes | None] = {}  # None: it exited before it was read
        self.started: dict[int, int] = {}  # in ticks since boot, by pid
        self.usage: dict[int, tuple[int, int]] = {}  # descriptors and sockets, by pid
        self.unreadable = 0  # processes whose descriptors cannot be read
        self.is_out_of_descriptors = False  # of our own, for reading them
        self.available = True  # False: there is no /proc
        self.root = root

    def missing(self) -> int:
        """Return how many of the requested sockets have no owner yet."""
        return countOf(self.holders.values(), None)

    def count_without_owner(self, inodes: Sequence[int]) -> int:
        """Count those of these sockets that have no owner; inode 0 is no socket."""
        return countOf(map(self.holders.get, inodes), None) - countOf(inodes, 0)

    def clear(self) -> None:
        """Forget everything that a failed scan has found."""
        self.holders = dict.fromkeys(self.holders)
        self.names, self.started, self.usage = {}, {}, {}
        self.unreadable = 0
        self.is_out_of_descriptors = False

    def add(self, inode: int, holder: int) -> bool:
        """Add an owner to a requested socket; return whether it is the first.

        A socket may have a hundred thousand owners.
        """
        before = self.holders[inode]
        if before is None:
            self.holders[inode] = holder
            return True
        if isinstance(before, dict):
            before[holder] = None
            return False
        several = (before,) if isinstance(before, int) else before
        if len(several) >= _MANY_HOLDERS:
            self.holders[inode] = dict.fromkeys((*several, holder))
        elif holder not in several:
            self.holders[inode] = (*several, holder)
        return False

    def is_same(self, pid: int) -> bool:
        """Check that a pid still belongs to the process that was scanned.

        True if its start time is unknown.
        """
        started = self.started.get(pid)
        return started is None or read_start(f"{self.root}/{pid}/stat") == started

    def name(self, pid: int) -> bytes | None:
        """Return the name of an owner at the time of the scan; None if unknown."""
        return self.names.get(pid)

    def note_failure(self, error: OSError) -> None:
        """Count a process that could not be read, unless it has exited."""
        if error.errno not in (ENOENT, ESRCH):
            self.unreadable += 1
            self.is_out_of_descriptors |= error.errno in (EMFILE, ENFILE)

    def unseen_reason(self) -> str:
        """Return why no process was found for an open socket; see `model.Reason`."""
        if not self.available:
            return Reason.UNKNOWN
        if not sees_all_processes():
            return Reason.HIDDEN
        if self.unreadable:
            return Reason.NOT_FOUND
        return Reason.UNATTRIBUTED if in_first_pid_namespace() else Reason.NOT_HERE

    def of_inode(self, inode: int) -> tuple[Owner, ...]:
        """Return the processes that own one socket."""
        return self.owners((inode,))[0]

    def owners(self, inodes: Iterable[int]) -> list[tuple[Owner, ...]]:
        """Return the owners of each socket in the order of their pids."""
        return list(self.packed(inodes))

    def packed(self, inodes: Iterable[int]) -> PackedOwners:
        """Return the same as a column whose owners are made when they are needed."""
        return PackedOwners(list(map(self.holders.get, inodes)), self.names)
