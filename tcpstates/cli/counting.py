"""Counts: one number, a summary of states, or groups by columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tcpstates.cli.options import Options
from tcpstates.cli.output import Output
from tcpstates.collect.names import SystemNames
from tcpstates.model import KernelCounts, Listing, Request
from tcpstates.render.tally import (
    BY_STATE,
    Tally,
    count_by,
    count_without_file,
    state_rows,
)

if TYPE_CHECKING:
    from tcpstates.filters.selection import Selection


class Counting:
    """How many sockets there are, by the columns that the options name."""

    def __init__(self, options: Options) -> None:
        """Choose the columns; raise ColumnError for one that there is not."""
        self._options = options
        self._columns = BY_STATE
        if options.by is not None:
            from tcpstates.render.columns import find_columns

            self._columns = find_columns(options.by)
        elif options.count_only:
            self._columns = ()
        self.needs = frozenset(column.needs for column in self._columns)
        self._without_file: Counter[str] = Counter()

    def texts(
        self,
        listing: Listing,
        request: Request,
        selection: Selection | None,
        names: SystemNames,
        output: Output,
    ) -> Iterator[str]:
        """Yield the text of the counts."""
        options = self._options
        batches = listing.batches
        if options.summary:
            batches = count_without_file(batches, self._without_file)
        tally = count_by(batches, self._columns, names)
        words, in_order = self._zeros(request, selection)
        tally.add_zeros(request, words, in_order=in_order)
        most = options.limit
        match options.format:
            case "json":
                from tcpstates.render.json_ import render_tally_json

                yield render_tally_json(listing, tally, most, self._more())
            case "jsonl":
                from tcpstates.render.json_ import tally_objects

                yield from (f"{row}\n" for row in tally_objects(tally, most))
            case "csv":
                from tcpstates.render.csv_ import render_tally_csv

                yield from render_tally_csv(tally, most, header=not options.no_header)
            case "openmetrics":
                from tcpstates.render.openmetrics import render_openmetrics

                yield from render_openmetrics(tally, _kernel(), most)
            case _:
                yield from self._text(tally, request, output)

    def _zeros(
        self, request: Request, selection: Selection | None
    ) -> tuple[Sequence[str], bool]:
        """Return the states that are told of even where there are no sockets.

        Those that the filter names; of a summary and of metrics every one, which the
        second value says.
        """
        named = frozenset() if selection is None else selection.named_states()
        is_complete = self._options.summary or self._options.format == "openmetrics"
        if is_complete and not named:
            return state_rows(request.protocols), True
        return list(map(str, named)), False

    def _more(self) -> dict[str, Any]:
        """Return what JSON has besides the groups."""
        if not self._options.summary:
            return {}
        kernel = _kernel()
        return {
            "without_process": dict(self._without_file),
            "kernel": None if kernel is None else kernel._asdict(),
        }

    def _text(self, tally: Tally, request: Request, output: Output) -> Iterator[str]:
        options = self._options
        header = not options.no_header
        if options.summary:
            yield from self._summary(tally, request, output)
        elif options.count_only and options.by is None:
            yield f"{tally.total}\n"
        elif options.count_only:
            from tcpstates.render.counts import render_group_numbers

            yield from render_group_numbers(tally, options.limit)
        elif options.format == "table" or (
            output.is_terminal and options.format == "auto"
        ):
            from tcpstates.render.counts import group_cells
            from tcpstates.render.table import render_groups

            rows = group_cells(tally, options.limit)
            screen = _screen(options, output)
            yield render_groups(self._columns, rows, screen, header=header)
        else:
            from tcpstates.render.counts import render_groups_plain

            yield from render_groups_plain(tally, options.limit, header=header)

    def _summary(self, tally: Tally, request: Request, output: Output) -> Iterator[str]:
        from tcpstates.render.counts import (
            render_summary_plain,
            summary_cells,
            summary_notes,
        )

        options = self._options
        header = not options.no_header
        headings, rows = summary_cells(tally, request)
        if options.format == "table" or (
            output.is_terminal and options.format == "auto"
        ):
            from tcpstates.render.table import render_summary

            screen = _screen(options, output)
            yield render_summary(headings, rows, screen, header=header)
        else:
            yield render_summary_plain(headings, rows, header=header)
        from textwrap import fill

        width = output.width if output.is_terminal else 10_000
        for note in summary_notes(tally, self._without_file, _kernel()):
            yield fill(note, max(1, width), subsequent_indent="  ") + "\n"


def _screen(options: Options, output: Output) -> Any:
    from tcpstates.render.table import Screen

    return Screen(output.width, output.wants_color(options.color), output.encoding)


def _kernel() -> KernelCounts | None:
    from tcpstates.collect.kernel_counts import read_kernel_counts

    return read_kernel_counts()
