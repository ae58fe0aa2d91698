"""The states on the page: a table of them, their explanations, and their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from tcpstates.lifecycle.explanations import MEANINGS
from tcpstates.render.explain import sections
from tcpstates.render.page.links import see_also, state_link
from tcpstates.settings import KernelSettings
from tcpstates.states import SYSTEMS, TcpState, names_of

_LABELS = {
    "who": "Who is in it",
    "waits": "What it waits for",
    "lasts": "How long it lasts",
    "trouble": "When it is a problem",
    "do": "What to do",
    "in": "Ways in",
    "out": "Ways out",
}


def render_overview(counts: Mapping[str, int] | None) -> Iterator[str]:
    """Yield a table of the states with the number of sockets in each."""
    yield "<table><thead><tr><th>State<th>Sockets<th>Meaning</thead><tbody>\n"
    for state, meaning in MEANINGS.items():
        number = "?" if counts is None else str(counts.get(str(state), 0))
        yield (
            f'<tr><td>{state_link(state)}<td class="number">{number}'
            f"<td>{escape(meaning.summary)}\n"
        )
    yield "</tbody></table>\n"


def render_states(settings: KernelSettings) -> Iterator[str]:
    """Yield the explanation of every state."""
    for state, meaning in MEANINGS.items():
        yield f'<section id="{state}" class="state"><h3>{state}: '
        yield f"{escape(meaning.summary)}</h3>\n"
        for label, texts in sections(state, settings, ()):
            if not label:
                yield "".join(f"<p>{escape(text)}</p>\n" for text in texts) + "<dl>\n"
            elif label in _LABELS:
                yield f"<dt>{_LABELS[label]}</dt>"
                yield "".join(f"<dd>{escape(text)}</dd>" for text in texts) + "\n"
        yield f"<dt>Read next</dt><dd>{see_also(meaning.see)}</dd></dl></section>\n"


def render_names() -> Iterator[str]:
    """Yield a table of what every system calls the states."""
    yield '<div class="wide"><table><thead><tr><th>RFC 9293'
    yield "".join(f"<th>{escape(title)}" for title in SYSTEMS.values())
    yield "</thead><tbody>\n"
    for state in TcpState:
        yield f"<tr><td>{state_link(state)}"
        for system in SYSTEMS:
            yield f"<td>{escape(', '.join(names_of(state, system)))}"
        yield "\n"
    yield "</tbody></table></div>\n"
