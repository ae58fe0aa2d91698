"""What the rules know: the sockets they suspect, and this host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from tcpstates.ages import Bounds, age_bounds_ms
from tcpstates.diagnose.thresholds import Thresholds
from tcpstates.findings import Finding, Gap
from tcpstates.lifecycle.meanings import Settings
from tcpstates.model import Batch, KernelCounts, Owner, Process, Reason
from tcpstates.text import format_name

# Local and remote address and port.
Tuple = tuple[str, int, str, int]


class Suspect(NamedTuple):
    """A socket that a rule has looked at twice."""

    word: str
    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    recv_q: int | None
    send_q: int | None
    uid: int | None
    inode: int | None
    retransmits: int | None
    timer: str | None
    processes: tuple[Owner, ...] | None  # where the source tells them itself
    no_process_reason: str | None
    age: Bounds

    @property
    def tuple(self) -> Tuple:
        """Return both endpoints."""
        return self[1], self[2], self[3], self[4]

    @property
    def mirrored(self) -> Tuple:
        """Return both endpoints as the other end has them."""
        return self[3], self[4], self[1], self[2]


_COLUMNS = Suspect._fields[:-1]


class Host(NamedTuple):
    """What was known before the sockets were read."""

    thresholds: Thresholds
    settings: Settings
    kernel: KernelCounts | None
    listening: frozenset[int]  # ports
    fin_timeout_ms: float | None
    untold: frozenset[str]  # what the source cannot tell, as `choose.MISSING` has it
    is_filtered: bool  # only some of the sockets are looked at
    is_watched: bool = False  # there is a second look
    is_remote: bool = False  # the sockets are another machine's, or of another time

    def suspects(self, batch: Batch) -> Iterator[Suspect]:
        """Yield a batch's sockets."""
        columns = [batch.column(name) for name in _COLUMNS]
        ages = age_bounds_ms(batch, self.fin_timeout_ms)
        return map(Suspect._make, zip(*columns, ages, strict=True))


class Holder(NamedTuple):
    """Who holds sockets: processes, or the reason why there is none to name."""

    pids: tuple[int, ...]
    names: tuple[bytes | None, ...]
    reason: str | None = None
    user: str | None = None  # whose hidden process it is

    def __str__(self) -> str:
        """Return `name[pid]`, or who it is instead."""
        if self.pids:
            text = f"{format_name(self.names[0])}[{self.pids[0]}]"
            more = len(self.pids) - 1
            return f"{text} and {more} more" if more else text
        if self.reason == Reason.HIDDEN:
            return f"a hidden process of user {self.user or '?'}"
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
    partners: Mapping[Tuple, Suspect]  # the other ends that are on this host
    counters: Mapping[str, int]  # of the kernel, since boot
    grown: Mapping[str, int]  # by how much, since the first look began

    def holder(self, suspect: Suspect) -> Holder:
        """Return who holds a socket."""
        owners, reason = suspect.processes, suspect.no_process_reason
        if owners is None:
            owners = self.owners(suspect.inode) if suspect.inode else ()
            reason = self.unseen if suspect.inode else Reason.ORPHAN
        if not owners:
            return Holder((), (), reason, self.user(suspect.uid))
        named = {pid: name for pid, name, _ in owners}
        return Holder(tuple(named), tuple(named.values()))

    def by_holder(self, suspects: Iterable[Suspect]) -> dict[Holder, list[Suspect]]:
        """Return the sockets by who holds them, whoever has most first."""
        groups: dict[Holder, list[Suspect]] = {}
        for suspect in suspects:
            groups.setdefault(self.holder(suspect), []).append(suspect)
        by_size = sorted(groups.items(), key=lambda item: -len(item[1]))
        return dict(by_size)

    def processes(self, holder: Holder) -> tuple[Process, ...]:
        """Return what is known of a holder's first processes."""
        return tuple(map(self.process, holder.pids[:3]))


class Rule(Protocol):
    """A family of troubles: it sees every socket of some states, then judges."""

    states: frozenset[str]

    def look(self, word: str, batch: Batch) -> None:
        """Look at sockets that are all in one state; it is one of `states`."""

    def suspected(self) -> Iterable[Suspect]:
        """Return the sockets whose holders, and other ends, matter."""

    def find(self, case: Case) -> Iterable[Finding | Gap]:
        """Return findings, and gaps where it could not look."""
