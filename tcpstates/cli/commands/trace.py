"""`tcpstates trace`: every change of a state, as it happens."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import click

from tcpstates.changes.follow import Follower
from tcpstates.changes.look import Happening
from tcpstates.changes.model import Events, Kind
from tcpstates.changes.summary import Summary
from tcpstates.changes.traced import TracedEvents
from tcpstates.cli.output import Output, warn
from tcpstates.cli.state_argument import color_option
from tcpstates.cli.types import FILTER_ARGUMENT, Seconds
from tcpstates.cli.watch.rounds import collect_garbage, rounds
from tcpstates.cli.watch.stop import Stop
from tcpstates.collect.bpf.transitions import BpfTracer
from tcpstates.collect.netns.names import NamespaceNames
from tcpstates.collect.tracepoint import Tracer
from tcpstates.errors import SourceUnavailable
from tcpstates.filters.selection import Selection
from tcpstates.model import Request
from tcpstates.origin import LiveHost
from tcpstates.parse.transition import Transition
from tcpstates.pipeline import select
from tcpstates.states import ALL_STATES

_INTERRUPTED = 130
_BPF, _PERF, _POLL = "bpf", "perf", "poll"
_HELD_BACK = 50_000_000  # nanoseconds, in which processors may be behind each other
_LOOK = 0.1  # seconds between readings of the rings
_BY_TIME = attrgetter("ns")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("expression", nargs=-1, type=FILTER_ARGUMENT, metavar="[FILTER]...")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="Print one JSON object a line.")
@click.option("--summary", is_flag=True, help="Print a summary at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Print no events; use --summary.")
@click.option("-n", "--numeric", is_flag=True, help="Do not look up names.")
@click.option(
    "--for",
    "seconds",
    type=Seconds(0, 31_536_000),
    metavar="SECONDS",
    help="End after this time; default: at Ctrl-C.",
)
@click.option(
    "--reader",
    type=click.Choice([_BPF, _PERF, _POLL]),
    help="Set how events are read; default: the best that is allowed.",
)
@click.option(
    "-w",
    "--interval",
    type=Seconds(0.1, 3600),
    default=1,
    metavar="SECONDS",
    help="Look this often, if events are read by polling.",
)
@color_option
@click.pass_obj
def trace(output: Output, /, expression: tuple[str, ...], **values: Any) -> int | None:
    """Print each change of a TCP state as it happens, in every network namespace.

    As root, a BPF program reports each change with its time, network namespace, cookie,
    and what has ended the connection (CAP_BPF and CAP_PERFMON). With CAP_PERFMON alone,
    a tracepoint reports the changes. Otherwise, tcpstates looks at the sockets of this
    network namespace every second, and the kernel reports those that have ended. The
    first line on standard error says which of the three it is.

    A filter compares addresses and ports; a state in it selects changes from and to it.
    """
    collect_garbage()
    start = time.monotonic()
    seconds = values["seconds"]
    stop = Stop(None if seconds is None else start + seconds)
    origin = LiveHost()
    request = Request(states=ALL_STATES, processes=True)
    selection = select(expression, origin, request)
    names = origin.names(numeric=values["numeric"])
    summary = Summary()
    for happened in _happened(values, expression, request, selection, stop):
        summary.add(happened)
        if not values["quiet"]:
            lines = _lines(happened, names, output, values)
            output.write(lines, encoding="utf-8" if values["as_jsonl"] else None)
            output.flush()
    if values["summary"]:
        from tcpstates.render.trace_summary import render_summary

        output.write(render_summary(summary, time.monotonic() - start))
        return None
    return _INTERRUPTED if stop.was_asked else None


def _lines(
    happened: Happening, names: Any, output: Output, values: dict[str, Any]
) -> Iterable[str]:
    if values["as_jsonl"]:
        from tcpstates.render.events import event_objects, event_rows

        return event_objects(happened, event_rows(names, places=True))
    from tcpstates.render.event_text import event_lines

    return event_lines(happened, names, color=output.wants_color(values["color"]))


def _happened(
    values: dict[str, Any],
    expression: Sequence[str],
    request: Request,
    selection: Selection | None,
    stop: Stop,
) -> Iterator[Happening]:
    """Yield what happens, by the best reader that there is; say which."""
    tracer, why = _best_tracer(values["reader"], selection)
    if tracer is not None:
        apart = "" if tracer.name == _BPF else ", without knowing which one"
        where = f"in every network namespace{apart}{why}"
        warn(f"traced by the kernel ({tracer.name}), {where}")
        yield from _traced(tracer, selection, stop)
        return
    follower = Follower(request, LiveHost(), expression)
    heard = (
        " and by the kernel's notices of ended sockets" if follower.hears_ends else ""
    )
    warn(f"read by a look every {values['interval']:g} s{heard}{why}")
    try:
        for _ in rounds(values["interval"], sleep=stop.sleep):
            for happened in follower.look().happened:
                if not (isinstance(happened, Events) and happened.kind is Kind.PRESENT):
                    yield happened
            if stop.is_due:
                return
    finally:
        follower.close()


def _best_tracer(
    reader: str | None, selection: Selection | None
) -> tuple[BpfTracer | Tracer | None, str]:
    """Begin to trace; None: it has to be polled. The text says what was not possible.

    Raise SourceUnavailable if the reader that was asked for is impossible.
    """
    if reader == _POLL:
        return None, ""
    if selection is not None and selection.needs_processes:
        reason = "a filter by process cannot be applied to it"
        if reader is not None:
            raise SourceUnavailable(reader, reason)
        return None, f"; cannot trace: {reason}"
    reasons: dict[str, str] = {}
    for kind in (BpfTracer, Tracer):
        if reader not in (None, kind.name):
            continue
        try:
            return kind(), "".join(f"; {name}: {r}" for name, r in reasons.items())
        except SourceUnavailable as error:
            if reader is not None:
                raise
            reasons[kind.name] = error.reason
    why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    if len(set(reasons.values())) == 1:
        why = next(iter(reasons.values()))
    return None, f"; cannot trace: {why}"


def _traced(
    tracer: BpfTracer | Tracer, selection: Selection | None, stop: Stop
) -> Iterator[Happening]:
    """Yield traced events, those of all processors in the order of time."""
    events = TracedEvents(NamespaceNames().name)
    waiting: list[Transition] = []
    try:
        while not stop.is_due:
            tracer.wait(_LOOK)
            traced = tracer.read()
            waiting = sorted([*waiting, *traced.transitions], key=_BY_TIME)
            until = time.monotonic_ns() - _HELD_BACK
            place = bisect_left(waiting, until, key=_BY_TIME)
            ready, waiting = waiting[:place], waiting[place:]
            yield from _wanted(events.events(ready, traced.lost), selection)
        traced = tracer.finish()
        waiting = sorted([*waiting, *traced.transitions], key=_BY_TIME)
        yield from _wanted(events.events(waiting, traced.lost), selection)
    finally:
        tracer.close()


def _wanted(
    happened: Iterable[Happening], selection: Selection | None
) -> Iterator[Happening]:
    for each in happened:
        if isinstance(each, Events) and selection is not None:
            yield from _selected(each, selection)
        else:
            yield each


def _selected(happened: Events, selection: Selection) -> Iterator[Events]:
    """Yield the events whose socket matches, before the change or after it."""
    chosen = [False] * len(happened)
    for labels in (happened.old, happened.new):
        batch = happened.batch.copy()
        batch.set("state_label", [label or "CLOSED" for label in labels])
        batch.set("cookie", list(range(len(batch))))  # to know them again
        for part in selection.matching(iter([batch])):
            for place in part.column("cookie"):
                chosen[place] = True
    if any(chosen):
        yield happened.select(chosen)
