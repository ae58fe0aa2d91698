"""`tcpstates diff A [B]`: what differs between two listings, or since one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import click

from tcpstates.batch import Batch
from tcpstates.changes.diff import are_of_one_boot, compare
from tcpstates.changes.model import Events
from tcpstates.cli.exit_codes import ExitCode, with_failures
from tcpstates.cli.output import Output, warn
from tcpstates.cli.source_options import SOURCE_HELP, chosen_origin, live_options
from tcpstates.cli.state_argument import color_option
from tcpstates.cli.types import COLUMN_LIST, FILTER_ARGUMENT, PATH, SOURCE
from tcpstates.columns.registry import PROCESS, find_columns
from tcpstates.columns.tally import count_by
from tcpstates.fields import Needs
from tcpstates.model import Listing, Request
from tcpstates.origin import Origin
from tcpstates.pipeline import list_sockets, select
from tcpstates.protocols import PROTOCOLS
from tcpstates.saved_listing import SavedListing
from tcpstates.states import ALL_STATES
from tcpstates.text import sanitise_line
from tcpstates.wording import counted


class _Side(NamedTuple):
    """One of the two listings, in memory."""

    title: str
    origin: Origin
    listing: Listing
    batches: list[Batch]

    @property
    def total(self) -> int:
        """The number of sockets."""
        return sum(map(len, self.batches))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("first", metavar="A", type=PATH)
@click.argument("rest", nargs=-1, type=FILTER_ARGUMENT, metavar="[B] [FILTER]...")
@click.option(
    "--by",
    type=COLUMN_LIST,
    metavar="COL,...",
    help="Compare counts by columns, largest change first: --by process,state.",
)
@click.option("-n", "--numeric", is_flag=True, help="Do not look up names.")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="Print one JSON object a line.")
@click.option("--source", type=SOURCE, default="auto", help=SOURCE_HELP)
@live_options
@color_option
@click.pass_obj
def diff(output: Output, /, first: str, rest: tuple[str, ...], **values: Any) -> int:
    """Show what was opened, changed its state and was closed between two listings.

    A and B are files that --from reads; without B, compare A with the sockets of this
    host. Sockets are identified by the kernel's cookie if both listings are of one boot
    (--json has both), and otherwise by their addresses and ports.

    \b
      tcpstates -tanp --json --output before
      tcpstates diff before
      tcpstates diff before after --by process,state
    """  # noqa: D301  (click looks for the character)
    is_second = bool(rest) and (os.path.exists(rest[0]) or _is_path(rest[0]))
    second = rest[0] if is_second else None
    expression = rest[1:] if is_second else rest
    columns = find_columns(values["by"]) if values["by"] else ()
    # Events are shown with their processes, counts only by the columns named.
    needs = {column.needs for column in columns or (PROCESS,)}
    warned: set[str] = set()
    before = _read(first, _saved(first), expression, needs, warned)
    if second is None:
        origin = chosen_origin({**values, "files": ()})
        after = _read("now", origin, expression, needs, warned)
    else:
        after = _read(second, _saved(second), expression, needs, warned)
    names = after.origin.names(numeric=values["numeric"])
    code = with_failures(ExitCode.DONE, after.listing.limitations)
    if columns:
        tallies = [count_by(side.batches, columns, names) for side in (before, after)]
        counts = [tally.counts for tally in tallies]
        if values["as_jsonl"]:
            output.write(_count_objects(values["by"], *counts), encoding="utf-8")
        else:
            headings = [column.heading for column in columns]
            output.write(_count_lines(headings, *counts))
        return code
    by_cookie = are_of_one_boot(
        (before.listing.boot_id, after.listing.boot_id), before.batches, after.batches
    )
    events = list(compare(before.batches, after.batches, by_cookie=by_cookie))
    if values["as_jsonl"]:
        from tcpstates.render.events import event_objects, event_rows

        make = event_rows(names)
        for each in events:
            output.write(event_objects(each, make), encoding="utf-8")
        return code
    output.write(_summary(before, after, events, by_cookie=by_cookie))
    from tcpstates.render.event_text import event_lines

    color = output.wants_color(values["color"])
    for each in events:
        output.write(event_lines(each, names, color=color, with_time=False))
    return code


def _is_path(text: str) -> bool:
    """Whether a word is meant as a file although there is none of that name."""
    return "/" in text or text.endswith((".json", ".jsonl", ".txt", ".gz"))


def _saved(path: str) -> SavedListing:
    from tcpstates.collect.saved.source import SavedFiles

    return SavedListing(SavedFiles((path,)), is_held=True)


def _read(
    title: str,
    origin: Origin,
    expression: Sequence[str],
    needs: Collection[Needs],
    warned: set[str],
) -> _Side:
    """Read a side into memory; raise FileUnavailable and FilterSyntaxError.

    What limits both sides is printed once: `warned` has what has been printed.
    """
    request = Request(
        protocols=frozenset(PROTOCOLS), states=ALL_STATES, unknown_states=True
    ).for_columns(needs)
    listing = list_sockets(request, origin, select(expression, origin, request))
    batches = list(listing.batches)
    for limitation in listing.limitations:
        if limitation.text not in warned:
            warned.add(limitation.text)
            warn(limitation.text)
    return _Side(title, origin, listing, batches)


def _summary(
    before: _Side, after: _Side, events: Sequence[Events], *, by_cookie: bool
) -> Iterator[str]:
    numbers = Counter[str]()
    for each in events:
        numbers[str(each.kind)] += len(each)
    parts = [f"{numbers[word]} {word}" for word in ("opened", "changed", "closed")]
    totals = (
        f"{sanitise_line(side.title)}: {counted(side.total, 'socket')}"
        for side in (before, after)
    )
    how = "by the kernel's cookies" if by_cookie else "by addresses and ports"
    yield f"{'; '.join(totals)}\n{', '.join(parts)} (sockets identified {how})\n"


def _rows(
    before: Counter[Any], after: Counter[Any]
) -> list[tuple[int, int, tuple[Any, ...]]]:
    """List the groups whose numbers differ, the largest growth first."""
    groups = {
        group: (before[group], after[group])
        for group in {**before, **after}
        if before[group] != after[group]
    }
    rows = [(old, new, group) for group, (old, new) in groups.items()]
    return sorted(rows, key=lambda row: (row[0] - row[1], str(row[2])))


def _count_lines(
    headings: Sequence[str], before: Counter[Any], after: Counter[Any]
) -> Iterator[str]:
    rows = [("A", "B", "change", *headings)]
    for old, new, group in _rows(before, after):
        texts = ["-" if value is None else str(value) for value in group]
        rows.append((str(old), str(new), f"{new - old:+d}", *texts))
    total = after.total() - before.total()
    rows.append((str(before.total()), str(after.total()), f"{total:+d}", "total"))
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    for row in rows:
        cells = [f"{cell:>{w}}" for cell, w in zip(row[:3], widths, strict=True)]
        yield "  ".join([*cells, *map(sanitise_line, row[3:])]).rstrip() + "\n"


def _count_objects(by: str, before: Counter[Any], after: Counter[Any]) -> Iterator[str]:
    import json

    keys = [key.strip().replace("-", "_") for key in by.split(",")]
    for old, new, group in _rows(before, after):
        told = dict(zip(keys, group, strict=True))
        yield json.dumps({**told, "before": old, "after": new}) + "\n"
