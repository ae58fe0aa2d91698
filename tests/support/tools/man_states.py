"""Print what the man page says of states and topics, made of the tables.

    cd tests && python -m support.tools.man_states

A test holds the page against it: after a change of the tables, paste this over what
stands there, from `.SS The eleven states` to the end of `.SS More to know`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from textwrap import fill

from tcpstates.lifecycle.basics import BASICS
from tcpstates.lifecycle.errors import ERRORS
from tcpstates.lifecycle.explanations import MEANINGS
from tcpstates.lifecycle.topics import TOPICS
from tcpstates.render.explain import sections
from tcpstates.settings import KernelSettings
from tcpstates.states import SYSTEMS

_TITLES = {"lasts": "Lasts", "trouble": "Trouble", "do": "What to do"}


def lines() -> Iterator[str]:
    """Yield the lines."""
    yield ".SS The eleven states"
    yield "As in"
    yield '.BR "tcpstates explain" ,'
    yield "with Linux's defaults for the settings of a host."
    for state, meaning in MEANINGS.items():
        told = dict(sections(state, KernelSettings(), tuple(SYSTEMS)))
        yield ".TP"
        yield f".B {state}"
        yield _text(meaning.summary[0].upper() + meaning.summary[1:] + ".")
        yield _text(f"{meaning.text} {meaning.waits}")
        for label, title in _TITLES.items():
            yield ".br"
            yield _text(f"{title}: {' '.join(told[label]).rstrip('.')}.")
        for label, title in (("in", "In from"), ("out", "Out to")):
            yield ".br"
            yield _text(f"{title} {'; '.join(told[label])}.")
    for title, topics in (
        ("Basics", BASICS),
        ("Errors and limits", ERRORS),
        ("More to know", TOPICS),
    ):
        yield f".SS {title}"
        for name, topic in topics.items():
            yield ".TP"
            yield f".B {_escaped(name)}"
            yield _text(topic.title[0].upper() + topic.title[1:].rstrip("?") + ".")
            for paragraph in topic.answer.splitlines():
                yield ".br"
                yield _text(paragraph)
            if topic.code:
                yield ".IP"
                yield ".nf"
                yield from (_text_line(line) for line in topic.code.splitlines())
                yield ".fi"


def _text(words: str) -> str:
    """Return the words in lines of roff's text; none begins like a request."""
    filled = fill(words, 88, break_on_hyphens=False, break_long_words=False)
    escaped = (_escaped(line) for line in filled.splitlines())
    return "\n".join(rf"\&{line}" if line[0] in ".'" else line for line in escaped)


def _text_line(line: str) -> str:
    """Return a line of code, as it is."""
    return rf"\&{_escaped(line)}"


def _escaped(line: str) -> str:
    return line.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
