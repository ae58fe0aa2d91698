"""Who owns sockets: processes, the workers of a server, or a reason for nobody."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import NamedTuple, TypeVar

from tcpstates.model import Reason
from tcpstates.text import format_name, sanitise
from tcpstates.wording import counted

T = TypeVar("T")


class OwnerGroup(NamedTuple):
    """The owner of sockets: processes, or the reason why none can be named."""

    pids: tuple[int, ...]  # empty also for a program whose pids are unknown
    names: tuple[bytes | None, ...]
    reason: str | None = None
    user: str | None = None  # the user of the hidden processes
    parent: int | None = None  # of workers that were joined

    @property
    def is_hidden(self) -> bool:
        """Whether the owner is one or more hidden processes."""
        return self.reason == Reason.HIDDEN

    @property
    def subject(self) -> str:
        """A name that stays the same between scans: forks and threads come and go."""
        if not self.pids:
            return str(self)
        name = format_name(self.names[0])
        if self.parent is not None:  # two servers may have the same name
            return f"{name} of {self.parent}"
        is_program = len(self.pids) > 1 and len(set(self.names)) == 1
        return name if is_program else f"{name}[{self.pids[0]}]"

    def does(self, one: str, many: str) -> str:
        """Begin a sentence: the owner, and the form of the verb that fits."""
        is_several = len(self.pids) > 1 or self.is_hidden
        return f"{self} {many if is_several else one}"

    def __str__(self) -> str:
        """Format the owner as `name[pid]`, or describe one without a pid."""
        if self.pids:
            text = f"{format_name(self.names[0])}[{self.pids[0]}]"
            more = len(self.pids) - 1
            others = counted(more, "other process", "other processes")
            return f"{text} and {others}" if more else text
        if self.is_hidden:
            return f"hidden processes of user {sanitise(self.user or '?')}"
        if self.names:
            return ", ".join(sorted(map(format_name, self.names)))
        if self.reason == Reason.UNKNOWN:
            return "an unknown process"
        return f"({self.reason})"


@lru_cache(maxsize=4096)
def shared_group(pids: tuple[int, ...], names: tuple[bytes | None, ...]) -> OwnerGroup:
    """Return one group for all sockets with the same owners: there may be 100,000."""
    return OwnerGroup(pids, names)


class Family(NamedTuple):
    """What the workers of one server have in common."""

    name: bytes | None
    parent: int


def join_groups(
    groups: dict[OwnerGroup, list[T]],
    key: Callable[[OwnerGroup, int], Hashable],
) -> dict[OwnerGroup, list[T]]:
    """Merge the groups with the same key, given the size of each; None: none."""
    joined: dict[OwnerGroup, list[T]] = {}
    workers: dict[Hashable, list[OwnerGroup]] = {}
    for owner, sockets in groups.items():
        shared = key(owner, len(sockets)) if owner.pids else None
        if shared is None:
            joined[owner] = sockets
        else:
            workers.setdefault(shared, []).append(owner)
    for shared, owners in workers.items():
        names = {pid: owner.names[0] for owner in owners for pid in owner.pids}
        pids = tuple(sorted(names))
        whole = OwnerGroup(pids, tuple(map(names.__getitem__, pids)))
        if isinstance(shared, Family):
            whole = whole._replace(parent=shared.parent)
        joined[whole] = [each for owner in owners for each in groups[owner]]
    return joined
