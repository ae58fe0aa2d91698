"""The words after `explain`: states, topics, errors, sequences, in any spelling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from tcpstates.cli.state_argument import StateName
from tcpstates.lifecycle.words import find_word, join_words, known_words, plain
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


def resolve(words: Sequence[str]) -> list[str]:
    """Return what the words lead to, each once; BadParameter for an unknown word."""
    found: dict[str, None] = {}
    for text in join_words(words):
        target = find_word(text)
        if target is None:
            near = [state.lower() for state in nearest_states(text)]
            near += [n for n in nearest(plain(text), known_words()) if n not in near]
            hint = did_you_mean(
                near[:3], "for all states and topics: tcpstates explain"
            )
            raise click.BadParameter(f"unknown state or topic '{text}'{hint}")
        found[target] = None
    return list(found)
