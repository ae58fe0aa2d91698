"""The summary of a trace, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tcpstates.changes.summary import Summary
from tcpstates.model import OWN_NETNS
from tcpstates.text import decode_name, sanitise
from tcpstates.wording import counted

_MOST = 10  # rows of a table


def render_summary(summary: Summary, seconds: float) -> Iterator[str]:
    """Yield tables of edges, times, ports and processes."""
    lost = "an unknown number" if summary.lost is None else f"{summary.lost:,}"
    yield f"\n{counted(summary.total, 'event')} in {seconds:.1f} s, {lost} lost\n"
    edges = [
        (f"{old or '(new)'} -> {new or '(ended)'}", number)
        for (old, new), number in summary.edges.most_common()
    ]
    yield from _table("change", edges)
    yield from _times(summary)
    yield from _table("port", summary.ports.most_common(_MOST))
    causes = [
        (f"{cause}, port {port}", number)
        for (cause, port), number in summary.causes.most_common(_MOST)
    ]
    yield from _table("unusual end", causes)
    if set(summary.namespaces) - {OWN_NETNS}:
        places = [
            (sanitise(name), number)
            for name, number in summary.namespaces.most_common(_MOST)
        ]
        yield from _table("network namespace", places)
    programs = [
        (sanitise(decode_name(name)), number)
        for name, number in summary.processes.most_common(_MOST)
    ]
    yield from _table("program that caused it", programs)
    if summary.slowest():
        yield "\nlongest in a state\n"
    for ms, state, local, remote in summary.slowest():
        yield f"{ms:7} ms  {state}  {_endpoint(*local)}  {_endpoint(*remote)}\n"


def _table(title: str, rows: Sequence[tuple[object, int]]) -> Iterator[str]:
    if rows:
        yield f"\n  count  {title}\n"
    for name, number in rows:
        yield f"{number:7}  {name}\n"


def _times(summary: Summary) -> Iterator[str]:
    """Yield how long sockets were in each state, where that is known."""
    lasted = summary.lasted()
    if lasted:
        yield "\n  count    median      95 %   longest  exact time in the state\n"
    for state, number, median, most, longest in lasted:
        yield f"{number:7} {median:6} ms {most:6} ms {longest:6} ms  {state}\n"
    for state, number in summary.hidden.items():
        yield f"{number:7}  {'not shown by the kernel':>27}  {state}\n"


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
