"""Network namespaces as places to read sockets from: one of them, or several at once.

Everything that a namespace has of its own is read inside it: sockets, settings,
counters, names of interfaces. Processes and users are those of the host.
"""

from __future__ import annotations

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import suppress
from dataclasses import replace
from errno import EACCES, EPERM
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from tcpstates.batch import Batch
from tcpstates.collect.netns.choose import choose
from tcpstates.collect.netns.door import CannotEnter, Door, open_namespace
from tcpstates.collect.netns.find import Namespace, own_number
from tcpstates.collect.netns.lookup import NamespacesLookup, NamespacesNames
from tcpstates.collect.proc_files import network_namespace, sees_all_processes
from tcpstates.collect.sources import read_source
from tcpstates.errors import SourceUnavailable
from tcpstates.model import KernelCounts, Limitation, Owner, Reading, Request
from tcpstates.origin import LiveHost, Origin
from tcpstates.text import command_line, sanitise, with_option
from tcpstates.wording import counted

if TYPE_CHECKING:
    import _socket as socket

    from tcpstates.collect.process_view import ProcessView
    from tcpstates.settings import KernelSettings

T = TypeVar("T")

# Commands that see the network namespace in which they run.
_OF_NETWORK = frozenset({"ss", "ip", "sysctl", "tcpdump"})
_THREAD = "/proc/thread-self"  # /proc/net would be that of the process


