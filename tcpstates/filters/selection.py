"""Turn the words after the options into a set of states.

The words are ss's clauses `state X` and `exclude X`, with states and groups in
any spelling, repeated; a bare X means `state X`. As in ss, a `state` clause
replaces what -a, -l or nothing would select, and a first `exclude` starts from
all states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tcpstates.errors import FilterSyntaxError
from tcpstates.states import GROUPS, AnyState, find_states, nearest_words, word_list

_CLAUSES = ("state", "exclude")


class Selection(NamedTuple):
    """States to show; `unknown`: also sockets in a state that has no word."""

    states: frozenset[AnyState]
    unknown: bool


def parse_selection(words: Sequence[str], default: Selection) -> Selection:
    """Return what the words select, the default where there are none.

    Raise FilterSyntaxError for a word that is no state or group.
    """
    chosen: frozenset[AnyState] | None = None
    unknown = False
    clause = None
    for position, word in enumerate(words):
        if clause is None and word.lower() in _CLAUSES:
            clause = word.lower()
            continue
        states = find_states(word)
        if states is None:
            raise FilterSyntaxError(_complaint(word), position)
        if clause == "exclude":
            if chosen is None:
                chosen, unknown = GROUPS["all"], True
            chosen = chosen - states
        else:
            chosen = (chosen or frozenset()) | states
        clause = None
    if clause is not None:
        raise FilterSyntaxError(
            f"{clause}: a state is missing after it", len(words) - 1
        )
    return default if chosen is None else Selection(chosen, unknown)


# What begins or belongs to ss's expressions, which are not understood yet.
_EXPRESSIONS = {"sport", "dport", "src", "dst", "dev", "fwmark", "cgroup", "autobound"}
_EXPRESSIONS |= {"not", "and", "or", "!", "&", "|", "(", ")", "=", "==", "!="}


def _complaint(word: str) -> str:
    first = word.strip().lower().partition(" ")[0]
    if first in _EXPRESSIONS or first[:1] in ("(", ":"):
        return (
            f"{word!r}: only states can be selected by, not addresses or ports;"
            " filter the output, or use ss"
        )
    near = " or ".join(name.lower() for name in nearest_words(word))
    if near:
        return f"no such state: {word!r}; did you mean {near}?"
    return f"no such state: {word!r}; the states are {word_list()}"
