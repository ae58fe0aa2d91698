"""Counts without rows: one number, or a table of states by protocol and family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tcpstates.model import FAMILIES, PROTOCOLS, Batch, Request
from tcpstates.states import OtherState, TcpState

Counts = dict[tuple[str, str], Counter[str]]

# A UDP socket has a peer, or has none.
UDP_WORDS = (str(TcpState.ESTABLISHED), str(OtherState.UNCONN))


def count_sockets(batches: Iterable[Batch]) -> int:
    """Return how many sockets there are."""
    return sum(map(len, batches))


def count_states(batches: Iterable[Batch]) -> Counts:
    """Return the number of each state's word by (protocol, family)."""
    counts: Counts = {}
    for batch in batches:
        kind = batch.protocol, batch.family
        counts.setdefault(kind, Counter()).update(batch.column("word"))
    return counts


def _kinds(request: Request) -> list[tuple[str, str]]:
    """Return the (protocol, family) pairs that were asked for, in a fixed order."""
    return [
        (protocol, family)
        for protocol in PROTOCOLS
        for family in FAMILIES
        if protocol in request.protocols and family in request.families
    ]


def _words(protocols: Iterable[str], counted: Iterable[Counter[str]]) -> list[str]:
    """Return the rows: every state of the protocols, then what no table knows."""
    words = list(map(str, TcpState)) if "tcp" in protocols else []
    if "udp" in protocols:
        words += [w for w in UDP_WORDS if w not in words]
    return words + sorted({word for words in counted for word in words} - set(words))


def summary_cells(
    counts: Counts, request: Request
) -> tuple[list[str], list[tuple[str, list[int]]]]:
    """Return the headings and the rows (state, numbers), the last one the sums."""
    kinds = _kinds(request)
    by_kind = [counts.get(kind, Counter()) for kind in kinds]
    table = [
        (word, _with_total([counted[word] for counted in by_kind]))
        for word in _words(request.protocols, by_kind)
    ]
    table.append(("total", _with_total([counted.total() for counted in by_kind])))
    headings = [f"{p.upper()} {f.replace('ipv', 'IPv')}" for p, f in kinds]
    return [*headings, "total"], table


def every_count(
    counts: Counts, request: Request
) -> Iterator[tuple[str, str, str, int]]:
    """Yield (protocol, family, state, number), zeros included."""
    for protocol, family in _kinds(request):
        counted = counts.get((protocol, family), Counter())
        for word in _words((protocol,), (counted,)):
            yield protocol, family, word, counted[word]


def _with_total(numbers: Sequence[int]) -> list[int]:
    return [*numbers, sum(numbers)]


def render_summary_plain(
    headings: Sequence[str], rows: Sequence[tuple[str, list[int]]], *, header: bool
) -> str:
    """Return the table as aligned text."""
    names = [heading.replace(" ", "-") for heading in headings]
    lines = [("state", *names)] if header else []
    lines += [(word, *map(str, numbers)) for word, numbers in rows]
    first = max(len(line[0]) for line in lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)][1:]
    return "".join(
        f"{word:<{first}}"
        + "".join(f"  {n:>{w}}" for n, w in zip(numbers, widths, strict=True))
        + "\n"
        for word, *numbers in lines
    )


def describe_counts(words: Counter[str], width: int) -> str:
    """Return what stands below a table: how many sockets, and of which states."""
    from textwrap import fill

    total = words.total()
    if not total:
        return "no sockets match"
    parts = ", ".join(f"{number} {word}" for word, number in words.most_common())
    text = f"{total} {'socket' if total == 1 else 'sockets'}: {parts}"
    return fill(text, max(1, width), break_on_hyphens=False)
