"""The listing for people: a table in a terminal, or lines for any number of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from tcpstates.batch import Batch
from tcpstates.cli.answer import Answer
from tcpstates.cli.batch_texts import texts_of_batches
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output
from tcpstates.collect.names import HostNames
from tcpstates.model import Names
from tcpstates.prefetch import read_ahead

if TYPE_CHECKING:
    from tcpstates.columns.registry import Column
    from tcpstates.columns.sorting import Arrangement
    from tcpstates.columns.values import Cells
    from tcpstates.render.plain import Filled

T = TypeVar("T")
# A table of this many rows is drawn in 0.1 s; nobody reads more of them at once.
_TABLE_ROWS = 200
# This many rows determine the widths of a streamed listing.
_HEAD_ROWS = 512
# A table may have this many characters per non-blank one; a small table, any number.
_MOST_BLANKS, _SMALL_TABLE = 6, 200_000
_HOST_SECONDS, _PATIENT_SECONDS = 1.0, 10.0


class Portions:
    """Rows, some at a time, and how to make their cells."""

    def __init__(
        self, items: Iterable[Any], fill: Callable[[Any], Filled], *, are_batches: bool
    ) -> None:
        self.items = iter(items)
        self.fill = fill
        self.are_batches = are_batches


class TextListing:
    """A table if there are few enough rows to read, else lines."""

    def __init__(
        self,
        options: Options,
        columns: Sequence[Column],
        arrangement: Arrangement | None,
    ) -> None:
        self._options = options
        self._columns = columns
        self._arrangement = arrangement

    def texts(self, answer: Answer, output: Output) -> Iterator[str]:
        """Yield the text of the listing."""
        listing, names = answer.listing, answer.names
        options, is_terminal = self._options, output.is_terminal
        batches = listing.batches
        if not options.numeric:
            seconds = _PATIENT_SECONDS if options.resolve else _HOST_SECONDS
            batches = _with_host_names(batches, names, seconds)
        counts: Counter[str] = Counter()
        if is_terminal:
            batches = _counted(batches, counts)
        is_table = options.format == "table"
        wants_table = is_table or (is_terminal and options.format == "auto")
        if wants_table and self._arrangement is None:
            held, complete = _take(batches, _TABLE_ROWS, len, all_of_it=is_table)
            if complete and options.columns is None:
                portions = self._narrowed(held, names)
            else:
                portions = self._portions(chain(held, batches), names)
        else:
            portions = self._portions(batches, names)
        limit = _TABLE_ROWS if wants_table else _HEAD_ROWS
        filled = map(portions.fill, portions.items)
        head, complete = _take(filled, limit, _cells_size, all_of_it=is_table)
        table = self._table(head, output) if wants_table and complete else None
        if table is not None:
            yield table
        elif is_terminal:
            # Writing to a terminal takes as long as creating the text.
            lines = self._lines(head, portions, output)
            with closing(read_ahead(lines, alone=1, ahead=8)) as made:
                yield from made
        else:
            yield from self._lines(head, portions, output)
        if is_terminal:
            from tcpstates.cli.left_out import describe_left_out
            from tcpstates.render.tally_text import describe_counts

            end = describe_left_out(options, answer, counts.total())
            yield describe_counts(counts, output.width, end) + "\n"

    def _narrowed(self, batches: Sequence[Batch], names: Names) -> Portions:
        """Return all rows in a useful order, and show only the columns that matter."""
        from tcpstates.cli.table_rows import in_order, narrow

        extended = self._options.extended
        self._columns = narrow(self._columns, batches, extended=extended)
        filled = in_order(self._columns, batches, names)
        return Portions(filled, _unchanged, are_batches=False)

    def _portions(self, batches: Iterable[Batch], names: Names) -> Portions:
        """Return the rows in the requested order, and up to the limit."""
        arrangement = self._arrangement

        def fill(batch: Batch) -> Filled:
            return [column.cells(batch, names) for column in self._columns]

        if arrangement is None:
            return Portions(batches, fill, are_batches=True)
        if not arrangement.is_sorted:
            return Portions(arrangement.batches(batches), fill, are_batches=True)

        def rows(batch: Batch) -> list[tuple[object, ...]]:
            return list(zip(*fill(batch), strict=True))

        filled = (
            list(zip(*portion, strict=True))
            for portion in arrangement.rows(batches, names, rows)
            if portion
        )
        return Portions(filled, _unchanged, are_batches=False)

    def _lines(
        self, head: Sequence[Filled], portions: Portions, output: Output
    ) -> Iterator[str]:
        """Yield a heading, the first rows, and then the lines of each portion."""
        from tcpstates.render.plain import PlainLines

        options = self._options
        after = next(portions.items, None)
        lines = PlainLines(
            head,
            self._columns,
            header=not options.no_header,
            color=output.wants_color(options.color),
            is_all=after is None,
        )
        yield lines.heading
        yield from map(lines.text, head)
        if after is None:
            return
        following = chain((after,), portions.items)
        # A second process would not learn the names that are still to be found.
        if portions.are_batches and options.numeric:
            yield from texts_of_batches(
                lambda batch: lines.text(portions.fill(batch)), following
            )
        else:
            yield from map(lines.text, map(portions.fill, following))

    def _table(self, filled: Sequence[Filled], output: Output) -> str | None:
        """Render all rows as a table; None: it would be nearly all blanks.

        A table makes every row as long as the longest one; plain text does not.
        """
        from tcpstates.render.table import Screen, render_table
        from tcpstates.render.table_layout import natural_width

        options, columns = self._options, self._columns
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


def _unchanged(filled: Filled) -> Filled:
    return filled


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
