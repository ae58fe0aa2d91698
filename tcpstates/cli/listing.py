"""The listing view: columns and order, for a terminal, a pipe or a program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.cli.answer import Answer
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output
from tcpstates.collect.names import HostNames
from tcpstates.collect.sources import SOURCES, missing_from, source_order
from tcpstates.columns.registry import PID, choose_columns
from tcpstates.model import Limitation, Listing
from tcpstates.prefetch import read_ahead
from tcpstates.wording import plural

if TYPE_CHECKING:
    from tcpstates.columns.registry import Column
    from tcpstates.columns.sorting import Arrangement, MakeRows
    from tcpstates.columns.values import Cells

T = TypeVar("T")
# A table of this many rows is drawn in 0.1 s; nobody reads more of them at once.
_TABLE_ROWS = 200
# This many rows determine the widths of a streamed listing.
_HEAD_ROWS = 512
# A table may have this many characters per non-blank one; a small table, any number.
_MOST_BLANKS, _SMALL_TABLE = 6, 200_000
_HOST_SECONDS, _PATIENT_SECONDS = 1.0, 10.0


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
                yield from self._text(answer, output)
                self._note_left_out(listing)

    def _note_left_out(self, listing: Listing) -> None:
        """Note how many sockets are beyond the limit, once all have been read."""
        left_out = self._arrangement.left_out if self._arrangement else 0
        if left_out:
            more = f"{left_out} more {plural(left_out, 'socket')}"
            text = f"{more} not shown: --limit {self._options.limit}"
            listing.limitations.append(Limitation("limited", text))

    def _rows(
        self, listing: Listing, names: HostNames, make: MakeRows[T]
    ) -> Iterator[Sequence[T]]:
        """Yield rows in order, and note at the end how many are beyond the limit."""
        if self._arrangement is None:
            yield from map(make, listing.batches)
        else:
            yield from self._arrangement.rows(listing.batches, names, make)
            self._note_left_out(listing)

    def _csv(self, listing: Listing, names: HostNames) -> Iterator[str]:
        from tcpstates.render.csv_ import render_csv, row_maker

        rows = self._rows(listing, names, row_maker(self.columns, names))
        header = not self._options.no_header
        return render_csv(self.columns, rows, header=header)

    def _json(self, listing: Listing, names: HostNames) -> Iterator[str]:
        from tcpstates.fields import fields_shown
        from tcpstates.render.json_ import render_json, render_jsonl, row_maker

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
        portions = self._rows(listing, names, make)
        if options.format == "jsonl":
            return render_jsonl(portions)
        return render_json(listing, portions)

    def _text(self, answer: Answer, output: Output) -> Iterator[str]:
        """Yield the rows for people: a table if there are few enough to read."""
        listing, names = answer.listing, answer.names
        options, columns = self._options, self.columns
        is_terminal = output.is_terminal
        batches = listing.batches
        if not options.numeric:
            seconds = _PATIENT_SECONDS if options.resolve else _HOST_SECONDS
            batches = _with_host_names(batches, names, seconds)
        counts: Counter[str] = Counter()
        if is_terminal:
            batches = _counted(batches, counts)
        is_table = options.format == "table"
        wants_table = is_table or (is_terminal and options.format == "auto")
        filled = self._filled(batches, names)
        if wants_table and self._arrangement is None:
            held, complete = _take(batches, _TABLE_ROWS, len, all_of_it=is_table)
            batches = chain(held, batches)
            filled = self._filled(batches, names)
            if complete and options.columns is None:
                from tcpstates.cli.table_rows import in_order, narrow

                columns = narrow(columns, held, extended=options.extended)
                filled = iter(in_order(columns, held, names))
        limit = _TABLE_ROWS if wants_table else _HEAD_ROWS
        head, complete = _take(filled, limit, _cells_size, all_of_it=is_table)
        color, header = output.wants_color(options.color), not options.no_header
        table = None
        if wants_table and complete:
            table = self._table(columns, head, output)
        if table is not None:
            yield table
        else:
            from tcpstates.render.plain import render_plain

            texts = render_plain(head, filled, columns, header=header, color=color)
            if is_terminal:
                # Writing to a terminal takes as long as creating the text.
                with closing(read_ahead(texts, alone=1, ahead=8)) as made:
                    yield from made
            else:
                yield from texts
        if is_terminal:
            from tcpstates.cli.left_out import describe_left_out
            from tcpstates.render.tally_text import describe_counts

            end = describe_left_out(options, answer, counts.total())
            yield describe_counts(counts, output.width, end) + "\n"

    def _table(
        self,
        columns: Sequence[Column],
        filled: Sequence[Sequence[Cells]],
        output: Output,
    ) -> str | None:
        """Render all rows as a table; None: it would be nearly all blanks.

        A table makes every row as long as the longest one; plain text does not.
        """
        from tcpstates.render.table import Screen, render_table
        from tcpstates.render.table_layout import natural_width

        options = self._options
        cells = [
            [str(cell) for part in filled for cell in part[index]]
            for index in range(len(columns))
        ]
        width = natural_width(cells)
        if not options.wide:
            width = min(width, output.width)
        written = sum(map(len, chain.from_iterable(cells)))
        if width * len(cells[0]) > _MOST_BLANKS * written + _SMALL_TABLE:
            return None
        return render_table(
            columns,
            cells,
            Screen(output.width, output.wants_color(options.color), output.encoding),
            header=bool(cells[0]) and not options.no_header,
            wide=options.wide,
        )

    def _filled(
        self, batches: Iterable[Batch], names: HostNames
    ) -> Iterator[Sequence[Cells]]:
        """Yield the cells of each column, for some rows at a time."""
        columns, arrangement = self.columns, self._arrangement

        def fill(batch: Batch) -> list[Cells]:
            return [column.cells(batch, names) for column in columns]

        if arrangement is None:
            yield from map(fill, batches)
        elif not arrangement.is_sorted:
            yield from map(fill, arrangement.batches(batches))
        else:

            def rows(batch: Batch) -> list[tuple[object, ...]]:
                return list(zip(*fill(batch), strict=True))

            for portion in arrangement.rows(batches, names, rows):
                if portion:
                    yield list(zip(*portion, strict=True))


def _has_timers(options: Options) -> bool:
    """Whether the source reports timers."""
    if options.source == "auto" and source_order()[0] == "netlink":
        return True
    name = source_order()[0] if options.source == "auto" else options.source
    return name not in SOURCES or Capability.TIMERS not in missing_from(name)


def _cells_size(filled: Sequence[Cells]) -> int:
    return len(filled[0])


def _take(
    portions: Iterator[T],
    rows: int,
    size: Callable[[T], int],
    *,
    all_of_it: bool = False,
) -> tuple[list[T], bool]:
    """Take portions until they exceed `rows` rows; also return whether none follow."""
    taken: list[T] = []
    number = 0
    for part in portions:
        taken.append(part)
        number += size(part)
        if number > rows and not all_of_it:
            return taken, False
    return taken, True


def _counted(batches: Iterable[Batch], counts: Counter[str]) -> Iterator[Batch]:
    """Pass batches through and count their states."""
    for batch in batches:
        counts.update(batch.column("state_label"))
        yield batch


def _with_host_names(
    batches: Iterator[Batch], names: HostNames, seconds: float
) -> Iterator[Batch]:
    """Pass batches through after resolving their hosts, for `seconds` in total."""
    deadline = monotonic() + seconds
    while True:
        held: list[Batch] = []
        number = 0
        for batch in batches:
            held.append(batch)
            number += len(batch)
            if number > _HEAD_ROWS:
                break
        addresses = {
            address
            for batch in held
            for side in ("local_address", "remote_address")
            for address in batch.column(side)
        }
        names.ask_hosts(addresses, deadline - monotonic())
        yield from held
        if number <= _HEAD_ROWS:
            return
