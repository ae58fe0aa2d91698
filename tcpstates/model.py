"""Core types: requests, and batches of sockets held as columns.

A *batch* is a few hundred sockets of one protocol and family. Records are too slow for
a million of them: for 100,000 sockets, columns cut from the kernel's answer and joined
by `map` take 0.12 s, one NamedTuple per row 0.31 s, one frozen dataclass 0.45 s.

The columns of a batch, by name. Every value may be None where the source cannot
tell; zero and the empty string are real values.

| column | type | meaning |
|---|---|---|
| word | str | what to show as the state: an RFC 9293 name, or UNCONN, BOUND ... |
| state | str | the RFC 9293 name; None where no state of the RFC equals it |
| raw_state | str | the source's own word or code |
| local_address, remote_address | str | numeric, without brackets or scope |
| local_port, remote_port | int | 0 is the wildcard |
| recv_q, send_q | int | bytes; of a LISTEN socket the backlog and its limit |
| uid, inode | int | owner's user id; socket's inode, 0 when no file refers to it |
| cookie | int | the kernel's identity of the socket, unique since boot |
| interface_index | int | the interface it is bound to; 0: none |
| timer | str | off, retransmit, keepalive, time-wait, probe, delayed-ack |
| timer_ms | int | milliseconds until the timer fires |
| retransmits | int | unanswered retransmissions or probes |
| mark, cgroup_id | int | firewall mark; id of the cgroup v2 directory |
| v6only | bool | an IPv6 listener that refuses IPv4 |
| shutdown | int | bits: 1 the peer's FIN was received, 2 we sent ours |
| congestion | str | name of the congestion control |
| info, memory | dict | see `parse.tcp_info`, `parse.diag_batch.MEMORY_FIELDS` |
| info.NAME | int | one field of tcp_info; None: the socket has none |
| interface_name, local_service, remote_service | str | of listings without a number |
| processes | tuple of Owner | None where not looked for |
| no_process_reason | str | why `processes` is empty; see `Reason` |
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from itertools import compress
from typing import Any, NamedTuple, Protocol, TypeVar

from tcpstates.capabilities import Capability
from tcpstates.states import GROUPS, AnyState, TcpState

PROTOCOLS = ("tcp", "udp")
FAMILIES = ("ipv4", "ipv6")


class Request(NamedTuple):
    """What a source is asked for; it may leave out what it cannot tell."""

    protocols: frozenset[str] = frozenset({"tcp"})
    families: frozenset[str] = frozenset(FAMILIES)
    states: frozenset[AnyState] = GROUPS["all"]
    unknown_states: bool = True  # also what no word is known for
    info: bool = False
    memory: bool = False
    processes: bool = False  # find every owner, which may take a scan of /proc
    reported_processes: bool = False  # owners, where the source reports them anyway
    program: bytes = b""  # inet_diag bytecode: what it drops is not wanted
    allow_fallback: bool = (
        False  # a source may read elsewhere what it lacks, and say so
    )

    def for_columns(self, needs: Collection[str]) -> Request:
        """Return the request with what columns need: processes, info, memory."""
        return self._replace(
            processes="processes" in needs,
            info="info" in needs,
            memory="memory" in needs,
        )

    def wants(self, word: str) -> bool:
        """Tell whether a socket whose state is shown as `word` was asked for."""
        if word.startswith("UNKNOWN"):
            return self.unknown_states
        return word in self.states  # members are equal to their names


class Owner(NamedTuple):
    """One process that holds a socket through one descriptor."""

    pid: int
    name: bytes | None  # as the kernel has it: any bytes; None: it went away
    fd: int | None  # None where the source cannot tell


class Reason:
    """Why a socket has no process; the words are part of the output."""

    TIME_WAIT = "time-wait"
    REQUEST = "half-open"
    NOT_ACCEPTED = "not accepted"
    ORPHAN = "orphan"
    HIDDEN = "hidden"
    NOT_FOUND = "not found"  # some processes may not be looked into, even by root
    NOT_HERE = "not in this pid namespace"
    UNATTRIBUTED = "unattributed"
    UNKNOWN = "unknown"


_REASONS_WITHOUT_FILE: dict[str, str] = {
    TcpState.TIME_WAIT: Reason.TIME_WAIT,
    TcpState.SYN_RECEIVED: Reason.REQUEST,
    TcpState.ESTABLISHED: Reason.NOT_ACCEPTED,
    TcpState.CLOSE_WAIT: Reason.NOT_ACCEPTED,
    TcpState.FIN_WAIT_1: Reason.ORPHAN,
    TcpState.FIN_WAIT_2: Reason.ORPHAN,
    TcpState.CLOSING: Reason.ORPHAN,
    TcpState.LAST_ACK: Reason.ORPHAN,
}


def reason_without_file(word: str) -> str:
    """Say why a socket in that state, which no file refers to, is there."""
    return _REASONS_WITHOUT_FILE.get(word, Reason.UNATTRIBUTED)


class KernelCounts(NamedTuple):
    """What the kernel counts of TCP itself; None: it does not tell."""

    orphans: int | None = None  # sockets without a file, in every namespace
    orphans_limit: int | None = None
    time_wait: int | None = None  # in this network namespace
    time_wait_limit: int | None = None
    memory_bytes: int | None = None  # of every TCP socket, in every namespace
    memory_pressure_bytes: int | None = None  # from here on buffers are kept small
    memory_limit_bytes: int | None = None


class Limitation(NamedTuple):
    """A reason why the answer may be incomplete."""

    kind: str  # a stable word for programs
    text: str  # a line for people


B = TypeVar("B", bound="Batch")


class Batch:
    """Sockets of one protocol and family as columns; see this module's table."""

    __slots__ = ("_columns", "family", "origin", "protocol")

    def __init__(self, protocol: str, family: str) -> None:
        self.protocol = protocol
        self.family = family
        self.origin = ""  # the label of where it was read; "": this host
        self._columns: dict[str, Sequence[Any]] = {}

    def __len__(self) -> int:
        raise NotImplementedError

    def column(self, name: str) -> Sequence[Any]:
        """Return one value a socket, None for each where the source cannot tell."""
        values = self.known(name)
        return [None] * len(self) if values is None else values

    def known(self, name: str) -> Sequence[Any] | None:
        """Return one value a socket, or None when the source cannot tell."""
        values = self._columns.get(name)
        if values is None:
            values = self._make(name)
            if values is not None:
                self._columns[name] = values
        return values

    def put(self, name: str, values: Sequence[Any]) -> None:
        """Add a column that another stage has found out."""
        self._columns[name] = values

    def keep(self: B, chosen: Sequence[Any]) -> B:
        """Return the sockets for which `chosen` is true, with every column known."""
        if all(chosen):
            return self
        kept = self._only(chosen)
        kept.origin = self.origin
        kept._columns = {
            name: list(compress(values, chosen))
            for name, values in self._columns.items()
        }
        return kept

    def _only(self: B, chosen: Sequence[Any]) -> B:
        """Return a batch of the chosen sockets that can make their columns anew."""
        raise NotImplementedError

    def _make(self, name: str) -> Sequence[Any] | None:
        """Return the column, or None when this source cannot tell."""
        raise NotImplementedError


