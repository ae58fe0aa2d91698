"""Core types: what is requested of a source, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from enum import Enum
from typing import NamedTuple, Protocol

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.fields import Needs
from tcpstates.protocols import DEFAULT_PROTOCOL
from tcpstates.states import GROUPS, AnyState, TcpState

FAMILIES = ("ipv4", "ipv6")
WILDCARD = {"ipv4": "0.0.0.0", "ipv6": "::"}  # noqa: S104  (compared, not bound)
WILDCARDS = frozenset(WILDCARD.values())


class Request(NamedTuple):
    """What is requested of a source; it may omit what it does not provide."""

    protocols: frozenset[str] = frozenset({DEFAULT_PROTOCOL})
    families: frozenset[str] = frozenset(FAMILIES)
    states: frozenset[AnyState] = GROUPS["all"]
    unknown_states: bool = True  # also sockets in states without a known name
    info: bool = False
    ages: bool = False  # what bounds them: tcp_info, or the time of creation
    memory: bool = False
    processes: bool = False  # find every owner, which may take a scan of /proc
    places: bool = False  # find containers, pods and units, by the owners
    reported_processes: bool = False  # owners, where the source reports them anyway
    # Owners are wanted for a filter only: enough to know which sockets it selects.
    owners_for_filter: bool = False
    pids: frozenset[int] | None = None  # the only processes to examine; None: all
    kernel_filter: bytes = b""  # inet_diag bytecode: what it drops is not wanted
    in_order: bool = False  # in the kernel's own order, which takes longer
    allow_fallback: bool = False  # read elsewhere what the source lacks, and say so

    def for_columns(self, needs: Collection[Needs]) -> Request:
        """Return the request with what columns need: processes, info, memory..."""
        return self._replace(
            processes="processes" in needs or "places" in needs,
            places="places" in needs,
            info="info" in needs,
            ages="ages" in needs,
            memory="memory" in needs,
        )

    def provides(self, need: Needs) -> bool:
        """Whether what a column needs was requested."""
        match need:
            case "":
                return True
            case "processes":
                return self.processes
            case "info":
                return self.info
            case "ages":
                return self.ages or self.info
            case "memory":
                return self.memory
            case "places":
                return self.places

    def includes(self, label: str) -> bool:
        """Whether a socket whose state is displayed as `label` was requested."""
        if label.startswith("UNKNOWN"):
            return self.unknown_states
        return label in self.states  # members are equal to their names


class Owner(NamedTuple):
    """One process that owns a socket through one descriptor."""

    pid: int | None  # None: a saved listing only names it
    name: bytes | None  # as the kernel has it: any bytes; None: it went away
    fd: int | None  # None: the source does not report it


class Reason:
    """Why a socket has no process; these texts are part of the output."""

    TIME_WAIT = "time-wait"
    REQUEST = "half-open"
    NOT_ACCEPTED = "not accepted"
    ORPHAN = "orphan"
    HIDDEN = "hidden"
    NOT_FOUND = "not found"  # some processes cannot be inspected, even by root
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


def reason_without_file(label: str) -> str:
    """Say why a socket in that state, which no file refers to, is there."""
    return _REASONS_WITHOUT_FILE.get(label, Reason.UNATTRIBUTED)


class KernelCounts(NamedTuple):
    """The kernel's own counts of TCP; None: not reported."""

    orphans: int | None = None  # sockets without a file, in every namespace
    orphans_limit: int | None = None
    time_wait: int | None = None  # in this network namespace
    time_wait_limit: int | None = None
    memory_bytes: int | None = None  # of every TCP socket, in every namespace
    memory_pressure_bytes: int | None = None  # from here on buffers are kept small
    memory_limit_bytes: int | None = None


OWN_NETNS = "own"  # the name of our own network namespace
# The kinds of limitations for hosts that failed, where that is a failure of the whole,
# and where it is not.
HOST_FAILED, HOST_LEFT_OUT = "host-failed", "host-left-out"
FEW_EXAMINED = "few-examined"  # the kind of a limitation that only records show
# The kinds of limitations that may hide sockets.
HIDING = frozenset(
    {"may-match", "other-holders", "sockets-merged", "rows-skipped"}
    | {"namespaces-hidden", HOST_FAILED}
)


class Limitation(NamedTuple):
    """A reason why the answer may be incomplete."""

    kind: str  # a stable word for programs
    text: str  # a line for people


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
    state_names: Mapping[str, str]  # another tool's, by the state; RFC 9293's: empty

    def __hash__(self) -> int:
        """Hash by identity: renderers cache per instance."""

    def user(self, uid: int) -> str | None:
        """The login name of a user."""

    def interface(self, index: int) -> str | None:
        """The name of a network interface."""

    def cgroup(self, cgroup_id: int) -> str | None:
        """The path of a cgroup below the mount of cgroup v2."""

    def netns(self) -> int | None:
        """The number of our own network namespace."""

    def fin_timeout_ms(self) -> int | None:
        """The system's tcp_fin_timeout in milliseconds; None: it has none."""

    def service(self, port: int, protocol: str) -> str | None:
        """The service name of a port."""

    def host(self, address: str) -> str | None:
        """The name of a host, if a name server has answered."""

    def knows_hosts(self) -> bool:
        """Whether any lookup of a host has completed."""


class Listing:
    """The answer to a request: batches once, and what limits them.

    `limitations` is complete only when `batches` has been read to its end.
    """

    __slots__ = (
        "_boot",
        "batches",
        "filter",
        "limitations",
        "request",
        "source",
        "taken_at",
    )

    def __init__(
        self,
        source: str,
        taken_at: float,
        batches: Iterator[Batch],
        limitations: list[Limitation],
        filter_text: str | None = None,
        request: Request | None = None,
        boot: Callable[[], str | None] | None = None,
    ) -> None:
        """Keep the parts; `taken_at` is in seconds since the epoch.

        `request` is what the source was asked for, the filter considered. `boot` reads
        which start of the system it is of; None: unknown.
        """
        self._boot = boot
        self.filter = filter_text
        self.request = request or Request()
        self.source = source
        self.taken_at = taken_at
        self.batches = batches
        self.limitations = limitations

    @property
    def boot_id(self) -> str | None:
        """Which start of the system it is of; None: unknown. It is read when asked."""
        return None if self._boot is None else self._boot()
