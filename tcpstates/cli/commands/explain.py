"""`tcpstates explain STATE`: what a state means, and what there is of it here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import Any

import click

from tcpstates.api import count_by
from tcpstates.cli.output import Output, complain
from tcpstates.collect.settings import read_settings
from tcpstates.errors import SourceUnavailable
from tcpstates.lifecycle.machine import ways_in, ways_out
from tcpstates.lifecycle.meanings import MEANINGS
from tcpstates.lifecycle.topics import TOPICS
from tcpstates.render.explain import (
    Here,
    render_glance,
    render_state,
    render_topic,
    sections,
    told_settings,
)
from tcpstates.states import (
    SYSTEMS,
    OtherState,
    TcpState,
    find_group,
    find_state,
    find_states,
    names_of,
    nearest_words,
)

_MOST_HOLDERS = 3
_KNOWN = "tcpstates explain names all"
# Words that are no state of the RFC, and what to say of them.
_OTHERS = {
    OtherState.BOUND: "BOUND is no state of RFC 9293: a TCP socket has a port, and"
    " neither listens nor connects. Linux tells of these only when asked by name:"
    " tcpstates bound.",
    OtherState.IDLE: "IDLE is no state of RFC 9293: Solaris and HP-UX have it for"
    " sockets that are open and not bound.",
    OtherState.DELETE_TCB: "DELETE_TCB is no state of RFC 9293: Windows has it for"
    " connections that are being deleted.",
    OtherState.UNBOUND: "UNBOUND is no state of RFC 9293: Solaris and HP-UX have it for"
    " UDP sockets that are not bound.",
    OtherState.NONE: "NONE is no state of RFC 9293: psutil has it where the protocol"
    " has no states.",
}


class AnyStates(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A state or a group, in any system's spelling."""

    name = "state"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the word; fail with the nearest ones when it means nothing."""
        word = str(value)
        topic = word.lower().replace("_", "-")
        if topic in TOPICS:
            return topic
        if find_states(word) is None:
            from difflib import get_close_matches

            near = [found.lower() for found in nearest_words(word)]
            near += get_close_matches(topic, TOPICS, n=1)
            hint = f"did you mean {' or '.join(near)}?" if near else _KNOWN
            self.fail(f"no such state: '{value}'; {hint}", param, ctx)
        return word

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Return the states and groups that begin so."""
        from click.shell_completion import CompletionItem

        from tcpstates.cli.offers import spelled_like
        from tcpstates.states import state_words

        words = (*state_words(), *TOPICS)
        spelled = (spelled_like(word, incomplete) for word in words)
        return [CompletionItem(word) for word in spelled if word]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("words", nargs=-1, type=AnyStates(), metavar="[STATE]...")
@click.option(
    "--os",
    "systems",
    multiple=True,
    type=click.Choice(list(SYSTEMS)),
    help="Only what these call a state; can be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colour the states.",
)
@click.pass_obj
def explain(
    output: Output,
    /,
    words: tuple[str, ...],
    *,
    systems: tuple[str, ...],
    as_json: bool,
    color: str,
) -> None:
    """Explain a state: what it means, who waits for what, and what to do.

    STATE is a state or a group in any system's spelling: LISTENING, SYN_RCVD, ESTAB,
    FIN_WAIT1, 0A, half-open. Without one: all eleven, with the number there is of each.
    More words: half-closed, termination, simultaneous, unread-data, busy-port and
    whose-fault explain what is not about one state alone.
    """
    topics = [word for word in words if word in TOPICS]
    states = [state for word in words for state in _states(word)]
    shown = systems or tuple(SYSTEMS)
    width, paints = output.width, output.wants_color(color)
    if as_json:
        asked = states if words else list(TcpState)
        output.write(_json(asked, topics, shown))
        return
    if not words:
        output.write(render_glance(_here(None), width=width, color=paints))
        return
    settings = read_settings()
    for number, topic in enumerate(topics):
        output.write(["\n"] if number else [])
        output.write(render_topic(topic, width=width))
    for word in set(words) - set(topics):
        other = find_state(word)
        if isinstance(other, OtherState) and other in _OTHERS and not find_group(word):
            output.write([fill(_OTHERS[other], max(40, min(width, 92))) + "\n"])
    for number, state in enumerate(states):
        drawn = render_state(
            state, settings, _here(state), shown, width=width, color=paints
        )
        output.write(["\n"] if number or topics else [])
        output.write(drawn)


def _states(word: str) -> list[TcpState]:
    """Return the states of RFC 9293 that a word means, in their order."""
    meant = find_states(word) or frozenset()
    return [state for state in TcpState if state in meant]


def _here(state: TcpState | None) -> Here:
    """Return what there is here: of one state by process, else only the numbers."""
    asked = [] if state is None else ["state", str(state)]
    try:
        counts = count_by("state", filter=asked)
        holders = () if state is None else _holders(asked)
    except SourceUnavailable as error:
        complain(str(error))
        return Here(None, ())
    return Here(counts, holders)


def _holders(asked: Sequence[str]) -> list[tuple[str, int]]:
    found = count_by("process", filter=asked)
    return [(str(name), number) for name, number in found.most_common(_MOST_HOLDERS)]


def _json(
    states: Sequence[TcpState], topics: Sequence[str], systems: Sequence[str]
) -> Iterator[str]:
    import json

    settings = read_settings()
    here = _here(None)
    told = []
    for state in states:
        meaning = MEANINGS[state]
        told.append(
            {
                "state": str(state),
                "summary": meaning.summary,
                "text": meaning.text,
                "waits": meaning.waits,
                "side": dict(sections(state, settings, systems))["side"][0],
                "in": [_edge(edge) for edge in ways_in(state)],
                "out": [_edge(edge) for edge in ways_out(state)],
                "lasts": told_settings(meaning.lasts, settings),
                "trouble": told_settings(meaning.trouble, settings),
                "remedy": told_settings(meaning.remedy, settings),
                "names": {key: names_of(state, key) for key in systems},
                "count": None
                if here.counts is None
                else here.counts.get(str(state), 0),
            }
        )
    objects = {"schema": 1, "states": told}
    if topics:
        objects["topics"] = {name: TOPICS[name]._asdict() for name in topics}
    yield json.dumps(objects, indent=2) + "\n"


def _edge(edge: Any) -> dict[str, Any]:
    return {
        "from": str(edge.source),
        "event": str(edge.event),
        "sends": edge.sends,
        "to": str(edge.target),
        "note": edge.note or None,
    }
