"""The count view: one number, a summary of states, or groups by columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tcpstates.cli.answer import Answer
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output
from tcpstates.columns.tally import (
    BY_STATE,
    Tally,
    count_by,
    count_without_file,
    requested_rows,
)
from tcpstates.model import Limitation, Listing, Request
from tcpstates.origin import LiveHost, Origin, hosts_answered
from tcpstates.wording import plural

if TYPE_CHECKING:
    from tcpstates.filters.selection import Selection


class CountView:
    """Counts of sockets, by the columns that the options name."""

    exit_code = ExitCode.DONE

    def __init__(self, options: Options) -> None:
        self._options = options
        self._columns = BY_STATE
        if options.by is not None:
            from tcpstates.columns.registry import find_columns

            self._columns = find_columns(options.by)
        elif options.count_only:
            self._columns = ()
        self.needs = frozenset(column.needs for column in self._columns)
        self._without_file: Counter[str] = Counter()
        self._origin: Origin = LiveHost()
        self._tool_names: Mapping[str, str] = {}  # states in another tool's spelling

    def texts(self, answer: Answer, output: Output) -> Iterator[str]:
        """Yield the text of the counts."""
        options, listing, names = self._options, answer.listing, answer.names
        self._origin = answer.origin
        batches = listing.batches
        if options.summary:
            batches = count_without_file(batches, self._without_file)
        tally = count_by(batches, self._columns, names)
        self._add_zeros(tally, listing.request, answer.selection)
        if options.summary:
            self._tool_names = names.state_names
        elif options.format not in ("json", "jsonl", "openmetrics"):
            tally = tally.renamed(names.state_names)
        most = options.limit
        self._note_left_out(tally, listing, output)
        match options.format:
            case "json":
                from tcpstates.render.tally_json import render_tally_json

                yield render_tally_json(listing, tally, most, self._more())
            case "jsonl":
                from tcpstates.render.tally_json import tally_objects

                yield from (f"{row}\n" for row in tally_objects(tally, most))
            case "csv":
                from tcpstates.render.csv_ import render_tally_csv

                yield from render_tally_csv(tally, most, header=not options.no_header)
            case "openmetrics":
                from tcpstates.render.openmetrics import render_openmetrics

                yield from render_openmetrics(
                    tally,
                    self._origin.kernel_counts(),
                    most,
                    filter_text=listing.filter,
                    is_grouped=options.by is not None,
                )
            case _:
                yield from self._text(tally, listing.request, output)

    def _add_zeros(
        self, tally: Tally, request: Request, selection: Selection | None
    ) -> None:
        """Add states that are reported even without sockets.

        These are the states that the filter names; in summaries and metrics, all
        requested states.
        """
        named = frozenset() if selection is None else selection.named_states()
        is_complete = self._options.summary or self._options.format == "openmetrics"
        if named and not is_complete:
            tally.add_zeros(request, list(map(str, named)))
        elif is_complete:
            tally.add_zeros(request, requested_rows(request), in_order=True)

    def _note_left_out(self, tally: Tally, listing: Listing, output: Output) -> None:
        """Note how many groups are beyond the limit, unless a row shows it."""
        _, groups, sockets = tally.groups(self._options.limit)
        is_text = not (self._options.is_for_programs or self._options.count_only)
        if groups and not is_text:
            noun = plural(groups, "group")
            text = f"{groups} more {noun} ({sockets} sockets) not shown: --limit"
            limitation = Limitation("limited", f"{text} {self._options.limit}")
            listing.limitations.append(limitation)

    def _more(self) -> dict[str, Any]:
        """Return the members of the JSON object besides the groups."""
        if not self._options.summary:
            return {}
        kernel = self._origin.kernel_counts()
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
            from tcpstates.render.tally_text import render_group_numbers

            yield from render_group_numbers(tally, options.limit)
        elif options.format == "table" or (
            output.is_terminal and options.format == "auto"
        ):
            from tcpstates.render.table import render_groups
            from tcpstates.render.tally_text import group_cells

            rows = group_cells(tally, options.limit)
            screen = _screen(options, output)
            yield render_groups(self._columns, rows, screen, header=header)
        else:
            from tcpstates.render.tally_text import render_groups_plain

            yield from render_groups_plain(tally, options.limit, header=header)

    def _summary(self, tally: Tally, request: Request, output: Output) -> Iterator[str]:
        from tcpstates.render.tally_text import (
            render_summary_narrow,
            render_summary_plain,
            summary_cells,
            summary_notes,
        )

        options = self._options
        header = not options.no_header
        headings, rows = summary_cells(tally, request)
        rows = [
            (self._tool_names.get(label, label), numbers) for label, numbers in rows
        ]
        plain = render_summary_plain(headings, rows, header=header)
        fits = max(map(len, plain.splitlines())) <= output.width
        if output.is_terminal and not fits:  # nothing is cut
            yield render_summary_narrow(headings, rows)
        elif options.format == "table" or (
            output.is_terminal and options.format == "auto"
        ):
            from tcpstates.render.table import render_summary

            screen = _screen(options, output)
            yield render_summary(headings, rows, screen, header=header)
        else:
            yield plain
        origin = self._origin
        notes = list(
            summary_notes(
                tally,
                self._without_file,
                origin.kernel_counts(),
                hosts_answered(origin),
            )
        )
        if output.is_terminal:
            from textwrap import fill  # which takes 1 ms to load

            width = max(1, output.width)
            notes.append("what a state means, and what to do: tcpstates explain STATE")
            notes = [fill(note, width, subsequent_indent="  ") for note in notes]
        yield from (f"{note}\n" for note in notes)


def _screen(options: Options, output: Output) -> Any:
    from tcpstates.render.table import Screen

    return Screen(output.width, output.wants_color(options.color), output.encoding)
