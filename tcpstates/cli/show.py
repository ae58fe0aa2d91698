"""From options to what they show: a listing, or counts."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from tcpstates.cli.options import Options, chosen_families, chosen_protocols
from tcpstates.cli.origin import chosen_source
from tcpstates.cli.output import Output, complain
from tcpstates.collect.names import SystemNames
from tcpstates.model import PROTOCOLS, Request, SavedSource
from tcpstates.pipeline import list_sockets, lookup_for
from tcpstates.states import ALL_STATES, LISTENING, tool_words

if TYPE_CHECKING:  # loaded only where they are needed
    from tcpstates.cli.counting import Counting
    from tcpstates.cli.listing import Rows
    from tcpstates.filters.selection import Selection


def show(options: Options, output: Output) -> None:
    """Print what the options ask for, then what limits it on standard error."""
    shown = _load_shown(options)
    request = make_request(options, shown.needs)
    source = chosen_source(options._asdict())
    selection = make_selection(options, request, source)
    with output.into(options.output):
        listing = list_sockets(request, source, selection)
        names = _names(options)
        # Programs read the same bytes in every locale.
        encoding = "utf-8" if options.is_for_programs else None
        try:
            texts = shown.texts(listing, selection, names, output)
            output.write(texts, encoding=encoding)
        finally:
            output.flush()
    for limitation in listing.limitations:
        complain(limitation.text)


def _names(options: Options) -> SystemNames:
    """Return the names that fit to where the sockets are from."""
    words = tool_words(options.state_names)
    if options.files:
        from tcpstates.collect.saved import SavedNames

        return SavedNames(numeric=options.numeric, state_words=words)
    return SystemNames(numeric=options.numeric, state_words=words)


def _load_shown(options: Options) -> Counting | Rows:
    """Return what makes the text that the options ask for."""
    is_counted = options.by is not None or options.count_only or options.summary
    if is_counted or options.format == "openmetrics":
        from tcpstates.cli.counting import Counting

        return Counting(options)
    from tcpstates.cli.listing import Rows

    return Rows(options)


def make_request(options: Options, needs: Collection[str]) -> Request:
    """Return what to ask a source for, as far as options and columns say."""
    counts_all = options.summary or options.format == "openmetrics"
    if options.all_states or (counts_all and not options.listening):
        states, unknown = ALL_STATES, True
    elif options.listening:
        states, unknown = LISTENING, False
    else:
        states, unknown = ALL_STATES - LISTENING, True
    values = options._asdict()
    default = PROTOCOLS if counts_all else ("tcp",)
    return Request(
        protocols=frozenset(chosen_protocols(values, default)),
        families=frozenset(chosen_families(values)),
        states=states,
        unknown_states=unknown,
    ).for_columns(needs)


def make_selection(
    options: Options, request: Request, source: str | SavedSource
) -> Selection | None:
    """Return the filter, None where there is none."""
    if not options.words:
        return None
    from tcpstates.filters.selection import read_selection

    lookup = lookup_for(source, request.protocols)
    return read_selection(options.words, lookup, request)
