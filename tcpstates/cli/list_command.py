"""Show a listing or counts, as the options request."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from tcpstates.cli.answer import Answer
from tcpstates.cli.chosen import chosen_families, chosen_protocols
from tcpstates.cli.exit_codes import with_failures
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output, warn
from tcpstates.cli.source_options import chosen_origin
from tcpstates.errors import FilterSyntaxError
from tcpstates.fields import Needs
from tcpstates.model import FAMILIES, FEW_EXAMINED, Request
from tcpstates.pipeline import list_sockets, select
from tcpstates.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from tcpstates.states import ALL_STATES, BUCKET, LISTENING, names_in_tool

if TYPE_CHECKING:  # loaded only when needed
    from tcpstates.cli.counting import CountView
    from tcpstates.cli.like_view import LikeView
    from tcpstates.cli.listing import ListingView
    from tcpstates.origin import Origin


def show(options: Options, output: Output) -> int:
    """Print the requested output, then its limitations on standard error.

    Return the exit code.
    """
    shown = load_shown(options)
    origin = chosen_origin(options._asdict())
    request = make_request(options, shown.needs)
    try:
        selection = select(options.expression, origin, request)
    except FilterSyntaxError:
        found = understood(options, origin)
        if found is None:
            raise
        options = found
        shown = load_shown(options)
        request = make_request(options, shown.needs)
        selection = select(options.expression, origin, request)
    with output.into(options.output):
        listing = list_sockets(request, origin, selection)
        names = origin.names(
            numeric=options.numeric, state_names=names_in_tool(options.state_names)
        )
        # Programs read the same bytes in every locale.
        encoding = "utf-8" if options.is_for_programs else None
        try:
            answer = Answer(listing, origin, names, selection)
            texts = shown.texts(answer, output)
            output.write(texts, encoding=encoding)
        finally:
            output.flush()
    # Scripts of other tools expect no further lines, unless somebody looks at them.
    if options.like is None or (sys.stderr is not None and sys.stderr.isatty()):
        for limitation in listing.limitations:
            if limitation.kind != FEW_EXAMINED:  # these texts do not show owners
                warn(limitation.text)
        if options.like is not None and not options.summary:
            _warn_of_other_kinds(options, options.like)
    return with_failures(shown.exit_code, listing.limitations)


def _warn_of_other_kinds(options: Options, tool: str) -> None:
    """Warn if the tool would also list sockets that are not of the internet."""
    chosen = chosen_protocols(options._asdict(), [])
    families = chosen_families(options._asdict())
    if tool in ("ss", "netstat") and not chosen and families == set(FAMILIES):
        from tcpstates.cli.real_tools import real_tool

        warn(f"only TCP and UDP are shown; for unix sockets: {real_tool(tool)} -x")


def understood(options: Options, origin: Origin) -> Options | None:
    """Return options for a filter of plain words; None: it cannot be understood."""
    from tcpstates.cli.targets import understand_words

    found = understand_words(options.expression, origin)
    if found is None:
        return None
    words, protocols = found
    return options._replace(
        expression=tuple(words),
        tcp=options.tcp or "tcp" in protocols,
        udp=options.udp or "udp" in protocols,
    )


def load_shown(options: Options) -> CountView | LikeView | ListingView:
    """Choose the view that the options request."""
    is_counted = options.by is not None or options.count_only or options.summary
    is_like = options.like is not None and options.by is None
    if is_like and (options.like == "ss" or not options.summary):
        from tcpstates.cli.like_view import LikeView

        return LikeView(options)
    if is_counted or options.format == "openmetrics":
        from tcpstates.cli.counting import CountView

        return CountView(options)
    from tcpstates.cli.listing import ListingView

    return ListingView(options)


def make_request(options: Options, needs: Collection[Needs]) -> Request:
    """Build the request to a source from options and columns."""
    counts_all = options.summary or options.format == "openmetrics"
    if options.all_states or (counts_all and not options.listening):
        states, unknown = ALL_STATES, True
    elif options.listening:
        states, unknown = LISTENING, False
    elif options.like == "ss":
        states, unknown = ALL_STATES - LISTENING - BUCKET, True
    else:
        states, unknown = ALL_STATES - LISTENING, True
    values = options._asdict()
    has_both = counts_all or options.like is not None
    default = list(PROTOCOLS) if has_both else [DEFAULT_PROTOCOL]
    return Request(
        protocols=frozenset(chosen_protocols(values, default)),
        families=frozenset(chosen_families(values)),
        states=states,
        unknown_states=unknown,
        owners_for_filter=not options.is_for_programs,
        in_order=options.like is not None,
    ).for_columns(needs)
