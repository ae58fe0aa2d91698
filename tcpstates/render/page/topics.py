"""The topics and the glossary on the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from tcpstates.lifecycle.basics import BASICS, GLOSSARY
from tcpstates.lifecycle.errors import ERRORS
from tcpstates.lifecycle.rule_topics import RULE_TOPICS
from tcpstates.lifecycle.topics import TOPICS, Topic
from tcpstates.render.page.links import see_also, topic_anchor

_PARTS: dict[str, Mapping[str, Topic]] = {
    "The basics": BASICS,
    "Questions": TOPICS,
    "Errors and limits": ERRORS,
    "What tcpstates doctor finds": RULE_TOPICS,
}


def render_topics() -> Iterator[str]:
    """Yield the topics by part, each folded."""
    for title, topics in _PARTS.items():
        yield f"<h3>{escape(title)}</h3>\n"
        for name, topic in topics.items():
            if name != "glossary":
                yield from _topic(name, topic)


def _topic(name: str, topic: Topic) -> Iterator[str]:
    yield f'<details id="{topic_anchor(name)}"><summary>{name}: '
    yield f"{escape(topic.title)}</summary>\n"
    for text in topic.answer.splitlines():
        yield f"<p>{escape(text)}</p>\n"
    if topic.code:
        yield f"<pre>{escape(topic.code)}</pre>\n"
    yield f"<p>Read next: {see_also(topic.see)}</p></details>\n"


def render_glossary() -> Iterator[str]:
    """Yield the words and their meanings."""
    yield "<dl>\n"
    for word, meaning in GLOSSARY.items():
        yield f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>\n"
    yield "</dl>\n"
