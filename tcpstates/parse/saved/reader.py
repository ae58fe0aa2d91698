"""Read the output of any supported tool, and detect its layout.

A line that does not fit the current layout may be a heading, which selects another
layout, or a row without a heading. Anything else is skipped: a prompt, a section of
other sockets, the signature of a mail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from tcpstates.batch import ColumnBatch
from tcpstates.parse.saved.accounting import Accounts
from tcpstates.parse.saved.blocks import LEAST, PlainRuns
from tcpstates.parse.saved.cleaning import (
    cleaned,
    has_several_rows,
    longest,
    parts_of,
    rows_in,
    without_prefix,
)
from tcpstates.parse.saved.endpoints import Endpoints
from tcpstates.parse.saved.gate import refused
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.layouts import make_layouts
from tcpstates.parse.saved.other_kinds import MOST_LINES, OtherKinds
from tcpstates.parse.saved.prompts import read_command
from tcpstates.parse.saved.rows import NOT_OURS, MalformedLine, Row, to_batches
from tcpstates.parse.saved.snapshots import Snapshots
from tcpstates.parse.saved.suspicion import EXAMINED

_JSON = ("[", "{")
_SOCKETS_IN_JSON = ('"protocol"', '"LocalAddress"')
_FIELDS_OF_A_ROW = 5  # a line with fewer words may be the rest of a wrapped row
_MOST_PREFIXES = 4  # to remove from a line
_MOST_BY_LINE = 4096  # lines, where runs are rare
# For hostile lines: numbers of 5,000 digits, deeply nested lists.
_BROKEN = (MalformedLine, ValueError, OverflowError, RecursionError)


class Reader:
    """Turns the lines of one file into rows."""

    def __init__(
        self,
        service: Callable[[str], int | None],
        *,
        format: str | None = None,  # noqa: A002
        byte_order: str = "little",
        snapshot: int | None = None,
        at: float | None = None,
    ) -> None:
        """Expect one of FORMATS, or any; read one snapshot, counted from 1, or all.

        `at`: see `make_layouts`.
        """
        self._endpoints = Endpoints(service)
        self._runs = PlainRuns(self._endpoints)
        self._layouts = make_layouts(self._endpoints, format, byte_order, at)
        self._current: Layout | None = None
        self._is_named = format is not None
        self.rows = 0
        self._found: list[Row] = []  # not yet returned
        self._lines: list[int] = []  # the line number of each of these rows
        self._torn: str | None = None  # it may continue on the next line
        self._by_line = LEAST  # lines to read one by one before a run is looked for
        self._line = 0
        self._snapshots = Snapshots(snapshot)
        self.recognised: set[str] = set()
        self._accounts = Accounts()
        self.other_kinds = OtherKinds()  # for a file without sockets

    @property
    def lines(self) -> int:
        """How many lines have been read."""
        return self._line

    @property
    def snapshots(self) -> int:
        """How many snapshots the file has had so far."""
        return self._snapshots.number

    @property
    def unreadable(self) -> int:
        """How many lines look like sockets and could not be read."""
        return self._accounts.unreadable

    @property
    def numbers(self) -> list[int]:
        """The first of these lines, counted from 1."""
        return self._accounts.numbers

    def read(self, lines: Iterable[str]) -> list[Row]:
        """Parse the next lines of the file."""
        for line in lines:
            self._line += 1
            self._endpoints.line = self._line
            if len(line) > longest(line):
                self._accounts.count((self._line,))
            else:
                self._accounts.open(self._line, line)
                self._read_parts(line)
                if not self.rows and self._line <= MOST_LINES:
                    self.other_kinds.look_at(line)
        return self._give()

    def _read_parts(self, line: str) -> None:
        """Read a line; if it contains several lines, read each of them."""
        if line[:1] in _JSON and any(mark in line for mark in _SOCKETS_IN_JSON):
            self._read_joined(line)
            return
        parts = list(map(cleaned, parts_of(line)))
        before = len(self._found)
        for part in parts:
            self._read_joined(part)
        if len(parts) > 1:
            self._end()
            self._accounts.compare(self._line, parts, len(self._found) - before)

    def batches(self, lines: Sequence[str]) -> Iterator[ColumnBatch]:
        """Parse the next lines of the file; runs of plain ones as a whole."""
        for layout in self._layouts:
            layout.foresee(lines)
        place = 0
        while place < len(lines):
            run, found = self._plain_run(lines, place)
            if found is not None:
                self._end()
                yield from to_batches(self._give())
                self._line += run
                if self._snapshots.is_wanted:
                    self.rows += run
                    yield from found
                self._snapshots.add_run((each.protocol, each.family) for each in found)
                self._by_line = LEAST
                place += run
            else:
                # Where a run was expected, try again after ever more lines.
                following = self._by_line if run else LEAST
                self._by_line = min(2 * following, _MOST_BY_LINE) if run else LEAST
                yield from to_batches(self.read(lines[place : place + following]))
                place += following

    def _plain_run(
        self, lines: Sequence[str], place: int
    ) -> tuple[int, list[ColumnBatch] | None]:
        """See `PlainRuns.at`; a line that is not settled is read by line."""
        is_settled = self._torn is None and not self._snapshots.is_undecided
        if self._current is None or not is_settled:
            return 0, None
        return self._runs.at(self._current, lines, place)

    def finish(self) -> Sequence[Row]:
        """Return the pending rows at the end of the file."""
        if self._torn is not None:
            self._accounts.count((self._line,))
        self._end()
        found = self._give()
        self._accounts.settle_before(self._line + 1)
        return found

    def _give(self) -> list[Row]:
        """Hand over the rows found so far; drop and count invalid ones."""
        found, self._found = self._found, []
        lines, self._lines = self._lines, []
        wrong = refused(found)
        if wrong:
            self._accounts.count(lines[place] for place in wrong)
            left = set(range(len(found))).difference(wrong)
            found = [found[place] for place in sorted(left)]
        self.rows += len(found)
        return found

    def _read_joined(self, line: str) -> None:
        """Read a line, or join it to the previous one, which may have been wrapped."""
        torn, self._torn = self._torn, None
        if torn is not None:
            is_rest = len(line.split()) < _FIELDS_OF_A_ROW
            if is_rest and self._is_row(f"{torn} {line.strip()}"):
                self._accounts.close(self._line - 1, self._line)
                return
            self._accounts.count((self._line - 1,))
        try:
            self._read(line)
        except _BROKEN:
            self._torn = line

    def _is_row(self, line: str) -> bool:
        """Try to read a joined line; False if it is not a row."""
        with suppress(*_BROKEN):
            return self._read(line)
        return False

    def skip(self) -> None:
        """Count a line that is too long to read."""
        self._line += 1
        self._accounts.count((self._line,))

    def _read(self, line: str) -> bool:
        """Parse a line, or what is left of it without the text before and after a row.

        False if no layout recognises it.
        """
        if has_several_rows(line):
            return self._read_all(rows_in(line))
        if self._read_as_is(line):
            return True
        rest = line
        for _ in range(_MOST_PREFIXES):
            shorter = without_prefix(rest)
            if shorter is None:
                break
            if self._read_as_is(shorter):
                return True
            rest = shorter
        like_row = self._current.like_row if self._current else None
        if like_row is not None and like_row.search(line[:EXAMINED]):
            self._accounts.count((self._line,))
        return False

    def _read_as_is(self, line: str) -> bool:
        """Parse a line; False if no layout recognises it."""
        if self._current is not None and self._take(self._current.rows(line)):
            return True
        self._end()
        self._accounts.settle_before(self._line)
        for layout in self._layouts:
            if layout.heading(line):
                self._change(layout, line)
                return self._read_all(rows_in(line))
        if self._take(self._without_heading(line)):
            return True
        command = read_command(line)
        if command is not None:
            for layout in self._layouts:
                layout.follow(command)
            self._accounts.close(self._line)
        return False

    def _read_all(self, rows: Sequence[str]) -> bool:
        """Read the rows of one line; it is unreadable if one of them is."""
        are_read = [self._read_as_is(row) for row in rows]
        if not all(are_read):
            self._accounts.count((self._line,))
        return True

    def _take(self, rows: Sequence[Row] | None) -> bool:
        """Settle the current line, and keep its rows; False if it was not parsed."""
        if rows is None:
            return False
        if rows:
            self._keep(rows)
        # A line that begins or continues a block has no row yet.
        if rows is NOT_OURS or (self._current is not None and self._current.has_blocks):
            self._accounts.close(self._line)
        return True

    def _keep(self, rows: Sequence[Row]) -> None:
        """Keep the rows of the requested snapshot."""
        self._snapshots.add_row(rows[0][:2])
        numbers = [row.line or self._line for row in rows]
        self._accounts.close(*numbers)
        if self._snapshots.is_wanted:
            self._found += rows
            self._lines += numbers

    def _end(self) -> None:
        """Keep the rows that the current layout has held back."""
        try:
            rows = self._current.finish() if self._current else ()
            if rows:
                self._keep(rows)
        except _BROKEN:
            self._accounts.count((self._line,))

    def _change(self, layout: Layout, heading: str) -> None:
        """Select a layout; a repeated heading may start another snapshot."""
        if layout.has_snapshots:
            self._snapshots.add_heading(layout.name, heading)
        self._current = layout
        self.recognised.add(layout.name)
        self._accounts.close(self._line)

    def _without_heading(self, line: str) -> Sequence[Row] | None:
        """Parse a row that has no heading; None if it is not a row."""
        for layout in self._layouts:
            if layout is self._current or not layout.is_unmistakable:
                continue
            if not (self._is_named or layout.may_be_row(line)):
                continue
            layout.begin_without_heading()
            found = layout.rows(line)
            # A socket of another protocol has no certain signs.
            if found is not None and found is not NOT_OURS:
                self._current = layout
                self.recognised.add(layout.name)
                return found
        return None