class ColumnBatch(Batch):
    """A batch whose columns were all given to it."""

    __slots__ = ("_count",)

    def __init__(
        self,
        protocol: str,
        family: str,
        count: int,
        columns: Mapping[str, Sequence[Any]],
    ) -> None:
        super().__init__(protocol, family)
        self._columns = dict(columns)
        self._count = count

    def __len__(self) -> int:
        return self._count

    def _make(self, name: str) -> Sequence[Any] | None:
        return None

    def _only(self, chosen: Sequence[Any]) -> ColumnBatch:
        count = sum(map(bool, chosen))
        return ColumnBatch(self.protocol, self.family, count, {})


class OwnersBy(Enum):
    """How the owners of a source's sockets are found."""

    INODE = "inode"  # by a scan of /proc
    PID = "pid"  # the source reports one pid per socket
    ROW = "row"  # the rows name them, or nothing does


class Source(Protocol):
    """How sockets are read; `lacks` is what it does not provide."""

    name: str
    lacks: tuple[Capability, ...]
    owners_by: OwnersBy
    reads_everything: bool  # a request for some sockets costs as much as one for all

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield batches; raise SourceUnavailable when there is nothing to read.

        What the user should know is appended to `limitations`.
        """


class Reading(NamedTuple):
    """What a source answers to a request."""

    source: str  # its name
    lacks: tuple[Capability, ...]
    owners_by: OwnersBy
    batches: Iterator[Batch]


class Names(Protocol):
    """Names for numbers; every method returns None where there is none."""

    numeric: bool  # hosts, services and users are not looked up
    state_words: Mapping[str, str]  # another tool's, by the state; RFC 9293's: empty

    def __hash__(self) -> int:
        """Return what tells one memory of names from another."""

    def user(self, uid: int) -> str | None:
        """Return a user's login name."""

    def interface(self, index: int) -> str | None:
        """Return a network interface's name."""

    def cgroup(self, cgroup_id: int) -> str | None:
        """Return a cgroup's path below the mount of cgroup v2."""

    def netns(self) -> int | None:
        """Return the number of the network namespace that is looked at."""

    def fin_timeout_ms(self) -> float | None:
        """Return the system's tcp_fin_timeout in milliseconds; None: it has none."""

    def service(self, port: int, protocol: str) -> str | None:
        """Return a port's service name."""

    def host(self, address: str) -> str | None:
        """Return a host's name, if it has answered already."""

    def knows_hosts(self) -> bool:
        """Tell whether any host has a name."""


class Listing:
    """The answer to a request: batches once, and what limits them.

    `limitations` is complete only when `batches` has been read to its end.
    """

    __slots__ = ("batches", "filter", "limitations", "request", "source", "taken_at")

    def __init__(
        self,
        source: str,
        taken_at: float,
        batches: Iterator[Batch],
        limitations: list[Limitation],
        filter_text: str | None = None,
        request: Request | None = None,
    ) -> None:
        """Keep the parts; `taken_at` is in seconds since the epoch.

        `request` is what the source was asked for, the filter considered.
        """
        self.filter = filter_text
        self.request = request or Request()
        self.source = source
        self.taken_at = taken_at
        self.batches = batches
        self.limitations = limitations
