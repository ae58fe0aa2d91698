"""Where sockets are: on this host, on others, or in listings that somebody has saved.

An origin answers every question whose answer depends on that. Modules above this one
never ask which kind it is. Each other place is one more class:
see `namespaces`, `fleet` and `saved_listing`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from tcpstates.capabilities import Capability
from tcpstates.collect.sources import (
    SOURCES,
    load_source,
    missing_from,
    read_sockets,
)
from tcpstates.errors import SourceUnavailable, chosen
from tcpstates.model import KernelCounts, Limitation, Owner, Reading, Request

if TYPE_CHECKING:  # loaded only where they are needed
    import _socket as socket

    from tcpstates.collect.names import HostNames
    from tcpstates.collect.process_view import ProcessView
    from tcpstates.filters.values import Lookup
    from tcpstates.model import Source
    from tcpstates.settings import KernelSettings


T = TypeVar("T")


class Origin(Protocol):
    """A place to read sockets from, and to learn names, settings and counters of."""

    label: str  # `Batch.origin` of its sockets; "": this host
    filters_in_kernel: bool  # a request may carry a kernel filter
    command_note: str | None  # on which host to run proposed commands; None: this one
    place: str | None  # the name of the network namespace; None: our own
    path: str | None  # the file of that namespace
    number: int | None  # its inode
    host: str | None  # the name of another host; None: this one, or unknown
    is_here: bool  # it is our own namespace on this host
    unread: frozenset[str]  # hosts that have not answered the last request

    def parts(self) -> Sequence[Origin]:
        """What has settings and counters of its own: namespaces, or itself."""

    def hidden(self, refused: Sequence[SourceUnavailable]) -> list[Limitation]:
        """Say which parts could not be read; `refused` has the error of each."""

    def unavailable(self, refused: Sequence[SourceUnavailable]) -> SourceUnavailable:
        """Return the error to raise when no part could be read."""

    def map(self, call: Callable[[Origin], T], parts: Iterable[Origin]) -> Iterator[T]:
        """Yield what a call returns for each part, which may run at the same time."""

    def there(self, command: str) -> str:
        """Turn a command that acts on this host into one that acts there."""

    def read(self, request: Request, limitations: list[Limitation]) -> Reading:
        """Read sockets; raise SourceUnavailable if there is nothing to read."""

    def pinned(self) -> Origin:
        """A view of the origin that several reads can share.

        A source that reads everything at once is read once, and its sockets held.
        """

    def taken_at(self) -> float:
        """When the sockets were in these states, in seconds since the epoch."""

    def boot_id(self) -> str | None:
        """Which start of its system it is of; None: unknown."""

    def missing(self, source: str) -> frozenset[Capability]:
        """The capabilities that it lacks when it is read through that source."""

    def names(
        self, *, numeric: bool, state_names: Mapping[str, str] | None = None
    ) -> HostNames:
        """Names for its numbers; see `model.Names`."""

    def lookup(self, protocols: Collection[str]) -> Lookup:
        """Numbers for its names, for filters."""

    def settings(self) -> KernelSettings:
        """Its settings of TCP; the defaults where they are unknown."""

    def kernel_counts(self) -> KernelCounts | None:
        """Its kernel's own counts of TCP; None: unknown."""

    def counters(self) -> dict[str, int]:
        """Its kernel's counters of TCP since boot; empty: unknown."""

    def unix_listeners(self) -> int:
        """The number of its unix sockets that listen; 0 if that is unknown."""

    def processes(
        self, inodes: Iterable[int], owners: Iterable[Owner], sockets: int | None
    ) -> ProcessView:
        """Inspect the owners of sockets.

        Sockets are given by inode, or with the owners that the source has named.
        `sockets`: see `owners.scan`.
        """


class OnePart:
    """An origin that is not divided."""

    place: str | None = None
    path: str | None = None
    number: int | None = None
    host: str | None = None
    is_here = True
    unread: frozenset[str] = frozenset()

    def parts(self) -> Sequence[Origin]:
        """See `Origin`."""
        return (cast("Origin", self),)

    def hidden(self, refused: Sequence[SourceUnavailable]) -> list[Limitation]:
        """See `Origin`; there is nothing else."""
        return []

    def unavailable(self, refused: Sequence[SourceUnavailable]) -> SourceUnavailable:
        """See `Origin`; the first one says enough."""
        return refused[0]

    def map(self, call: Callable[[Origin], T], parts: Iterable[Origin]) -> Iterator[T]:
        """See `Origin`; one after the other."""
        return map(call, parts)

    def there(self, command: str) -> str:
        """See `Origin`; it acts here as it is."""
        return command


