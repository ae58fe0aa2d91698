"""What the rules know: the sockets they suspect, and this host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple

from tcpstates.ages import Bounds, age_bounds_ms
from tcpstates.capabilities import Capability
from tcpstates.doctor.thresholds import Thresholds
from tcpstates.model import (
    Batch,
    KernelCounts,
    Owner,
    Reason,
    reason_without_file,
)
from tcpstates.processes import Process
from tcpstates.settings import KernelSettings
from tcpstates.text import format_name, sanitise

Port = int | str | None  # text is a service that only a listing's own host knows
# Local address and port, remote address and port: see `plain`.
Ends = tuple[str, Port, str, Port]

_MAPPED = "::ffff:"


def unmap_ipv4(address: str) -> str:
    """Return an address of IPv4 as such, also one that is mapped into IPv6.

    A socket for both families has 127.0.0.1 as ::ffff:127.0.0.1; its peer has not.
    """
    is_mapped = address.startswith(_MAPPED) and "." in address
    return address.removeprefix(_MAPPED) if is_mapped else address


def spell_services(batch: Batch) -> None:
    """Let services stand where a saved listing has no number for them."""
    for side in ("local", "remote"):
        services = batch.known(f"{side}_service")
        if services is not None:
            both = zip(services, batch.column(f"{side}_port"), strict=True)
            batch.put(f"{side}_port", [service or port for service, port in both])


def ports_of(listeners: Iterable[Batch]) -> Iterator[Port]:
    """Yield where they listen."""
    for batch in listeners:
        spell_services(batch)
        yield from batch.column("local_port")


class FlaggedSocket(NamedTuple):
    """A socket that a rule has looked at twice."""

    state_label: str
    local_address: str
    local_port: Port
    remote_address: str
    remote_port: Port
    recv_q: int | None
    send_q: int | None
    uid: int | None
    inode: int | None
    retransmits: int | None
    timer: str | None
    processes: tuple[Owner, ...] | None  # where the source tells them itself
    no_process_reason: str | None
    age: Bounds
    since_ms: float = 0  # of what a rule suspects

    @property
    def ends(self) -> Ends:
        """Return both endpoints."""
        return unmap_ipv4(self[1]), self[2], unmap_ipv4(self[3]), self[4]

    @property
    def mirrored(self) -> Ends:
        """Return both endpoints as the other end has them."""
        return unmap_ipv4(self[3]), self[4], unmap_ipv4(self[1]), self[2]


_COLUMNS = FlaggedSocket._fields[:-2]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleContext:
    """What was known before the sockets were read."""

    thresholds: Thresholds
    settings: KernelSettings
    kernel: KernelCounts | None
    listening: frozenset[Port]
    fin_timeout_ms: float | None
    missing: frozenset[Capability]  # what the source does not provide
    is_filtered: bool  # only some of the sockets are looked at
    is_watched: bool = False  # there is a second look
    knows_ports: bool = True  # which ports the system hands out

    def sockets(self, batch: Batch) -> Iterator[FlaggedSocket]:
        """Yield a batch's sockets."""
        columns = [batch.column(name) for name in _COLUMNS]
        ages = age_bounds_ms(batch, self.fin_timeout_ms)
        return starmap(FlaggedSocket, zip(*columns, ages, strict=True))

    def backlog_limits(
        self, listeners: Collection[FlaggedSocket]
    ) -> tuple[int, ...] | None:
        """Return how many connections may wait for each; None: not told of some.

        An ss that reads /proc/net/tcp prints 0 for every listener.
        """
        limits = [each.send_q for each in listeners]
        if None in limits:
            return None
        if Capability.BACKLOG_LIMIT in self.missing and 0 in limits:
            return None
        return tuple(limit for limit in limits if limit is not None)


