"""The listing view in the layout of another tool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tcpstates.batch import Batch
from tcpstates.cli.answer import Answer
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output
from tcpstates.collect.names import HostNames
from tcpstates.fields import Needs
from tcpstates.like.layout import Layout, Shown

if TYPE_CHECKING:
    from tcpstates.origin import Origin

_HOST_SECONDS, _PATIENT_SECONDS = 1.0, 10.0


def _summary() -> str:
    """Return what ss -s prints of this host."""
    from tcpstates.collect.kernel_counts import read_counters, read_sockstat
    from tcpstates.like.ss_summary import render_summary

    return render_summary(read_sockstat(), read_counters().get("CurrEstab", 0))


class _PartialNames:
    """Names for some kinds of numbers; other tools have an option for each kind."""

    def __init__(self, names: HostNames, options: Options, origin: Origin) -> None:
        self._names = names
        self.numeric = options.numeric or options.numeric_hosts  # addresses
        self._numeric_ports = options.numeric or options.numeric_ports
        self._numeric_users = options.numeric or options.numeric_users
        self.state_names = names.state_names
        # ss looks up no port that the kernel may have chosen for a client. ss reads one
        # namespace; of several, the first one decides here.
        self._unnamed = range(0)
        if options.like == "ss" and not self._numeric_ports:
            settings = origin.parts()[0].settings()
            self._unnamed = range(settings.first_port, settings.last_port + 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._names, name)

    def host(self, address: str) -> str | None:
        """See `model.Names`."""
        return None if self.numeric else self._names.host(address)

    def service(self, port: int, protocol: str) -> str | None:
        """See `model.Names`."""
        if self._numeric_ports or port in self._unnamed:
            return None
        return self._names.service(port, protocol)

    def user(self, uid: int) -> str | None:
        """See `model.Names`."""
        return None if self._numeric_users else self._names.user(uid)


def _one_owner_a_row(batches: Iterable[Batch]) -> list[Batch]:
    """Repeat each socket for each of its owners, so that a filter sees one at a time.

    Sockets without an owner have no row.
    """
    rows = []
    for batch in batches:
        owned = [each or () for each in batch.column("processes")]
        for number in range(max(map(len, owned), default=0)):
            part = batch.select([len(owners) > number for owners in owned]).copy()
            held = [owners[number] for owners in owned if len(owners) > number]
            part.set("processes", [(owner,) for owner in held])
            rows.append(part)
    return rows


class LikeView:
    """A listing as ss, netstat or lsof prints it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.exit_code = ExitCode.DONE
        asked: dict[Needs, bool] = {
            "memory": options.memory,
            "info": bool(options.info),
            "processes": options.processes or options.like in ("lsof", "windows"),
        }
        self.needs = frozenset(need for need, is_asked in asked.items() if is_asked)

    def texts(self, answer: Answer, output: Output) -> Iterator[str]:
        """Yield the text of the listing."""
        options, listing, names = self._options, answer.listing, answer.names
        if options.summary:
            yield _summary()
            return
        batches = list(listing.batches)
        if options.like == "lsof":
            batches = _one_owner_a_row(batches)
            if answer.selection is not None:
                batches = list(answer.selection.with_processes(iter(batches)))
            if not any(map(len, batches)):
                self.exit_code = ExitCode.FOUND  # as lsof: nothing was found
        partial = _PartialNames(names, options, answer.origin)
        if not partial.numeric and (options.resolve or options.like != "ss"):
            addresses = {
                address
                for batch in batches
                for side in ("local_address", "remote_address")
                for address in batch.column(side)
            }
            patience = _PATIENT_SECONDS if options.resolve else _HOST_SECONDS
            names.ask_hosts(addresses, patience)
        layout: Layout = import_module(f"tcpstates.like.{options.like}").render
        yield from layout(
            batches,
            partial,
            Shown(
                processes=options.processes,
                extended=options.extended,
                timers=options.timers,
                info=bool(options.info),
                memory=options.memory,
                header=not options.no_header,
                wide=options.wide,
                bare=options.count_only,
                listening=options.listening,
                all_states=options.all_states,
                request=listing.request,
            ),
        )
