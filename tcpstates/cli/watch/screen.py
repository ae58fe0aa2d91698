"""A terminal that is redrawn in place, with what is new, changed and gone.

Neither the mode of the terminal nor its other screen is used, so nothing has to be put
back, whatever ends the program. Only as many rows are formatted as fit.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import datetime

from tcpstates.batch import Batch
from tcpstates.changes.identity import Key, keys_of, select_keys
from tcpstates.changes.look import Look
from tcpstates.changes.model import Events, Kind
from tcpstates.cli.list_command import load_shown
from tcpstates.cli.listing import ListingView
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output
from tcpstates.cli.table_rows import in_order, narrow
from tcpstates.cli.watch.numbers import Numbers
from tcpstates.collect.names import HostNames
from tcpstates.columns.registry import Column
from tcpstates.columns.values import Cells
from tcpstates.model import Names
from tcpstates.render.table import Screen, render_table
from tcpstates.render.tally_text import describe_counts
from tcpstates.text import sanitise
from tcpstates.wording import counted

_HOME, _TO_THE_END, _REST = "\x1b[H", "\x1b[K", "\x1b[J"
_MARKED = 3  # rounds for which a row is marked
_NEW, _GONE = "new", "gone"
_FEWEST = 5  # rows, however low the terminal is


class Screens:
    """The text of every round."""

    def __init__(self, options: Options, output: Output, names: HostNames) -> None:
        self._options, self._output, self._names = options, output, names
        self._is_first = True
        self._skipped = 0
        self._unread: frozenset[str] = frozenset()
        self._marks: dict[Key, tuple[str, int]] = {}  # and for how many more rounds
        self._gone: deque[tuple[int, Batch]] = deque()
        shown = load_shown(options)
        self._numbers = None
        if isinstance(shown, ListingView):
            change = Column("change", "Change", self._changes, known=True)
            self._columns: tuple[Column, ...] = (change, *shown.columns)
        else:
            self._numbers = Numbers(options, output, names)

    def texts(self, look: Look, skipped: int) -> Iterator[str]:
        """Yield one frame, with what moves the cursor."""
        self._skipped += skipped
        self._unread = look.unread
        height = self._output.height or 24
        if self._numbers is None:
            lines = self._listing(look, height)
        else:
            lines = [self._heading(look, ""), *self._numbers.lines(look, height - 2)]
        if self._is_first:
            self._is_first = False
            yield "\n" * (height - 1)  # what was on the screen can be scrolled to
        frame = "".join(f"{line}{_TO_THE_END}\n" for line in lines[: height - 1])
        yield f"{_HOME}{frame}{_REST}"

    def _heading(self, look: Look, events: str) -> str:
        at = datetime.fromtimestamp(look.time)  # noqa: DTZ006  (as a clock shows it)
        text = f"{at:%H:%M:%S}, every {self._options.watch:g} s{events}"
        if self._unread:
            text += f"; no answer from {sanitise(', '.join(sorted(self._unread)))}"
        if self._skipped:
            text += f"; {counted(self._skipped, 'round')} skipped, it takes too long"
        return text[: self._output.width]

    def _listing(self, look: Look, height: int) -> list[str]:
        happened = self._note(look)
        wanted = max(_FEWEST, height - 5)
        total = sum(map(len, look.batches))
        batches = self._chosen(look.batches, wanted)
        batches += [batch for _, batch in self._gone]
        columns = narrow(self._columns, batches, extended=self._options.extended)
        filled = in_order(columns, batches, self._names)
        cells = [
            [str(cell) for part in filled for cell in part[index]]
            for index in range(len(columns))
        ]
        output, options = self._output, self._options
        screen = Screen(
            output.width, output.wants_color(options.color), output.encoding
        )
        table = render_table(
            columns,
            cells,
            screen,
            header=bool(cells[0]) and not options.no_header,
        )
        labels = Counter(
            label for batch in look.batches for label in batch.column("state_label")
        )
        last = describe_counts(labels, output.width).splitlines()
        rows = table.splitlines()
        room = height - 2 - len(last)
        if len(rows) > room or total > wanted:
            rows = rows[: room - 1]
            rows.append("... what has changed is shown first; a filter shows less")
        return [self._heading(look, happened), *rows, *last]

    def _note(self, look: Look) -> str:
        """Remember what is to be marked; count what has happened."""
        self._marks = {
            key: (mark, left - 1) for key, (mark, left) in self._marks.items() if left
        }
        while self._gone and self._gone[0][0] <= 0:
            self._gone.popleft()
        self._gone = deque((left - 1, batch) for left, batch in self._gone)
        numbers: Counter[str] = Counter()
        for each in look.happened:
            if isinstance(each, Events):
                numbers["ended unseen" if each.was_missed else str(each.kind)] += len(
                    each
                )
                self._mark(each)
        del numbers[str(Kind.PRESENT)]
        told = ", ".join(f"{number} {word}" for word, number in numbers.items())
        return f": {told}" if told else ""

    def _mark(self, events: Events) -> None:
        keys = keys_of(events.batch)
        names = self._names.state_names
        match events.kind:
            case Kind.OPENED:
                self._marks.update(dict.fromkeys(keys, (_NEW, _MARKED)))
            case Kind.CHANGED:
                for key, old in zip(keys, events.old, strict=True):
                    word = sanitise(names.get(old or "", old or "?"))
                    self._marks[key] = (f"was {word}", _MARKED)
            case Kind.CLOSED if not events.was_missed:
                self._marks.update(dict.fromkeys(keys, (_GONE, _MARKED)))
                self._gone.append((_MARKED - 1, events.batch))

    def _chosen(self, batches: Sequence[Batch], wanted: int) -> list[Batch]:
        """Return as many sockets as fit, those that are marked first."""
        if sum(map(len, batches)) <= wanted:
            return list(batches)
        chosen = list(select_keys(batches, self._marks.keys()))
        left = wanted - sum(map(len, chosen))
        for batch in batches:
            if left <= 0:
                break
            others = [key not in self._marks for key in keys_of(batch)]
            for place in range(len(others)):
                left -= others[place]
                others[place] = others[place] and left >= 0
            if any(others):
                chosen.append(batch.select(others))
        return chosen

    def _changes(self, batch: Batch, names: Names) -> Cells:
        """What has happened to each socket: the column of that name."""
        return [self._marks.get(key, ("", 0))[0] for key in keys_of(batch)]
