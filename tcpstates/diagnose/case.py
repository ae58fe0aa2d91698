"""What the rules know: the sockets they suspect, and this host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import starmap
from typing import NamedTuple, Protocol

from tcpstates.ages import Bounds, age_bounds_ms
from tcpstates.capabilities import Capability
from tcpstates.diagnose.thresholds import Thresholds
from tcpstates.findings import Finding, Gap, Process
from tcpstates.lifecycle.meanings import Settings
from tcpstates.model import (
    Batch,
    KernelCounts,
    Owner,
    Reason,
    reason_without_file,
)
from tcpstates.text import format_name, sanitise

Port = int | str | None  # text is a service that only a listing's own host knows
# Local address and port, remote address and port: see `plain`.
Ends = tuple[str, Port, str, Port]

_MAPPED = "::ffff:"


def plain(address: str) -> str:
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


class Suspect(NamedTuple):
    """A socket that a rule has looked at twice."""

    word: str
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
        return plain(self[1]), self[2], plain(self[3]), self[4]

    @property
    def mirrored(self) -> Ends:
        """Return both endpoints as the other end has them."""
        return plain(self[3]), self[4], plain(self[1]), self[2]


_COLUMNS = Suspect._fields[:-2]


class Host(NamedTuple):
    """What was known before the sockets were read."""

    thresholds: Thresholds
    settings: Settings
    kernel: KernelCounts | None
    listening: frozenset[Port]
    fin_timeout_ms: float | None
    missing: frozenset[Capability]  # what the source does not provide
    is_filtered: bool  # only some of the sockets are looked at
    is_watched: bool = False  # there is a second look
    is_saved: bool = False  # the sockets are another machine's, or of another time
    knows_ports: bool = True  # which ports the system hands out

    def suspects(self, batch: Batch) -> Iterator[Suspect]:
        """Yield a batch's sockets."""
        columns = [batch.column(name) for name in _COLUMNS]
        ages = age_bounds_ms(batch, self.fin_timeout_ms)
        return starmap(Suspect, zip(*columns, ages, strict=True))

    def backlog_limits(self, listeners: Collection[Suspect]) -> tuple[int, ...] | None:
        """Return how many connections may wait for each; None: not told of some.

        An ss that reads /proc/net/tcp prints 0 for every listener.
        """
        limits = [each.send_q for each in listeners]
        if None in limits or (self.is_saved and 0 in limits):
            return None
        return tuple(limit for limit in limits if limit is not None)


class Holder(NamedTuple):
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


class Case(NamedTuple):
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
    partners: Mapping[Ends, Suspect]  # the other ends that are on this host
    counters: Mapping[str, int]  # of the kernel, since boot
    grown: Mapping[str, int]  # by how much, since the first look began

    def holder(self, suspect: Suspect) -> Holder:
        """Return who holds a socket."""
        owners, reason = self._owners(suspect)
        if not owners:
            return Holder((), (), reason, self.user(suspect.uid))
        named = {pid: name for pid, name, _ in owners}
        return Holder(tuple(named), tuple(named.values()))

    def _owners(self, suspect: Suspect) -> tuple[tuple[Owner, ...], str | None]:
        if suspect.processes is not None:
            return suspect.processes, suspect.no_process_reason
        if suspect.inode:
            return self.owners(suspect.inode), self.unseen
        return (), reason_without_file(suspect.word)

    def by_holder(
        self, suspects: Iterable[Suspect], few: int = 0
    ) -> dict[Holder, list[Suspect]]:
        """Return the sockets by who holds them, whoever has most first.

        Of several holders of a socket the one counts that holds most of them all: a
        server, not the children that it has forked. Processes of one name that have
        less than `few` each are taken together, as the workers of a server.
        """
        held = [(suspect, self.holder(suspect)) for suspect in suspects]
        weight = Counter(pid for _, holder in held for pid in holder.pids)
        groups: dict[Holder, list[Suspect]] = {}
        for suspect, holder in held:
            first = holder
            if len(holder.pids) > 1:
                most = max(holder.pids, key=lambda pid: (weight[pid], -pid))
                first = Holder((most,), (holder.names[holder.pids.index(most)],))
            groups.setdefault(first, []).append(suspect)
        if few:
            groups = _joined_workers(groups, few)
        return dict(sorted(groups.items(), key=lambda item: -len(item[1])))

    def processes(self, holder: Holder) -> tuple[Process, ...]:
        """Return what is known of a holder's first processes."""
        return tuple(map(self.process, holder.pids[:3]))


def _joined_workers(
    groups: dict[Holder, list[Suspect]], few: int
) -> dict[Holder, list[Suspect]]:
    """Return the groups, small ones of the same name as one."""
    joined: dict[Holder, list[Suspect]] = {}
    workers: dict[tuple[bytes | None, ...], list[Holder]] = {}
    for holder, suspects in groups.items():
        if holder.pids and len(suspects) < few:
            workers.setdefault(holder.names, []).append(holder)
        else:
            joined[holder] = suspects
    for names, holders in workers.items():
        pids = tuple(sorted(pid for holder in holders for pid in holder.pids))
        whole = Holder(pids, names * len(pids))
        joined[whole] = [each for holder in holders for each in groups[holder]]
    return joined


class Rule(Protocol):
    """A family of troubles: it sees every socket of some states, then judges."""

    states: frozenset[str]

    def look(self, word: str, batch: Batch) -> None:
        """Look at sockets that are all in one state; it is one of `states`."""

    def suspected(self) -> Iterable[Suspect]:
        """Return the sockets whose holders, and other ends, matter."""

    def find(self, case: Case) -> Iterable[Finding | Gap]:
        """Return findings, and gaps where it could not look."""
