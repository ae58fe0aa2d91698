"""What a listing on a terminal has left out, because of its defaults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from tcpstates.cli.answer import Answer
from tcpstates.cli.chosen import chosen_families, chosen_protocols
from tcpstates.cli.options import Options
from tcpstates.model import Request
from tcpstates.pipeline import list_sockets, select
from tcpstates.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from tcpstates.states import ALL_STATES, LISTENING
from tcpstates.wording import counted, plural


def describe_left_out(options: Options, answer: Answer, shown: int) -> str:
    """Return the end of the summary line; usually nothing.

    Where nothing matches, say what would match with other options: the question who
    has a port is mostly about a listener.
    """
    if options.is_remote:  # it would ask every host again
        return ""
    if options.files or options.tcp or (options.udp and shown):
        only_protocol = chosen_protocols(options._asdict(), [DEFAULT_PROTOCOL])
    else:
        only_protocol = set(PROTOCOLS)
    if shown:
        if options.tcp or options.udp or options.files:
            return ""
        number = _count(options, answer, {"udp"}, answer.listing.request.states).total()
        return f", and {counted(number, 'UDP socket')} (-u)" if number else ""
    return "".join(f"; {part}" for part in _others(options, answer, only_protocol))


def _others(
    options: Options, answer: Answer, protocols: Collection[str]
) -> Iterator[str]:
    found = _count(options, answer, protocols, ALL_STATES)
    asked = chosen_protocols(options._asdict(), [DEFAULT_PROTOCOL])
    for (protocol, is_listening), number in sorted(found.items()):
        kind = "listening " if is_listening else ""
        flags = [] if protocol in asked else [f"-{protocol[0]}"]
        if is_listening and not (options.listening or options.all_states):
            flags.append("-l or -a")
        if not is_listening and options.listening and not options.all_states:
            flags.append("-a instead of -l")
        if flags:
            sockets = plural(number, "socket")
            does = plural(number, "does", "do")
            name = protocol.upper()
            yield (
                f"{number:,} {kind}{name} {sockets} {does}: add {' and '.join(flags)}"
            )


def _count(
    options: Options,
    answer: Answer,
    protocols: Collection[str],
    states: Collection[object],
) -> Counter[tuple[str, bool]]:
    """Count what the filter selects, by protocol and whether it listens."""
    request = Request(
        protocols=frozenset(protocols),
        families=frozenset(chosen_families(options._asdict())),
        states=frozenset(states),  # type: ignore[arg-type]
    )
    selection = select(options.expression, answer.origin, request)
    found: Counter[tuple[str, bool]] = Counter()
    for batch in list_sockets(request, answer.origin, selection).batches:
        labels = batch.column("state_label")
        found.update((batch.protocol, label in LISTENING) for label in labels)
    return found
