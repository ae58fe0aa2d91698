"""Write the page: one file that loads nothing, and is whole without its script.

The policy in its head allows the page's own style and script and nothing else, so a
hostile name that got in could neither run nor fetch anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape

from tcpstates.render.diagram.svg import render_svg
from tcpstates.render.page.look import SCRIPT, STYLE
from tcpstates.render.page.sequences import render_sequences
from tcpstates.render.page.states import render_names, render_overview, render_states
from tcpstates.render.page.topics import render_glossary, render_topics
from tcpstates.settings import KernelSettings
from tcpstates.states import TcpState
from tcpstates.text import sanitise_line

_PARTS = {
    "drawing": "Diagram",
    "overview": "Sockets",
    "states": "States",
    "sequences": "Sequences",
    "names": "Names",
    "topics": "Topics",
    "glossary": "Glossary",
}


def render_page(
    counts: Mapping[str, int] | None,
    settings: KernelSettings,
    *,
    heading: str,
    remark: str,
    highlight: TcpState | None = None,
) -> Iterator[str]:
    """Yield the page; counts: None if no source could be read."""
    heading, remark = sanitise_line(heading), sanitise_line(remark)
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}';"
        " base-uri 'none'; form-action 'none'"
    )
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(heading)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><h1>{escape(heading)}</h1>\n<p>{escape(remark)}</p>\n<nav>"
    )
    yield " ".join(f'<a href="#{name}">{title}</a>' for name, title in _PARTS.items())
    yield '</nav>\n<main><div id="drawing">\n'
    yield "<p>Click a state to read about it.</p>\n"
    yield from render_svg(counts, highlight=highlight, is_linked=True)
    yield "</div><div>\n"
    parts = (
        render_overview(counts),
        render_states(settings),
        render_sequences(),
        render_names(),
        render_topics(),
        render_glossary(),
    )
    for (name, title), part in zip(list(_PARTS.items())[1:], parts, strict=True):
        yield f'<section id="{name}"><h2>{title}</h2>\n'
        yield from part
        yield "</section>\n"
    yield f"</div></main>\n<script>{SCRIPT}</script></body></html>\n"
