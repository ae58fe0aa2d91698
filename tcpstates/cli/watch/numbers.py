"""Counts on a terminal: each with its change and a small history."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tcpstates.changes.look import Look
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output
from tcpstates.collect.names import HostNames
from tcpstates.columns.registry import STATE, Column, find_columns
from tcpstates.columns.tally import Group, Tally, count_by, requested_rows
from tcpstates.render.styles import paint
from tcpstates.text import sanitise

_ROUNDS = 20  # in the history
_BARS, _ASCII_BARS = "▁▂▃▄▅▆▇█", "_.:-=+*#"


class Numbers:
    """The counts of every round, and what they were before."""

    def __init__(self, options: Options, output: Output, names: HostNames) -> None:
        self._options, self._output, self._names = options, output, names
        self._columns: tuple[Column, ...] = ()
        if options.by is not None:
            self._columns = tuple(find_columns(options.by))
        elif options.summary:
            self._columns = (STATE,)
        self._history: dict[Group, deque[int]] = {}
        self._rounds = 0
        self._bars = _BARS
        try:
            _BARS.encode(output.encoding)
        except UnicodeEncodeError:
            self._bars = _ASCII_BARS

    def lines(self, look: Look, room: int) -> list[str]:
        """Return the lines of a round: count, change, history, values."""
        tally = count_by(look.batches, self._columns, self._names)
        order: list[str] = []  # of the states, where all have a row
        if self._options.summary:
            order = requested_rows(look.listing.request)
            tally.counts.update({(label,): 0 for label in order})
        elif self._columns == (STATE,) and look.selection is not None:
            for state in look.selection.named_states():
                tally.counts.setdefault((str(state),), 0)
        self._remember(tally)
        groups = tally.groups(None)[0]
        if order:
            place = {label: row for row, label in enumerate(order)}
            groups.sort(key=lambda item: place.get(item[0][0], len(place)))
        most = room - 2 if self._options.limit is None else self._options.limit
        headings = [column.heading for column in self._columns]
        rows = [self._row(group, number) for group, number in groups[:most]]
        rows.insert(0, ("count", "change", "history", "  ".join(headings)))
        if self._columns:
            rest = len(groups) - len(groups[:most])
            more = f"total ({rest} more groups)" if rest else "total"
            rows.append((str(tally.total), "", "", more))
        return list(self._aligned(rows))

    def _remember(self, tally: Tally) -> None:
        self._rounds += 1
        for group in tally.counts:
            if group not in self._history:
                before = min(self._rounds - 1, _ROUNDS - 1)
                self._history[group] = deque([0] * before, _ROUNDS)
        for group, numbers in list(self._history.items()):
            numbers.append(tally.counts.get(group, 0))
            if not any(numbers):
                del self._history[group]

    def _row(self, group: Group, number: int) -> tuple[str, str, str, str]:
        numbers = self._history.get(group) or deque([number])
        before = numbers[-2] if len(numbers) > 1 else number
        change = f"{number - before:+d}" if number != before else ""
        values = "  ".join(
            "-" if value is None else sanitise(str(value)) for value in group
        )
        return str(number), change, self._drawn(numbers), values

    def _drawn(self, numbers: deque[int]) -> str:
        """Draw the numbers as bars, the largest one in full height."""
        most = max(numbers) or 1
        top = len(self._bars) - 1
        return "".join(self._bars[round(number * top / most)] for number in numbers)

    def _aligned(self, rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
        widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:3]]
        color = self._output.wants_color(self._options.color)
        for count, change, history, values in rows:
            bare = (
                f"{count:>{widths[0]}}  {change:>{widths[1]}}  {history:>{widths[2]}}  "
            )
            text = values[: max(0, self._output.width - len(bare))]
            if color and self._columns == (STATE,):
                text = paint(values, text)
            yield f"{bare}{text}".rstrip()
