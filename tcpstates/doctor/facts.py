"""The evidence for rules: suspicious sockets, and facts about the host."""

from __future__ import annotations

from collections import Counter
from collections.abc import (
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple

from tcpstates.ages import Bounds, age_bounds_ms
from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.collect.process_view import ProcessView
from tcpstates.doctor.owner_groups import Family, OwnerGroup, join_groups, shared_group
from tcpstates.doctor.thresholds import Thresholds
from tcpstates.fields import (
    ADDRESS,
    PORT,
    SERVICE,
    SIDES_OF_A_SOCKET,
    ColumnName,
    Side,
)
from tcpstates.model import KernelCounts, Owner, reason_without_file
from tcpstates.processes import Process
from tcpstates.settings import KernelSettings

Port = int | str | None  # str: a service that only the listing's own host knows
# Local address and port, remote address and port: see `unmap_ipv4`.
Ends = tuple[str, Port, str, Port]

_MAPPED = "::ffff:"


def unmap_ipv4(address: str) -> str:
    """Convert an IPv4-mapped IPv6 address to IPv4; leave other addresses unchanged.

    A socket for both families shows 127.0.0.1 as ::ffff:127.0.0.1; its peer does not.
    """
    is_mapped = address.startswith(_MAPPED) and "." in address
    return address.removeprefix(_MAPPED) if is_mapped else address


def is_loopback(address: str) -> bool:
    """Check whether an address, not mapped, never leaves this host."""
    return address.startswith("127.") or address == "::1"


def unmapped(batch: Batch, side: Side) -> Sequence[str]:
    """The addresses of one side, IPv4-mapped ones as IPv4."""
    addresses = batch.column(ADDRESS[side])
    if batch.family == "ipv4":
        return addresses
    shown = {address: unmap_ipv4(address) for address in set(addresses)}
    return list(map(shown.__getitem__, addresses))


def ends_of(batch: Batch) -> Iterator[Ends]:
    """Iterate over both endpoints of each socket, as `FlaggedSocket.ends`."""
    own, far = batch.column("local_port"), batch.column("remote_port")
    near, remote = unmapped(batch, "local"), unmapped(batch, "remote")
    return zip(near, own, remote, far, strict=True)


def other_ends(batch: Batch) -> Iterator[tuple[Ends, OtherEnd]]:
    """Iterate over sockets by their endpoints, with what their owners need."""
    columns = (batch.column(name) for name in _OTHER_END)
    return zip(ends_of(batch), map(OtherEnd, *columns), strict=False)


def spell_services(batch: Batch) -> None:
    """Use the service name where a saved listing has no port number."""
    for side in SIDES_OF_A_SOCKET:
        services = batch.get(SERVICE[side])
        if services is not None:
            both = zip(services, batch.column(PORT[side]), strict=True)
            batch.set(PORT[side], [service or port for service, port in both])


def ports_of(listeners: Iterable[Batch]) -> Iterator[Port]:
    """Yield the ports of listeners."""
    for batch in listeners:
        spell_services(batch)
        yield from batch.column("local_port")


class FlaggedSocket(NamedTuple):
    """A socket that a rule flagged, with the columns that rules need."""

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
    processes: tuple[Owner, ...] | None  # if the source itself reports them
    no_process_reason: str | None
    age: Bounds
    since_ms: float = 0  # for how long the suspected condition has lasted
    moved: int | None = None  # the bytes that tell whether it moves on; see `moved_by`

    @property
    def ends(self) -> Ends:
        """Both endpoints, the local one first."""
        return unmap_ipv4(self[1]), self[2], unmap_ipv4(self[3]), self[4]

    @property
    def mirrored(self) -> Ends:
        """Both endpoints from the peer's point of view."""
        return unmap_ipv4(self[3]), self[4], unmap_ipv4(self[1]), self[2]


class OtherEnd(NamedTuple):
    """The peer's socket on this host, with what its owner is found by."""

    state_label: str
    uid: int | None
    inode: int | None
    processes: tuple[Owner, ...] | None
    no_process_reason: str | None


_OTHER_END: tuple[ColumnName, ...] = OtherEnd._fields  # type: ignore[assignment]
_COLUMNS: tuple[ColumnName, ...] = FlaggedSocket._fields[:-3]  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleContext:
    """Facts that are known before the sockets are read."""

    thresholds: Thresholds
    settings: KernelSettings
    kernel: KernelCounts | None
    listening: frozenset[Port]
    fin_timeout_ms: int | None
    missing: frozenset[Capability]  # what the source does not provide
    is_live: bool  # the sockets are those of this host, now
    is_filtered: bool  # only some of the sockets are examined
    is_watched: bool = False  # a second scan follows
    knows_ports: bool = True  # the range of ephemeral ports is known

    def sockets(self, batch: Batch) -> Iterator[FlaggedSocket]:
        """Yield the sockets of a batch."""
        columns = [batch.column(name) for name in _COLUMNS]
        ages = age_bounds_ms(batch, self.fin_timeout_ms)
        return starmap(FlaggedSocket, zip(*columns, ages, strict=True))

    def backlog_limits(
        self, listeners: Collection[FlaggedSocket]
    ) -> tuple[int, ...] | None:
        """List the accept queue limit of each listener; None: some are not known.

        An ss that reads /proc/net/tcp prints 0 for every listener.
        """
        limits = [each.send_q for each in listeners]
        if None in limits:
            return None
        if Capability.BACKLOG_LIMIT in self.missing and 0 in limits:
            return None
        return tuple(limit for limit in limits if limit is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(ProcessView):
    """Facts that are gathered after the sockets are read."""

    counted: Mapping[str, int]  # sockets by state
    # The peers' sockets on this host, by their ends.
    partners: Mapping[Ends, OtherEnd | FlaggedSocket]
    counters: Mapping[str, int]  # kernel counters since boot
    grown: Mapping[str, int]  # their growth since the first scan began
    unix_listeners: int  # in this network namespace

    def owner(self, socket: FlaggedSocket | OtherEnd) -> OwnerGroup:
        """Find the owner of a socket."""
        owners, reason = self._owners(socket)
        if not owners:
            return OwnerGroup((), (), reason, self.user(socket.uid))
        named = {pid: name for pid, name, _ in owners if pid is not None}
        if not named:  # a listing that names programs without their pids
            return OwnerGroup((), tuple({name for _, name, _ in owners}))
        return shared_group(tuple(named), tuple(named.values()))

    def _owners(
        self, socket: FlaggedSocket | OtherEnd
    ) -> tuple[tuple[Owner, ...], str | None]:
        if socket.processes is not None:
            return socket.processes, socket.no_process_reason
        if socket.inode:
            return self.owners(socket.inode), self.unseen
        return (), reason_without_file(socket.state_label)

    def by_owner(
        self,
        sockets: Iterable[FlaggedSocket],
        few: int = 0,
        *,
        join_workers: bool = False,
    ) -> dict[OwnerGroup, list[FlaggedSocket]]:
        """Group sockets by owner, largest group first.

        A socket with several owners counts for the one that owns most sockets: the
        server, not the children that it has forked. Processes of the same name with
        fewer than `few` sockets each form one group: the workers of a server. With
        `join_workers`, so do those with the same name and the same parent.
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
            groups = join_groups(
                groups, lambda owner, size: owner.names if size < few else None
            )
        if join_workers and len(groups) > 1:
            groups = join_groups(groups, lambda owner, size: self._family(owner))
        return dict(sorted(groups.items(), key=lambda item: -len(item[1])))

    def _family(self, owner: OwnerGroup) -> Family | None:
        parent = self.process(owner.pids[0]).parent if len(owner.pids) == 1 else None
        if parent is None or parent <= 1:  # the first one is the parent of all daemons
            return None
        return Family(owner.names[0], parent)

    def processes(self, owner: OwnerGroup) -> tuple[Process, ...]:
        """Describe the first three processes of an owner."""
        return tuple(map(self.process, owner.pids[:3]))


def moved_by(sockets: Iterable[FlaggedSocket]) -> dict[Hashable, int]:
    """The bytes that each socket has moved so far, to compare two scans."""
    return {s.ends: s.moved for s in sockets if s.moved is not None}
