"""The listing view in the layout of another tool."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from tcpstates.cli.answer import Answer
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output
from tcpstates.fields import Needs
from tcpstates.like.layout import Layout, Shown

_HOST_SECONDS, _PATIENT_SECONDS = 1.0, 10.0


def _summary() -> str:
    """Return what ss -s prints of this host."""
    from tcpstates.collect.kernel_counts import read_counters, read_sockstat
    from tcpstates.like.ss_summary import render_summary

    return render_summary(read_sockstat(), read_counters().get("CurrEstab", 0))


class LikeView:
    """A listing as ss, netstat or lsof prints it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        needs: list[Needs] = ["memory"] if options.memory else []
        shows_owners = options.processes or options.like in ("lsof", "windows")
        self.needs = frozenset([*needs, "processes"] if shows_owners else needs)

    def texts(self, answer: Answer, output: Output) -> Iterator[str]:
        """Yield the text of the listing."""
        options, listing, names = self._options, answer.listing, answer.names
        if options.summary:
            yield _summary()
            return
        batches = list(listing.batches)
        if not options.numeric and (options.resolve or options.like != "ss"):
            addresses = {
                address
                for batch in batches
                for side in ("local_address", "remote_address")
                for address in batch.column(side)
            }
            patience = _PATIENT_SECONDS if options.resolve else _HOST_SECONDS
            names.ask_hosts(addresses, patience)
        # lsof -n concerns hosts; users keep their names.
        is_lsof = options.like == "lsof"
        users = answer.origin.names(numeric=False) if is_lsof else names
        layout: Layout = import_module(f"tcpstates.like.{options.like}").render
        yield from layout(
            batches,
            names,
            Shown(
                processes=options.processes,
                extended=options.extended,
                timers=options.timers,
                memory=options.memory,
                header=not options.no_header,
                wide=options.wide,
                bare=options.count_only,
                listening=options.listening,
                all_states=options.all_states,
                users=users,
                request=listing.request,
            ),
        )
