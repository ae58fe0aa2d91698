"""What `kill` says: the sockets, what will be noticed, and what has become of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from tcpstates.batch import Batch
from tcpstates.columns.registry import BASIC, NETNS, PROCESS_BRIEF, Column
from tcpstates.fields import fields_shown
from tcpstates.kill.destroy import Outcome
from tcpstates.kill.effects import describe
from tcpstates.kill.perform import Result
from tcpstates.kill.select import Chosen
from tcpstates.model import Names, Owner
from tcpstates.render.json_ import row_maker
from tcpstates.render.paragraphs import filled, readable
from tcpstates.render.plain import render_plain
from tcpstates.text import format_name

_PROGRAMS = 5  # at the other ends


def _columns(chosen: Sequence[Batch]) -> list[Column]:
    places = [NETNS] if any(batch.get("netns") for batch in chosen) else []
    return [*BASIC, *places, PROCESS_BRIEF]


def _rows(batches: Sequence[Batch], names: Names) -> Iterator[tuple[Any, ...]]:
    columns = _columns(batches)
    for batch in batches:
        yield from zip(*(c.cells(batch, names) for c in columns), strict=True)


def _table(rows: Sequence[tuple[Any, ...]], columns: Sequence[Column]) -> str:
    cells = [list(column) for column in zip(*rows, strict=True)]
    return render_plain([cells], columns)


def render_targets(
    chosen: Chosen, names: Names, width: int, *, most: int | None
) -> Iterator[str]:
    """Yield the first sockets, and what will be noticed of the end of all.

    `most`: so many sockets; None: all of them.
    """
    rows = list(islice(_rows(chosen.batches, names), most))
    yield _table(rows, _columns(chosen.batches))
    if len(chosen) > len(rows):
        yield f"... and {len(chosen) - len(rows):,} more\n"
    labels = chain.from_iterable(b.column("state_label") for b in chosen.batches)
    for heading, text in describe(labels):
        yield "\n" + filled(f"{heading}: {text}", readable(width, 48))


def render_other_ends(ends: Counter[tuple[str, Owner]], width: int) -> Iterator[str]:
    """Name the programs at the other ends of half-closed connections, if any."""
    if ends:
        shown = ", ".join(
            f"{number:,} {label} of {format_name(owner.name)}({owner.pid})"
            for (label, owner), number in ends.most_common(_PROGRAMS)
        )
        text = f"Other ends on this host: {shown}."
        yield "\n" + filled(text, readable(width, 48))


def untouched(chosen: Chosen) -> list[Result]:
    """Return results in which nothing has been done yet."""
    return [Result(batch, [], []) for batch in chosen.batches]


def render_results(results: Sequence[Result], names: Names) -> Iterator[str]:
    """Yield what has become of the sockets; those that live on with their names."""
    outcomes = [outcome for result in results for outcome in result.outcomes]
    yield "\n"
    for outcome in Outcome:
        if outcome in outcomes:
            yield f"{outcomes.count(outcome):7,}  {outcome}\n"
    for result in results:
        rows = _rows([result.batch], names)
        for row, outcome, reason in zip(
            rows, result.outcomes, result.reasons, strict=True
        ):
            if outcome in (Outcome.REFUSED, Outcome.ALIVE):
                why = f": {reason}" if reason else ""
                yield f"{outcome}: {' '.join(map(str, row))}{why}\n"


def result_objects(results: Sequence[Result], names: Names) -> Iterator[str]:
    """Yield results as JSON: null before anything was done."""
    import json

    fields = fields_shown(
        times=False, extended=True, info=False, memory=False, places=True
    )
    make = row_maker(fields, names)
    for result in results:
        nothing = [None] * len(result.batch)
        for row, outcome, reason in zip(
            make(result.batch),
            result.outcomes or nothing,
            result.reasons or nothing,
            strict=True,
        ):
            told = {"result": outcome and str(outcome), "reason": reason or None}
            yield f"{json.dumps(told)[:-1]}, {row[1:]}\n"
