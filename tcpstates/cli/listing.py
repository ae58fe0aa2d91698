"""From options to a printed listing, count or summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING

from tcpstates.ahead import read_ahead
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output, complain
from tcpstates.collect.names import SystemNames
from tcpstates.model import FAMILIES, PROTOCOLS, Batch, Listing, Request
from tcpstates.pipeline import list_sockets
from tcpstates.render.columns import choose_columns
from tcpstates.render.counts import count_sockets, count_states
from tcpstates.states import ALL_STATES, LISTENING

if TYPE_CHECKING:  # loaded only where there is a filter
    from tcpstates.filters.selection import Selection

# A table of so many rows is drawn in 0.1 s; nobody looks at more of them at once.
_TABLE_ROWS = 200
# So many rows decide the widths of a listing that is streamed.
_HEAD_ROWS = 512
_HOST_SECONDS, _PATIENT_SECONDS = 1.0, 10.0


def show(options: Options, output: Output) -> None:
    """Print what the options ask for, then what limits it on standard error."""
    request = make_request(options)
    selection = make_selection(options, request)
    listing = list_sockets(request, options.source, selection)
    names = SystemNames(numeric=options.numeric)
    try:
        if options.count_only:
            output.write(_count(options, listing))
        elif options.summary:
            output.write(_summary(options, request, listing, output))
        elif options.json:
            output.write(_json(options, listing, names))
        else:
            output.write(_listing(options, listing, names, output))
    finally:
        output.flush()
    for limitation in listing.limitations:
        complain(limitation.text)


def make_request(options: Options) -> Request:
    """Return what to ask a source for, as far as the options say."""
    if options.all_states or (options.summary and not options.listening):
        states, unknown = ALL_STATES, True
    elif options.listening:
        states, unknown = LISTENING, False
    else:
        states, unknown = ALL_STATES - LISTENING, True
    chosen = zip(PROTOCOLS, (options.tcp, options.udp), strict=True)
    protocols = frozenset(name for name, wanted in chosen if wanted)
    families = zip(FAMILIES, (options.ipv4, options.ipv6), strict=True)
    return Request(
        protocols=protocols or frozenset(PROTOCOLS if options.summary else ("tcp",)),
        families=frozenset(n for n, wanted in families if wanted)
        or frozenset(FAMILIES),
        states=states,
        unknown_states=unknown,
        info=options.info,
        memory=options.memory,
        processes=options.processes and not (options.count_only or options.summary),
    )


def make_selection(options: Options, request: Request) -> Selection | None:
    """Return the filter, None where there is none."""
    if not options.words:
        return None
    from tcpstates.collect.lookup import SystemLookup
    from tcpstates.filters.selection import read_selection

    lookup = SystemLookup(request.protocols)
    return read_selection(options.words, lookup, request)


def _count(options: Options, listing: Listing) -> Iterator[str]:
    number = count_sockets(listing.batches)
    if options.json:
        from tcpstates.render.json_ import render_count_json

        yield render_count_json(listing, number)
    else:
        yield f"{number}\n"


def _summary(
    options: Options, request: Request, listing: Listing, output: Output
) -> Iterator[str]:
    counts = count_states(listing.batches)
    if options.json:
        from tcpstates.render.json_ import render_counts_json

        yield render_counts_json(listing, counts, request)
        return
    from tcpstates.render.counts import render_summary_plain, summary_cells

    headings, rows = summary_cells(counts, request)
    if output.is_terminal:
        from tcpstates.render.table import Screen, render_summary

        screen = Screen(
            output.width, output.wants_color(options.color), output.encoding
        )
        yield render_summary(headings, rows, screen, header=not options.no_header)
    else:
        yield render_summary_plain(headings, rows, header=not options.no_header)


def _json(options: Options, listing: Listing, names: SystemNames) -> Iterator[str]:
    from tcpstates.render.json_ import render_json

    return render_json(
        listing,
        names,
        extended=options.extended,
        info=options.info,
        memory=options.memory,
    )


def _listing(
    options: Options, listing: Listing, names: SystemNames, output: Output
) -> Iterator[str]:
    """Yield the rows as text: a table where a person can look at all of them."""
    columns = choose_columns(
        timers=options.timers,
        extended=options.extended,
        processes=options.processes,
        info=options.info,
        memory=options.memory,
    )
    batches = listing.batches
    if not options.numeric:
        seconds = _PATIENT_SECONDS if options.resolve else _HOST_SECONDS
        batches = _with_host_names(batches, names, seconds)
    words: Counter[str] = Counter()
    if output.is_terminal:
        batches = _counted(batches, words)
    limit = _TABLE_ROWS if output.is_terminal else _HEAD_ROWS
    head, complete = _take(batches, limit)
    color = output.wants_color(options.color)
    if output.is_terminal and complete:
        from tcpstates.render.table import Screen, render_table

        filled = [
            [str(cell) for batch in head for cell in column.cells(batch, names)]
            for column in columns
        ]
        yield render_table(
            columns,
            filled,
            Screen(output.width, color, output.encoding),
            header=not options.no_header and bool(words),
            wide=options.wide,
        )
    else:
        from tcpstates.render.plain import render_plain

        header = not options.no_header
        texts = render_plain(head, batches, columns, names, header=header, color=color)
        if output.is_terminal:
            # A terminal takes as long to write to as the text takes to make.
            with closing(read_ahead(texts, alone=1, ahead=8)) as made:
                yield from made
        else:
            yield from texts
    if output.is_terminal:
        from tcpstates.render.counts import describe_counts

        yield describe_counts(words, output.width) + "\n"


def _take(batches: Iterator[Batch], rows: int) -> tuple[list[Batch], bool]:
    """Return the first batches, of more than `rows` rows unless these are all."""
    taken: list[Batch] = []
    number = 0
    for batch in batches:
        taken.append(batch)
        number += len(batch)
        if number > rows:
            return taken, False
    return taken, True


def _counted(batches: Iterable[Batch], words: Counter[str]) -> Iterator[Batch]:
    """Yield the batches and count their states on the way."""
    for batch in batches:
        words.update(batch.column("word"))
        yield batch


def _with_host_names(
    batches: Iterator[Batch], names: SystemNames, seconds: float
) -> Iterator[Batch]:
    """Yield the batches once their hosts were asked for, for `seconds` in all."""
    deadline = monotonic() + seconds
    while True:
        held, complete = _take(batches, _HEAD_ROWS)
        addresses = {
            address
            for batch in held
            for side in ("local_address", "remote_address")
            for address in batch.column(side)
        }
        names.ask_hosts(addresses, deadline - monotonic())
        yield from held
        if complete:
            return
