"""Shell completion of filter expressions: the words that can come next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tcpstates.filters.key_readers import TIMERS, reduce_name
from tcpstates.filters.keys import KEYS, OPERATORS, find_key
from tcpstates.states import find_states, state_names

# The symbols would have to be quoted in a shell.
_OPERATOR_WORDS = {"=": "=", "!=": "!=", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_OPERATOR_WORDS |= {"~": "~", "!~": "!~", "in": "in", "not in": "not in"}
_BEFORE_A_WORD = re.compile(r".*[\s(,:]", re.DOTALL)
_SYSTEMS_NAMES = {"dev": "interface", "user": "user"}
_SYSTEMS_NAMES |= dict.fromkeys(("sport", "dport", "port", "listener"), "service")


def split_incomplete(text: str) -> tuple[str, str]:
    """Split a word that is being typed into a fixed part and a part to complete."""
    found = _BEFORE_A_WORD.match(text)
    return (text[: found.end()], text[found.end() :]) if found else ("", text)


def completions_after(
    before: Sequence[str], *, in_list: bool = False
) -> Iterable[tuple[str, str]]:
    """List words that may follow, and their kinds; `in_list`: after a comma."""
    if in_list:  # the key of the list is one of the last words
        keys = [find_key(word) for word in before]
        found = [key for key in keys if key]
        return _values(found[-1]) if found else ()
    last = before[-1].lower().rstrip(":") if before else ""
    if before and not last:  # the colon of a port
        return completions_after(before[:-1])
    if last in ("state", "exclude", "excl"):
        return _states()
    if last in OPERATORS and len(before) > 1:
        is_not_in = last == "in" and before[-2].lower() == "not"
        key = find_key(before[-3 if is_not_in and len(before) > 2 else -2])
        return _values(key) if key else ()
    key = find_key(last)
    if key is not None and find_states(last) is None:
        taken = (_OPERATOR_WORDS.get(name) for name in KEYS[key].operators)
        operators = [(word, "operator") for word in taken if word]
        return [*operators, *(_values(key) if "=" in KEYS[key].operators else ())]
    return _conditions(is_first=not before or last in ("(", "and", "or", "not"))


def _states() -> list[tuple[str, str]]:
    return [(word, "state") for word in state_names()]


def _conditions(*, is_first: bool) -> list[tuple[str, str]]:
    words = _states()
    words += [(name, key.value or "condition") for name, key in KEYS.items()]
    words += [("exclude", "all states except one"), ("not", "negation")]
    if not is_first:
        words += [("and", "both"), ("or", "at least one of two")]
    return words


def _values(key: str) -> list[tuple[str, str]]:
    if key == "state":
        return _states()
    if key == "timer":
        return [(word, "timer") for word in TIMERS]
    kind = _SYSTEMS_NAMES.get(key)
    if kind is None:
        return []
    from tcpstates.collect.name_lookup import SystemLookup
    from tcpstates.protocols import PROTOCOLS

    names = sorted(set(SystemLookup(PROTOCOLS).names(kind)))
    return [(name, kind) for name in names]


def spelled_like(word: str, incomplete: str) -> str | None:
    """Spell a word in the style of its typed beginning; None: it begins differently.

    `CLOSE-` becomes CLOSE-WAIT, `finw` becomes fin_wait_1.
    """
    if "-" in incomplete:
        word = word.replace("_", "-")
    if not any(w.startswith(incomplete.lower()) for w in (word, reduce_name(word))):
        return None
    return word.upper() if incomplete.isupper() else word