class NamespaceHost(LiveHost):
    """One network namespace of this host."""

    def __init__(self, namespace: Namespace, name: str, door: Door) -> None:
        """Take the namespace, its best name, and the door through which to enter it."""
        super().__init__()
        self.namespace = namespace
        self.place: str | None = name
        self.path: str | None = namespace.path
        self.number: int | None = namespace.number
        self._door = door
        self._descriptor: int | None = None  # of the namespace, once it is entered
        self.is_here = namespace.number == own_number()

    def _inside(self, call: Callable[[], T]) -> T:
        """Return what a call returns in the namespace; raise SourceUnavailable."""
        if self.is_here:
            return call()
        try:
            if self._descriptor is None:
                # From now on it is this one, whatever becomes of its processes.
                self._descriptor = open_namespace(
                    self.namespace.path, self.namespace.number
                )
            return self._door.inside(self._descriptor, call)
        except CannotEnter as error:
            hint = "; run as root" if error.errno in (EACCES, EPERM) else ""
            text = f"{error.strerror}{hint}"
            raise SourceUnavailable(str(self.place), text) from error

    def connect(self, netns: int | None = None) -> socket.socket:
        """Open a socket to the kernel's sock_diag; raise SourceUnavailable."""
        from tcpstates.collect.netlink import open_channel

        channel: socket.socket = self._inside(open_channel)
        return channel

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
            batch.set("netns", [self.place] * number)
            batch.set("netns_id", [self.number] * number)
            if not self.is_here:
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

    def there(self, command: str) -> str:
        """See `Origin`; a command that is not about the network acts here as well."""
        if self.is_here:
            return command
        name = str(self.place)
        typed = name if name == sanitise(name) else f"net:[{self.number}]"
        option = command_line("--netns {}", typed)
        if command.startswith("tcpstates trace "):  # it covers all namespaces
            return f"{command} {command_line('and netns = {}', typed)}"
        found = with_option(command, option)
        if found is not None:
            return found
        if command.partition(" ")[0] in _OF_NETWORK and self.path is not None:
            return f"{command_line('nsenter --net={}', self.path)} {command}"
        return command

    def pinned(self) -> Origin:
        """See `Origin`."""
        return self

    def processes(
        self, inodes: Iterable[int], owners: Iterable[Owner], sockets: int | None
    ) -> ProcessView:
        """See `Origin`; the processes of this namespace are those that are here."""
        view = super().processes(inodes, owners, sockets)
        number = self.number
        return replace(
            view,
            is_here=lambda pid: network_namespace(pid) == number,
            elsewhere=dict,
            unlisted=view.unlisted if self.is_here else dict,
        )

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
        chosen = choose(wanted)
        door = Door()
        self.members = [NamespaceHost(each, name, door) for each, name in chosen.named]
        self._hidden = chosen.hidden
        self._by_number = {each.number: each for each in self.members}
        self._refused: list[SourceUnavailable] = []  # namespaces that were not read

    def read(self, request: Request, limitations: list[Limitation]) -> Reading:
        """See `Origin`; raise SourceUnavailable if none of them can be read."""
        self._refused = []
        readings = self._readings(request, limitations)
        first = next(readings, None)
        if first is None:
            reasons = "; ".join(dict.fromkeys(e.reason for e in self._refused))
            text = f"the network namespace cannot be entered: {reasons}"
            raise SourceUnavailable("netlink", text)
        return first._replace(batches=self._joined(first, readings, limitations))

    def _readings(
        self, request: Request, limitations: list[Limitation]
    ) -> Iterator[Reading]:
        for member in self.members:
            try:
                yield member.read(request, limitations)
            except SourceUnavailable as error:
                self._refused.append(error)

    def _joined(
        self, first: Reading, others: Iterator[Reading], limitations: list[Limitation]
    ) -> Iterator[Batch]:
        """Yield the batches of all; a namespace that fails does not affect others."""
        for reading in chain((first,), others):
            try:
                yield from reading.batches
            except SourceUnavailable as error:
                self._refused.append(error)
        limitations.extend(set(self.hidden(self._refused)) - set(limitations))

    def hidden(self, refused: Sequence[SourceUnavailable]) -> list[Limitation]:
        """Say what could not be read; `refused` has the error of each namespace."""
        text = _not_entered([error.reason for error in refused], self._hidden)
        # What nobody can see is no reason to doubt what root has seen.
        is_known = not refused and sees_all_processes()
        kind = "namespaces-unseen" if is_known else "namespaces-hidden"
        return [Limitation(kind, text)] if text else []

    def pinned(self) -> Origin:
        """See `Origin`."""
        return self

    def names(
        self, *, numeric: bool, state_names: Mapping[str, str] | None = None
    ) -> NamespacesNames:
        """See `Origin`."""
        return NamespacesNames(
            self._fin_timeouts, numeric=numeric, state_names=state_names
        )

    def _fin_timeouts(self) -> set[int]:
        """The tcp_fin_timeout of each namespace, in milliseconds."""
        found = set()
        for member in self.members:
            with suppress(SourceUnavailable):
                found.add(member.settings().fin_timeout * 1000)
        return found

    def lookup(self, protocols: Collection[str]) -> NamespacesLookup:
        """See `Origin`."""
        return NamespacesLookup(protocols, self._use_interfaces)

    def connect(self, netns: int | None = None) -> socket.socket:
        """Open a socket to the kernel in the namespace of this number."""
        if netns is None:
            return super().connect()
        return self._by_number[netns].connect()

    def parts(self) -> Sequence[Origin]:
        """See `Origin`."""
        return list(self.members)

    def _use_interfaces(self) -> None:
        # The numbers of interfaces differ from namespace to namespace.
        self.filters_in_kernel = False

    def kernel_counts(self) -> KernelCounts | None:
        """See `Origin`; each namespace has its own."""
        return None

    def counters(self) -> dict[str, int]:
        """See `Origin`; each namespace has its own."""
        return {}


def _not_entered(refused: Sequence[str], hidden: int) -> str:
    """Say what was not read; empty: everything was."""
    parts = []
    if refused:
        namespaces = counted(len(refused), "network namespace")
        reasons = "; ".join(dict.fromkeys(refused))
        parts.append(f"{namespaces} cannot be read: {reasons}")
    if hidden:
        processes = counted(hidden, "process", "processes")
        whose = "even by root" if sees_all_processes() else "run as root"
        parts.append(f"the network namespaces of {processes} cannot be seen: {whose}")
    return "; ".join(parts)
