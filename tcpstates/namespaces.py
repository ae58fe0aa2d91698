"""Network namespaces as places to read sockets from: one of them, or several at once.

Everything that a namespace has of its own is read inside it: sockets, settings,
counters, names of interfaces. Processes and users are those of the host.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from tcpstates.batch import Batch
from tcpstates.collect.name_lookup import SystemLookup
from tcpstates.collect.names import SystemNames
from tcpstates.collect.netns.door import CannotEnter, Door
from tcpstates.collect.netns.find import Namespace, find_namespaces, own_number
from tcpstates.collect.netns.names import NamespaceNames
from tcpstates.collect.sources import read_source
from tcpstates.errors import ArgumentError, SourceUnavailable
from tcpstates.model import KernelCounts, Limitation, Reading, Request
from tcpstates.origin import LiveHost, Origin
from tcpstates.wording import counted, did_you_mean, nearest

if TYPE_CHECKING:
    import _socket as socket

    from tcpstates.settings import KernelSettings

T = TypeVar("T")

ALL = "all"
_THREAD = "/proc/thread-self"  # /proc/net would be that of the process


class NamespaceHost(LiveHost):
    """One network namespace of this host."""

    def __init__(self, namespace: Namespace, name: str, door: Door) -> None:
        """Take the namespace, its best name, and the door through which to enter it."""
        super().__init__()
        self.namespace = namespace
        self.name = name
        self._door = door
        self._is_own = namespace.number == own_number()

    def _inside(self, call: Callable[[], T]) -> T:
        """Return what a call returns in the namespace; raise SourceUnavailable."""
        if self._is_own:
            return call()
        try:
            return self._door.inside(self.namespace.path, call)
        except CannotEnter as error:
            raise SourceUnavailable(self.name, str(error.strerror)) from error

    def connect(self, netns: int | None = None) -> socket.socket:
        """Open a socket to the kernel's sock_diag; raise SourceUnavailable."""
        from tcpstates.collect.netlink import open_channel

        return self._inside(open_channel)

    def read(self, request: Request, limitations: list[Limitation]) -> Reading:
        """See `Origin`; without fallback, as /proc/net shows our own namespace."""
        from tcpstates.collect.netlink import NetlinkSource

        source = NetlinkSource(self.connect)
        reading = read_source(
            source, request._replace(allow_fallback=False), limitations
        )
        return reading._replace(batches=self._placed(reading.batches))

    def _placed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield batches that know their namespace, and the names of its interfaces."""
        for batch in batches:
            number = len(batch)
            batch.set("netns", [self.name] * number)
            batch.set("netns_id", [self.namespace.number] * number)
            if not self._is_own:
                indexes = batch.column("interface_index")
                names = {index: self._interface(index) for index in set(indexes)}
                batch.set("interface_name", [names[index] for index in indexes])
            yield batch

    def _interface(self, index: int | None) -> str | None:
        from socket import if_indextoname

        try:
            return self._inside(partial(if_indextoname, index)) if index else None
        except OSError:
            return str(index)

    def pinned(self) -> Origin:
        """See `Origin`."""
        return self

    def settings(self) -> KernelSettings:
        """See `Origin`; /proc/sys/net is that of the thread that reads it."""
        from tcpstates.collect.settings import read_settings

        return self._inside(read_settings)

    def kernel_counts(self) -> KernelCounts | None:
        """See `Origin`."""
        from tcpstates.collect.kernel_counts import read_kernel_counts

        return self._inside(partial(read_kernel_counts, net=f"{_THREAD}/net"))

    def counters(self) -> dict[str, int]:
        """See `Origin`."""
        from tcpstates.collect.kernel_counts import read_counters

        return self._inside(partial(read_counters, _THREAD))

    def unix_listeners(self) -> int:
        """See `Origin`."""
        from tcpstates.collect.kernel_counts import count_unix_listeners

        return self._inside(partial(count_unix_listeners, _THREAD))


class Namespaces(LiveHost):
    """Several network namespaces of this host, read one after the other."""

    def __init__(self, wanted: Sequence[str]) -> None:
        """Find namespaces: `all`, or by name, container, pid, number or path.

        Raise ArgumentError for one that does not exist, or that is something else.
        """
        super().__init__()
        self.members, self._hidden = _find(wanted)
        self._by_number = {each.namespace.number: each for each in self.members}
        self._refused: list[str] = []  # why namespaces could not be read

    def read(self, request: Request, limitations: list[Limitation]) -> Reading:
        """See `Origin`; raise SourceUnavailable if none of them can be read."""
        self._refused = []
        readings = self._readings(request, limitations)
        first = next(readings, None)
        if first is None:
            reason = "; ".join(dict.fromkeys(self._refused)) or "no namespace found"
            raise SourceUnavailable("netlink", reason)
        return first._replace(batches=self._joined(first, readings, limitations))

    def _readings(
        self, request: Request, limitations: list[Limitation]
    ) -> Iterator[Reading]:
        for member in self.members:
            try:
                yield member.read(request, limitations)
            except SourceUnavailable as error:
                self._refused.append(error.reason)

    def _joined(
        self, first: Reading, others: Iterator[Reading], limitations: list[Limitation]
    ) -> Iterator[Batch]:
        """Yield the batches of all; a namespace that fails does not affect others."""
        for reading in chain((first,), others):
            try:
                yield from reading.batches
            except SourceUnavailable as error:
                self._refused.append(error.reason)
        limitation = Limitation(
            "namespaces-hidden", _not_entered(self._refused, self._hidden)
        )
        if limitation.text and limitation not in limitations:
            limitations.append(limitation)

    def pinned(self) -> Origin:
        """See `Origin`."""
        return self

    def names(
        self, *, numeric: bool, state_names: Mapping[str, str] | None = None
    ) -> SystemNames:
        """See `Origin`."""
        return _Names(self.members, numeric=numeric, state_names=state_names)

    def lookup(self, protocols: Collection[str]) -> SystemLookup:
        """See `Origin`."""
        return _Lookup(protocols, self._use_interfaces)

    def connect(self, netns: int | None = None) -> socket.socket:
        """Open a socket to the kernel in the namespace of this number."""
        if netns is None:
            return super().connect()
        return self._by_number[netns].connect()

    def _use_interfaces(self) -> None:
        # The numbers of interfaces differ from namespace to namespace.
        self.filters_in_kernel = False

    def kernel_counts(self) -> KernelCounts | None:
        """See `Origin`; each namespace has its own."""
        return None

    def counters(self) -> dict[str, int]:
        """See `Origin`; each namespace has its own."""
        return {}


class _Names(SystemNames):
    """The names of this host; times only where all namespaces have the same."""

    def __init__(
        self,
        members: Sequence[NamespaceHost],
        *,
        numeric: bool,
        state_names: Mapping[str, str] | None,
    ) -> None:
        super().__init__(numeric=numeric, state_names=state_names)
        self._members = members
        self._times: list[int | None] = []

    def fin_timeout_ms(self) -> int | None:
        """See `model.Names`; None if the namespaces differ."""
        if not self._times:
            found: set[int | None] = set()
            for member in self._members:
                try:
                    found.add(member.settings().fin_timeout * 1000)
                except SourceUnavailable:
                    continue
            self._times.append(found.pop() if len(found) == 1 else None)
        return self._times[0]


class _Lookup(SystemLookup):
    """Names of this host, except for interfaces, which batches have by name."""

    def __init__(self, protocols: Collection[str], note: Callable[[], None]) -> None:
        super().__init__(protocols)
        self._note = note

    def interface(self, name: str) -> int | None:
        """Let names be compared, not numbers."""
        self._note()
        return -1


def _not_entered(refused: Sequence[str], hidden: int) -> str:
    """Say what was not read; empty: everything was."""
    parts = []
    if refused:
        namespaces = counted(len(refused), "network namespace")
        reasons = "; ".join(dict.fromkeys(refused))
        parts.append(f"{namespaces} cannot be read ({reasons}); run as root")
    if hidden:
        processes = counted(hidden, "process", "processes")
        parts.append(f"the network namespaces of {processes} cannot be seen")
    return ". ".join(parts)


def _find(wanted: Sequence[str]) -> tuple[tuple[NamespaceHost, ...], int]:
    found = find_namespaces()
    names = NamespaceNames()
    door = Door()
    known = {each.number: names.name_of(each) for each in found.namespaces}
    hosts = {
        each.number: NamespaceHost(each, known[each.number], door)
        for each in found.namespaces
    }
    own = own_number()
    order = sorted(hosts, key=lambda number: (number != own, known[number], number))
    chosen: dict[int, NamespaceHost] = {}
    for text in wanted:
        numbers = order if text == ALL else [_named(text, hosts, known)]
        for number in numbers:
            chosen[number] = hosts[number]
    is_partial = ALL in wanted
    return tuple(chosen.values()), found.hidden if is_partial else 0


def _named(text: str, hosts: dict[int, NamespaceHost], known: Mapping[int, str]) -> int:
    """Return the number of the namespace that a text means; raise ArgumentError."""
    import os

    from tcpstates.collect.netns.door import open_namespace

    matching = [number for number, name in known.items() if name == text]
    matching = matching or [n for n in hosts if text in (str(n), f"net:[{n}]")]
    if len(matching) == 1:
        return matching[0]
    if text.isdecimal():
        for number, host in hosts.items():
            if int(text) in host.namespace.pids:
                return number
        raise ArgumentError(f"no network namespace of a process {text}")
    if "/" in text and not matching:
        try:
            descriptor = open_namespace(text)
        except CannotEnter as error:
            raise ArgumentError(f"--netns {text}: {error.strerror}") from error
        number = os.fstat(descriptor).st_ino
        os.close(descriptor)
        if number not in hosts:
            raise ArgumentError(f"--netns {text}: the namespace cannot be found")
        return number
    if matching:
        numbers = ", ".join(f"net:[{number}]" for number in matching)
        raise ArgumentError(f"several network namespaces are called {text}: {numbers}")
    near = did_you_mean(
        nearest(text, set(known.values())), "--netns all -a --by netns lists them"
    )
    raise ArgumentError(f"unknown network namespace '{text}'{near}")
