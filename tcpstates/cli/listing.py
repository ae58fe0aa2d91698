"""The listing view: columns and order, for a terminal, a pipe or a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from tcpstates.capabilities import Capability
from tcpstates.cli.answer import Answer
from tcpstates.cli.batch_texts import texts_of_batches
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output
from tcpstates.collect.names import HostNames
from tcpstates.collect.sources import SOURCES, missing_from, source_order
from tcpstates.columns.registry import PID, choose_columns
from tcpstates.model import Limitation, Listing
from tcpstates.wording import plural

if TYPE_CHECKING:
    from tcpstates.columns.sorting import Arrangement, MakeRows

T = TypeVar("T")


class ListingView:
    """A listing with one line per socket."""

    exit_code = ExitCode.DONE

    def __init__(self, options: Options) -> None:
        self._options = options
        # Without timers to show, -o has Windows' meaning: the pids.
        shows_pids = (
            options.timers and not options.is_elsewhere and not _has_timers(options)
        )
        self.columns = choose_columns(
            timers=options.timers and not shows_pids,
            extended=options.extended,
            processes=options.processes,
            info=options.info,
            memory=options.memory,
            places=bool(options.netns),
            hosts=options.is_remote,
            machine=options.format == "csv",
        )
        if shows_pids:
            self.columns = (*self.columns, PID)
        if options.columns is not None:
            from tcpstates.columns.registry import change_columns

            self.columns = change_columns(options.columns, self.columns)
        self._arrangement: Arrangement | None = None
        needs = [column.needs for column in self.columns]
        if options.netns and options.processes and options.is_for_programs:
            needs.append("places")
        if options.sort is not None or options.limit is not None:
            from tcpstates.columns.sorting import Arrangement, find_sort_keys

            keys = () if options.sort is None else find_sort_keys(options.sort)
            needs += [key.column.needs for key in keys]
            self._arrangement = Arrangement(keys, options.limit)
        self.needs = frozenset(needs)

    def texts(self, answer: Answer, output: Output) -> Iterator[str]:
        """Yield the text of the listing."""
        listing, names = answer.listing, answer.names
        match self._options.format:
            case "json" | "jsonl":
                yield from self._json(listing, names)
            case "csv":
                yield from self._csv(listing, names)
            case _:
                from tcpstates.cli.text_listing import TextListing

                text = TextListing(self._options, self.columns, self._arrangement)
                yield from text.texts(answer, output)
                self._note_left_out(listing)

    def _note_left_out(self, listing: Listing) -> None:
        """Note how many sockets are beyond the limit, once all have been read."""
        left_out = self._arrangement.left_out if self._arrangement else 0
        if left_out:
            more = f"{left_out} more {plural(left_out, 'socket')}"
            text = f"{more} not shown: --limit {self._options.limit}"
            listing.limitations.append(Limitation("limited", text))

    def _texts(
        self,
        listing: Listing,
        names: HostNames,
        make: MakeRows[T],
        join: Callable[[Sequence[T]], str],
    ) -> Iterator[str]:
        """Yield the texts of rows; note at the end how many are beyond the limit."""
        arrangement, batches = self._arrangement, listing.batches
        if arrangement is not None and arrangement.is_sorted:
            yield from map(join, arrangement.rows(batches, names, make))
        else:
            kept = batches if arrangement is None else arrangement.batches(batches)
            yield from texts_of_batches(lambda batch: join(make(batch)), kept)
        self._note_left_out(listing)

    def _csv(self, listing: Listing, names: HostNames) -> Iterator[str]:
        from tcpstates.render.csv_ import csv_heading, csv_lines, row_maker

        if not self._options.no_header:
            yield csv_heading(self.columns)
        make = row_maker(self.columns, names)
        yield from self._texts(listing, names, make, csv_lines)

    def _json(self, listing: Listing, names: HostNames) -> Iterator[str]:
        from tcpstates.fields import fields_shown
        from tcpstates.render.json_ import (
            joined_lines,
            joined_objects,
            render_json,
            row_maker,
        )

        options = self._options
        fields = fields_shown(
            times=options.timers or bool(options.info),
            extended=options.extended,
            info=bool(options.info),
            memory=options.memory,
            places=bool(options.netns),
            hosts=options.is_remote,
        )
        make = row_maker(fields, names)
        if options.format == "jsonl":
            return self._texts(listing, names, make, joined_lines)
        return render_json(listing, self._texts(listing, names, make, joined_objects))


def _has_timers(options: Options) -> bool:
    """Whether the source reports timers."""
    if options.source == "auto" and source_order()[0] == "netlink":
        return True
    name = source_order()[0] if options.source == "auto" else options.source
    return name not in SOURCES or Capability.TIMERS not in missing_from(name)