class WithoutKernel(OnePart):
    """An origin without a kernel to ask: a text, or several hosts at once."""

    def settings(self) -> KernelSettings:
        """See `Origin`; the defaults."""
        from tcpstates.settings import KernelSettings

        return KernelSettings()

    def kernel_counts(self) -> KernelCounts | None:
        """See `Origin`."""
        return None

    def counters(self) -> dict[str, int]:
        """See `Origin`."""
        return {}

    def unix_listeners(self) -> int:
        """See `Origin`."""
        return 0

    def processes(
        self, inodes: Iterable[int], owners: Iterable[Owner], sockets: int | None
    ) -> ProcessView:
        """See `Origin`."""
        from tcpstates.collect.process_view import view_listed

        return view_listed(owners)


class LiveHost(OnePart):
    """This host, in our network namespace."""

    label = ""
    filters_in_kernel = True
    command_note: str | None = None

    def __init__(self, source: str = "auto", *, is_pinned: bool = False) -> None:
        """Name the source to read from; raise ArgumentError for an unknown one."""
        chosen("source", source, ("auto", *SOURCES))
        self._source = source
        self._held: dict[str, Source] | None = {} if is_pinned else None

    def read(self, request: Request, limitations: list[Limitation]) -> Reading:
        """See `Origin`."""
        return read_sockets(self._source, request, limitations, self._load)

    def connect(self, netns: int | None = None) -> socket.socket:
        """Open a socket to the kernel's sock_diag; raise SourceUnavailable.

        `netns`: the number of a network namespace that this origin reads; None: ours.
        """
        from tcpstates.collect.netlink import open_channel

        channel: socket.socket = open_channel()
        return channel

    def _load(self, name: str) -> Source:
        source = load_source(name)
        if self._held is None or not source.reads_everything:
            return source
        from tcpstates.collect.held import HeldSource

        return self._held.setdefault(name, HeldSource(source))

    def pinned(self) -> Origin:
        """See `Origin`."""
        return LiveHost(self._source, is_pinned=True)

    def taken_at(self) -> float:
        """See `Origin`."""
        return time.time()

    def boot_id(self) -> str | None:
        """See `Origin`."""
        from tcpstates.collect.boot import boot_id

        return boot_id()

    def missing(self, source: str) -> frozenset[Capability]:
        """See `Origin`; only Linux reports its counters and limits."""
        is_linux = sys.platform == "linux"
        host = () if is_linux else (Capability.HOST_LIMITS,)
        return frozenset((*missing_from(source), *host))

    def names(
        self, *, numeric: bool, state_names: Mapping[str, str] | None = None
    ) -> HostNames:
        """See `Origin`."""
        from tcpstates.collect.names import SystemNames

        return SystemNames(numeric=numeric, state_names=state_names)

    def lookup(self, protocols: Collection[str]) -> Lookup:
        """See `Origin`."""
        from tcpstates.collect.name_lookup import SystemLookup

        return SystemLookup(protocols)

    def settings(self) -> KernelSettings:
        """See `Origin`."""
        from tcpstates.collect.settings import read_settings

        return read_settings()

    def kernel_counts(self) -> KernelCounts | None:
        """See `Origin`."""
        from tcpstates.collect.kernel_counts import read_kernel_counts

        return read_kernel_counts()

    def counters(self) -> dict[str, int]:
        """See `Origin`."""
        from tcpstates.collect.kernel_counts import read_counters

        return read_counters()

    def unix_listeners(self) -> int:
        """See `Origin`."""
        from tcpstates.collect.kernel_counts import count_unix_listeners

        return count_unix_listeners()

    def processes(
        self, inodes: Iterable[int], owners: Iterable[Owner], sockets: int | None
    ) -> ProcessView:
        """See `Origin`."""
        from tcpstates.collect.process_view import view_live

        return view_live(inodes, sockets)


def to_origin(source: str | Origin) -> Origin:
    """Turn the name of a source into this host, read through it."""
    return LiveHost(source) if isinstance(source, str) else source


def hosts_answered(origin: Origin) -> str:
    """Word how many of several hosts have answered; empty: it is one host."""
    number = sum(part.host is not None for part in origin.parts())
    if number < 2:
        return ""
    failed = len(origin.unread)
    return f"{number - failed} of {number} hosts" if failed else f"{number} hosts"
