"""`tcpstates explain STATE`: what a state means, and its sockets on this host."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from tcpstates.cli.any_word import SEQUENCE, AnyWord, resolve
from tcpstates.cli.commands.sequence import drawing, expected_steps
from tcpstates.cli.host_options import shown_hosts
from tcpstates.cli.output import Output
from tcpstates.cli.pager import write_paged
from tcpstates.cli.source_options import chosen_origin, elsewhere_options
from tcpstates.cli.state_argument import color_option, json_option, states_of
from tcpstates.cli.state_counts import StateCounts
from tcpstates.lifecycle.rule_topics import ALL_TOPICS
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.origin import Origin
from tcpstates.render.explain import (
    HostCounts,
    render_glance,
    render_state,
    render_topic,
)
from tcpstates.render.paragraphs import filled, readable
from tcpstates.render.teaching_json import render_explanations_json
from tcpstates.states import (
    SYSTEMS,
    OtherState,
    TcpState,
    find_group,
    find_state,
)

_MOST_HOLDERS = 3
# State names that are not in the RFC, and their explanations.
_OTHERS = {
    OtherState.BOUND: "BOUND is not a state of RFC 9293: a TCP socket has a port, and"
    " neither listens nor connects. Linux reports these only if you ask by name:"
    " tcpstates bound.",
    OtherState.IDLE: "IDLE is not a state of RFC 9293: Solaris and HP-UX use it for"
    " sockets that are open and not bound.",
    OtherState.DELETE_TCB: "DELETE_TCB is not a state of RFC 9293: Windows uses it for"
    " connections that are being deleted.",
    OtherState.UNBOUND: "UNBOUND is not a state of RFC 9293: Solaris and HP-UX use it"
    " for UDP sockets that are not bound.",
    OtherState.NONE: "NONE is not a state of RFC 9293: psutil uses it if the protocol"
    " has no states.",
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("words", nargs=-1, type=AnyWord(ALL_TOPICS), metavar="[STATE]...")
@click.option(
    "--os",
    "systems",
    multiple=True,
    type=click.Choice(list(SYSTEMS)),
    help="Print the names of these systems only. Can be repeated.",
)
@elsewhere_options
@json_option
@color_option
@click.pass_obj
def explain(
    output: Output,
    /,
    words: tuple[str, ...],
    *,
    systems: tuple[str, ...],
    as_json: bool,
    color: str,
    **values: Any,
) -> int:
    """Explain a state, an error or a word: what it means, and what to do.

    STATE is a state or a group in any system's spelling: LISTENING, SYN_RCVD, ESTAB,
    FIN_WAIT1, 0A, half-open. Without STATE, list all eleven with their number of
    sockets, and the topics: handshake, socket, myths, glossary and others. The words of
    an error lead to its explanation, too (connection refused, EADDRINUSE, 10054), and
    so do the doctor's rules (accept-queue, zero-window, ...).
    """
    names = resolve(words)
    shown = systems or (tuple(SYSTEMS) if as_json else (_this_system(),))
    origin = chosen_origin(values).pinned()
    counts = StateCounts(origin)
    if as_json:
        topics = [name for name in names if name in ALL_TOPICS]
        states = [state for name in names for state in states_of(name)]
        asked = states if names else list(TcpState)
        found = counts.by("state")
        output.write(
            render_explanations_json(asked, topics, shown, origin.settings(), found)
        )
        return counts.exit_code
    told = (
        _explanations(
            names, origin, shown, counts, output, color=color, saved=values["files"]
        )
        if names
        else render_glance(
            _here(None, counts),
            width=output.width,
            color=output.wants_color(color),
            where=_where(values),
        )
    )
    write_paged(output, told)
    return counts.exit_code


def _explanations(
    names: Sequence[str],
    origin: Origin,
    systems: Sequence[str],
    counts: StateCounts,
    output: Output,
    *,
    color: str,
    saved: Sequence[str],
) -> Iterator[str]:
    """Yield what is known of names: topics first, then sequences, then states."""
    width, paints = output.width, output.wants_color(color)
    settings = origin.settings()
    topics = [name for name in names if name in ALL_TOPICS]
    for number, topic in enumerate(topics):
        yield "\n" * bool(number)
        yield from render_topic(topic, width=width)
    for name in names:
        if name.startswith(SEQUENCE):
            key = name.removeprefix(SEQUENCE)
            steps = expected_steps(SCENARIOS[key])
            yield from drawing(key, steps, output, color=color)
    for name in set(names) - set(topics):
        other = find_state(name)
        if isinstance(other, OtherState) and other in _OTHERS and not find_group(name):
            yield filled(_OTHERS[other], readable(width))
    states = [state for name in names for state in states_of(name)]
    for number, state in enumerate(states):
        yield "\n" * bool(number or topics)
        yield from render_state(
            state, settings, _here(state, counts), systems, width=width, color=paints
        )
    if states and saved:
        text = (
            "The numbers are Linux's defaults: a listing has no settings of its host."
        )
        yield "\n" + filled(text, readable(width))


def _where(values: Mapping[str, Any]) -> str:
    """Say where the counted sockets are."""
    hosts = shown_hosts(values)
    if hosts:
        return f"on {hosts}"
    return "in the listing" if values["files"] else "of this host"


def _this_system() -> str:
    """Return the one of SYSTEMS whose names people see here."""
    name = platform.system()
    return {"Linux": "linux", "Windows": "windows"}.get(name, "bsd")


def _here(state: TcpState | None, counts: StateCounts) -> HostCounts:
    """Count what is here now: one state by process, else every state."""
    if state is None:
        return HostCounts(counts.by("state"), ())
    asked = ["state", str(state)]
    found = counts.by("state", filter=asked)
    owners = counts.by("process", filter=asked) if found is not None else None
    most = owners.most_common(_MOST_HOLDERS) if owners else []
    return HostCounts(found, [(str(name), number) for name, number in most])