class OwnerGroup(NamedTuple):
    """Who holds sockets: processes, or the reason why there is none to name."""

    pids: tuple[int, ...]
    names: tuple[bytes | None, ...]
    reason: str | None = None
    user: str | None = None  # whose hidden process it is

    @property
    def is_hidden(self) -> bool:
        """Tell whether it is somebody whom we may not see, perhaps several."""
        return self.reason == Reason.HIDDEN

    @property
    def subject(self) -> str:
        """Return what is the same at a second look: forks and threads come and go."""
        if not self.pids:
            return str(self)
        name = format_name(self.names[0])
        is_program = len(self.pids) > 1 and len(set(self.names)) == 1
        return name if is_program else f"{name}[{self.pids[0]}]"

    def __str__(self) -> str:
        """Return `name[pid]`, or who it is instead."""
        if self.pids:
            text = f"{format_name(self.names[0])}[{self.pids[0]}]"
            more = len(self.pids) - 1
            others = "1 other process" if more == 1 else f"{more} other processes"
            return f"{text} and {others}" if more else text
        if self.is_hidden:
            return f"hidden processes of user {sanitise(self.user or '?')}"
        if self.reason == Reason.UNKNOWN:
            return "an unknown process"
        return f"({self.reason})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found out after the sockets were read."""

    counted: Mapping[str, int]  # sockets by state
    owners: Callable[[int], tuple[Owner, ...]]  # by inode
    unseen: str  # why a socket with a file has no owner here
    process: Callable[[int], Process]
    user: Callable[[int | None], str | None]  # a uid's name
    descriptors: Mapping[int, tuple[int, int]]  # by pid: open, and of these sockets
    descriptors_limit: Callable[[int], int | None]  # by pid
    hidden_processes: int  # whose descriptors we may not see
    is_unprivileged: bool  # root would see more
    is_here: Callable[[int], bool]  # whether a process is in this network namespace
    partners: Mapping[Ends, FlaggedSocket]  # the other ends that are on this host
    counters: Mapping[str, int]  # of the kernel, since boot
    grown: Mapping[str, int]  # by how much, since the first look began

    def owner(self, socket: FlaggedSocket) -> OwnerGroup:
        """Return who holds a socket."""
        owners, reason = self._owners(socket)
        if not owners:
            return OwnerGroup((), (), reason, self.user(socket.uid))
        named = {pid: name for pid, name, _ in owners}
        return OwnerGroup(tuple(named), tuple(named.values()))

    def _owners(self, socket: FlaggedSocket) -> tuple[tuple[Owner, ...], str | None]:
        if socket.processes is not None:
            return socket.processes, socket.no_process_reason
        if socket.inode:
            return self.owners(socket.inode), self.unseen
        return (), reason_without_file(socket.state_label)

    def by_owner(
        self, sockets: Iterable[FlaggedSocket], few: int = 0
    ) -> dict[OwnerGroup, list[FlaggedSocket]]:
        """Return the sockets by who holds them, whoever has most first.

        Of several holders of a socket the one counts that holds most of them all: a
        server, not the children that it has forked. Processes of one name that have
        less than `few` each are taken together, as the workers of a server.
        """
        held = [(socket, self.owner(socket)) for socket in sockets]
        weight = Counter(pid for _, owner in held for pid in owner.pids)
        groups: dict[OwnerGroup, list[FlaggedSocket]] = {}
        for socket, owner in held:
            first = owner
            if len(owner.pids) > 1:
                most = max(owner.pids, key=lambda pid: (weight[pid], -pid))
                first = OwnerGroup((most,), (owner.names[owner.pids.index(most)],))
            groups.setdefault(first, []).append(socket)
        if few:
            groups = _joined_workers(groups, few)
        return dict(sorted(groups.items(), key=lambda item: -len(item[1])))

    def processes(self, owner: OwnerGroup) -> tuple[Process, ...]:
        """Return what is known of a holder's first processes."""
        return tuple(map(self.process, owner.pids[:3]))


def _joined_workers(
    groups: dict[OwnerGroup, list[FlaggedSocket]], few: int
) -> dict[OwnerGroup, list[FlaggedSocket]]:
    """Return the groups, small ones of the same name as one."""
    joined: dict[OwnerGroup, list[FlaggedSocket]] = {}
    workers: dict[tuple[bytes | None, ...], list[OwnerGroup]] = {}
    for owner, sockets in groups.items():
        if owner.pids and len(sockets) < few:
            workers.setdefault(owner.names, []).append(owner)
        else:
            joined[owner] = sockets
    for names, owners in workers.items():
        pids = tuple(sorted(pid for owner in owners for pid in owner.pids))
        whole = OwnerGroup(pids, names * len(pids))
        joined[whole] = [each for owner in owners for each in groups[owner]]
    return joined
