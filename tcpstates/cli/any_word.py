"""The words after `explain`: states, topics, errors, sequences, in any spelling."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

import click

from tcpstates.cli.state_argument import StateName
from tcpstates.lifecycle.words import (
    find_within,
    find_word,
    join_words,
    known_words,
    plain,
)
from tcpstates.states import nearest_states
from tcpstates.wording import did_you_mean, nearest

SEQUENCE = "sequence "  # before the name of a sequence


class AnyWord(StateName):
    """One of several words, which are looked up together; it only completes them."""

    name = "word"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the word as it is."""
        return str(value)


def _is_alike(word: str, text: str) -> bool:
    """Whether a suggestion shares a whole word, or differs in few letters."""
    shared = set(plain(word).split("-")) & set(plain(text).split("-"))
    return bool(shared) or SequenceMatcher(None, plain(word), plain(text)).ratio() > 0.8


def resolve(words: Sequence[str]) -> list[str]:
    """Return what the words lead to, each once; UsageError for an unknown word."""
    found: dict[str, None] = {}
    message = " ".join(words)
    within = find_within(message) if ":" in message else None
    if within is not None:  # a line of a log
        return [within]
    for text in join_words(words):
        target = find_word(text)
        if target is None:
            within = find_within(message)
            if within is not None:  # a question
                return [within]
            near = [state.lower() for state in nearest_states(text)]
            near += [n for n in nearest(plain(text), known_words()) if n not in near]
            near = [word for word in near if _is_alike(word, text)]
            hint = did_you_mean(
                near[:3],
                "for an error, give its name (ECONNRESET) or its text; all topics:"
                " tcpstates explain",
            )
            raise click.UsageError(f"unknown state or topic '{text}'{hint}")
        found[target] = None
    return list(found)
