"""Another host as an origin: every question about it is asked there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.collect.process_view import ProcessView, view_listed
from tcpstates.collect.restrict import restrict_batch
from tcpstates.collect.saved.remarks import remarks_on
from tcpstates.collect.saved.source import lacks_of, service_port
from tcpstates.errors import FileUnavailable
from tcpstates.fleet.answers import About, about_from_json, request_to_json
from tcpstates.fleet.checks import BadAnswer
from tcpstates.fleet.names import RemoteNames
from tcpstates.fleet.received import batch_from_json
from tcpstates.fleet.session import HostFailed, Session, Wanted
from tcpstates.fleet.targets import Target
from tcpstates.model import KernelCounts, Limitation, Owner, OwnersBy, Reading, Request
from tcpstates.origin import OnePart, Origin
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import to_batches
from tcpstates.processes import Process
from tcpstates.settings import KernelSettings
from tcpstates.text import with_option

if TYPE_CHECKING:
    from tcpstates.filters.values import Lookup
    from tcpstates.fleet.host_facts import Limits

T = TypeVar("T")
_LONGEST_NAME = 4096
# What the doctor proposes may also be for somebody else, or no command of a host.
_IS_COMMAND = re.compile(r"(?!on |look |find |tcpstates explain )[a-z][\w.-]* ")
_NOTE = "  # if tcpstates is installed there"
_BIG_ENDIAN = ("s390", "ppc64 ", "ppc ", "mips ", "mips64 ", "sparc", "m68k")


class RemoteHost(OnePart):
    """One other host; it is asked by one thread at a time."""

    filters_in_kernel = False

    def __init__(self, target: Target, wanted: Wanted) -> None:
        """Name the host; nothing happens before the first question."""
        self.target = target
        self.label = target.name
        self.host: str | None = target.name
        self.is_here = False
        self.command_note: str | None = None
        self._wanted = wanted
        self._session = Session(target, wanted)
        self._about: About | None = None
        self._limits: Limits | None = None  # as asked for since the last reading
        self._users: dict[int, str] = {}
        self._lacks: frozenset[Capability] = frozenset()

    def read(self, request: Request, limitations: list[Limitation]) -> Reading:
        """See `Origin`; everything is read before it returns. Raise HostFailed."""
        found: list[Batch] = []
        self._limits = None
        with self._usable():
            if self._session.tool is None:
                source = self._read_program(request, found, limitations)
            else:
                source = self._read_text(request, found, limitations)
        lacks = tuple(self._lacks)
        return Reading(source, lacks, OwnersBy.ROW, iter(found))

    def _read_program(
        self, request: Request, found: list[Batch], limitations: list[Limitation]
    ) -> str:
        def take(data: Any) -> None:
            batch = self._checked(batch_from_json, data)
            found.extend(self._placed((batch,), request))

        question = {
            "ask": "sockets",
            "request": request_to_json(request),
        }
        about = self._about = self._checked(
            about_from_json, self._session.ask(question, take)
        )
        for kind, text in about.limitations:
            limitations.append(Limitation(kind, f"{self.label}: {text}"))
        self._lacks = frozenset(about.lacks)
        return about.source

    def _read_text(
        self, request: Request, found: list[Batch], limitations: list[Limitation]
    ) -> str:
        """Read what a tool prints there, as a saved listing is read."""
        session = self._session
        tool, machine = str(session.tool), session.machine
        self._refuse_what_text_lacks()
        is_big = f"{machine.partition(' ')[2]} ".startswith(_BIG_ENDIAN)
        reader = Reader(
            service_port,
            format=tool if tool in ("ss", "proc") else None,
            byte_order="big" if is_big else "little",
        )
        lines = list(session.lines())
        batches = list(reader.batches(lines))
        batches += to_batches(reader.finish())
        self._lacks = lacks_of(batches) | {
            Capability.HOST_LIMITS,
            Capability.BACKLOG_LIMIT,
        }
        found.extend(self._placed(iter(batches), request))
        try:
            limitations += remarks_on(self.label, reader, None, None)
        except FileUnavailable as error:
            raise HostFailed(self.label, error.reason) from error
        what = "/proc/net" if tool == "proc" else f"the output of {tool}"
        text = f"{self.label}: no usable Python there; read {what}, which shows less"
        limitations.append(Limitation("fell-back", text))
        return tool

    def _placed(self, batches: Iterable[Batch], request: Request) -> Iterator[Batch]:
        """Yield what was asked for, with the name of the host."""
        for batch in batches:
            wanted = restrict_batch(batch, request)
            if wanted is not None and len(wanted):
                wanted.set("host", [self.label] * len(wanted))
                yield wanted

    def _ask(self, what: str, **more: Any) -> Any:
        """Ask our program there; None: there is none."""
        with self._failing_once():
            return self._session.answer({"ask": what, **more})

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Connect if there is no connection."""
        with self._failing_once():
            if not self._session.is_open:
                self._session.open()
            yield

    @contextmanager
    def _failing_once(self) -> Iterator[None]:
        """After a failure, do not use the connection again."""
        try:
            yield
        except HostFailed:
            self.close()
            raise

    def _refuse_what_text_lacks(self) -> None:
        """Raise HostFailed for what only our program can read there."""
        if self._wanted.netns or self._wanted.source not in (
            "auto",
            self._session.tool,
        ):
            option = "--netns" if self._wanted.netns else "--source"
            text = f"no usable Python there, which {option} needs"
            raise HostFailed(self.label, text)

    def _checked(self, read: Callable[[Any], T], data: Any) -> T:
        try:
            return read(data)
        except BadAnswer as error:
            raise self._session.bad(error) from error

    def close(self) -> None:
        """End the connection; the next question makes another one."""
        self._session.close()
        self._session = Session(self.target, self._wanted)

    def abort(self) -> None:
        """End whatever goes on, from another thread."""
        self._session.abort()

    def pinned(self) -> Origin:
        """See `Origin`."""
        return self

    def taken_at(self) -> float:
        """See `Origin`; by our clock."""
        return time.time()

    def boot_id(self) -> str | None:
        """See `Origin`; known once sockets were read."""
        return None if self._about is None else self._about.boot_id

    def missing(self, source: str) -> frozenset[Capability]:
        """See `Origin`."""
        return self._lacks

    def names(
        self, *, numeric: bool, state_names: Mapping[str, str] | None = None
    ) -> RemoteNames:
        """See `Origin`."""
        return RemoteNames([self], numeric=numeric, state_names=state_names)

    def lookup(self, protocols: Collection[str]) -> Lookup:
        """See `Origin`."""
        from tcpstates.collect.name_lookup import HostLookup

        return HostLookup(protocols)

    def settings(self) -> KernelSettings:
        """See `Origin`."""
        limits = self._ask_limits()
        return KernelSettings() if limits is None else limits.settings

    @property
    def fin_timeout_ms(self) -> int | None:
        """The tcp_fin_timeout of the host; None before sockets were read."""
        return None if self._about is None else self._about.fin_timeout_ms

    def kernel_counts(self) -> KernelCounts | None:
        """See `Origin`."""
        limits = self._ask_limits()
        return None if limits is None else limits.kernel

    def counters(self) -> dict[str, int]:
        """See `Origin`."""
        from tcpstates.fleet.host_facts import counters_from_json

        data = self._ask("counters")
        return {} if data is None else self._checked(counters_from_json, data)

    def unix_listeners(self) -> int:
        """See `Origin`."""
        limits = self._ask_limits()
        return 0 if limits is None else limits.unix_listeners

    def _ask_limits(self) -> Limits | None:
        from tcpstates.fleet.host_facts import limits_from_json

        if self._limits is None:
            data = self._ask("limits")
            if data is not None:
                self._limits = self._checked(limits_from_json, data)
        return self._limits

    def processes(
        self, inodes: Iterable[int], owners: Iterable[Owner], sockets: int | None
    ) -> ProcessView:
        """See `Origin`."""
        from tcpstates.fleet.host_facts import view_from_json

        listed = view_listed(owners)
        data = self._ask("processes", inodes=sorted(set(inodes)), sockets=sockets)
        if data is None:
            return listed
        view = self._checked(view_from_json, data)

        def process(pid: int) -> Process:
            return view.processes.get(pid) or listed.process(pid)

        return ProcessView(
            owners=lambda inode: view.owners.get(inode, ()),
            unseen=view.unseen,
            process=process,
            user=self._user,
            descriptors=view.descriptors,
            descriptors_limit=view.limits.get,
            hidden_processes=view.hidden,
            is_unprivileged=view.unprivileged,
            is_stopped=view.stopped.__contains__,
            stuck_in_kernel=view.stuck.intersection,
            is_here=lambda pid: pid in view.here or pid not in view.processes,
            elsewhere=lambda: view.elsewhere,
            unlisted=lambda: view.unlisted,
        )

    def _user(self, uid: int | None) -> str | None:
        if uid is None:
            return None
        if uid not in self._users:
            data = self._ask("user", uid=uid)
            is_name = isinstance(data, str) and len(data) < _LONGEST_NAME
            self._users[uid] = data if is_name else str(uid)
        return self._users[uid]

    def there(self, command: str) -> str:
        """See `Origin`; our own commands reach it, the others are run there."""
        if not _IS_COMMAND.match(command):
            return command  # it is for another host, or explains something
        if "--netns all" in command and command.startswith("tcpstates doctor"):
            command = "tcpstates --netns all -ta --by netns,state"
        sudo = " --sudo" if self.target.sudo else ""
        ours = with_option(command, f"{self.target.option}{sudo}")
        is_remote = command.startswith(("tcpstates trace", "tcpstates kill"))
        if ours is not None and not is_remote:
            return ours
        inner = f"sudo {command}" if self.target.sudo else command
        return f"{self.target.typed(inner)}{_NOTE * is_remote}"
