"""Several hosts at once, as one origin: their union, and each as a part of its own."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, TypeVar, cast

from tcpstates.capabilities import Capability
from tcpstates.errors import SourceUnavailable
from tcpstates.fleet.names import RemoteNames
from tcpstates.fleet.remote import RemoteHost
from tcpstates.fleet.session import HostFailed, Wanted
from tcpstates.fleet.targets import Target
from tcpstates.model import (
    HOST_FAILED,
    HOST_LEFT_OUT,
    Limitation,
    Reading,
    Request,
)
from tcpstates.origin import Origin, WithoutKernel
from tcpstates.settings import KernelSettings

if TYPE_CHECKING:
    from tcpstates.filters.values import Lookup

T = TypeVar("T")
_MOST_KEPT = 100  # connections between two questions
_LOOK_AGAIN = 0.2  # seconds
_DESCRIPTORS = 6  # of a connection, those of its making included


class Hosts(WithoutKernel):
    """Other hosts, `parallel` of which are asked at once."""

    filters_in_kernel = False
    command_note: str | None = None
    is_here = False

    def __init__(
        self,
        targets: Sequence[Target],
        wanted: Wanted,
        *,
        parallel: int = 10,
        is_partial: bool = False,
    ) -> None:
        """Take the hosts; `is_partial`: one that fails is no failure of the whole."""
        self.members = [RemoteHost(target, wanted) for target in targets]
        self.label = " ".join(each.label for each in self.members)
        self._parallel = min(parallel, len(self.members))
        self._kept = min(_MOST_KEPT, _descriptors() // _DESCRIPTORS)
        self.unread: frozenset[str] = frozenset()
        self._kind = HOST_LEFT_OUT if is_partial else HOST_FAILED
        self._lacks: frozenset[Capability] = frozenset()

    def read(self, request: Request, limitations: list[Limitation]) -> Reading:
        """See `Origin`; raise SourceUnavailable if no host answers."""

        def ask(host: Origin) -> _Answer:
            remarks: list[Limitation] = []
            try:
                return host.read(request, remarks), remarks
            except HostFailed as error:
                return error

        failed: list[HostFailed] = []
        self.unread = frozenset()
        answers = self.map(ask, self.members)
        readings = self._readings(answers, failed, limitations)
        first = next(readings, None)
        if first is None:
            raise none_answered(failed)
        self._lacks = frozenset(first.lacks)
        batches = (each.batches for each in chain((first,), readings))
        return first._replace(batches=chain.from_iterable(batches))

    def _readings(
        self,
        answers: Iterator[_Answer],
        failed: list[HostFailed],
        limitations: list[Limitation],
    ) -> Iterator[Reading]:
        """Yield the readings of the hosts that answer; note the others."""
        for answer in answers:
            if isinstance(answer, HostFailed):
                failed.append(answer)
                self.unread |= {answer.source}
                limitations.append(Limitation(self._kind, str(answer)))
            else:
                reading, remarks = answer
                limitations += remarks
                yield reading

    def map(self, call: Callable[[Origin], T], parts: Iterable[Origin]) -> Iterator[T]:
        """See `Origin`; in the order of the hosts, as soon as the answers are there."""

        def ask(host: Origin) -> T:
            try:
                return call(host)
            finally:
                if len(self.members) > self._kept:
                    cast("RemoteHost", host).close()

        pool = ThreadPoolExecutor(self._parallel)
        asked = deque(pool.submit(ask, host) for host in parts)
        try:
            while asked:
                # A signal that comes just before a wait is handled only after it.
                while not wait((asked[0],), timeout=_LOOK_AGAIN).done:
                    pass
                yield asked[0].result()
                asked.popleft()  # what it has answered need not stay
        finally:
            for future in asked:
                future.cancel()
            if not all(future.done() for future in asked):
                self.abort()  # an interrupt: nobody waits for the others
            pool.shutdown()

    def parts(self) -> Sequence[Origin]:
        """See `Origin`."""
        return list(self.members)

    def unavailable(self, refused: Sequence[SourceUnavailable]) -> SourceUnavailable:
        """See `Origin`."""
        return none_answered(refused)

    def abort(self) -> None:
        """End whatever goes on, from a handler of signals or another thread."""
        for host in self.members:
            host.abort()

    def hidden(self, refused: Sequence[SourceUnavailable]) -> list[Limitation]:
        """See `Origin`."""
        return [Limitation(self._kind, str(error)) for error in refused]

    def pinned(self) -> Origin:
        """See `Origin`."""
        return self

    def taken_at(self) -> float:
        """See `Origin`."""
        return self.members[0].taken_at()

    def boot_id(self) -> str | None:
        """See `Origin`; several hosts have several."""
        return self.members[0].boot_id() if len(self.members) == 1 else None

    def missing(self, source: str) -> frozenset[Capability]:
        """See `Origin`."""
        return self._lacks

    def names(
        self, *, numeric: bool, state_names: Mapping[str, str] | None = None
    ) -> RemoteNames:
        """See `Origin`."""
        return RemoteNames(self.members, numeric=numeric, state_names=state_names)

    def lookup(self, protocols: Collection[str]) -> Lookup:
        """See `Origin`."""
        return self.members[0].lookup(protocols)

    def settings(self) -> KernelSettings:
        """See `Origin`; those of the only host."""
        with suppress(SourceUnavailable):
            if len(self.members) == 1:
                return self.members[0].settings()
        return KernelSettings()


_Answer = tuple[Reading, list[Limitation]] | HostFailed


def none_answered(errors: Sequence[SourceUnavailable]) -> SourceUnavailable:
    """Make one error of those of all hosts."""
    if len(errors) == 1:
        return errors[0]
    found = SourceUnavailable("hosts", f"none of {len(errors)} answered")
    found.args = (f"none of {len(errors)} hosts answered",)
    found.details = list(map(str, errors))
    return found


def _descriptors() -> int:
    """Return how many descriptors this process may have."""
    limit = _MOST_KEPT * _DESCRIPTORS
    if sys.platform != "win32":
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit
