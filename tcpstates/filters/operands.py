"""Parse the tokens that follow a key of a filter: an operator and values."""

from __future__ import annotations

from tcpstates.filters.keys import KEYS, OPERATORS, Key
from tcpstates.filters.tokens import AND, NOT, OR, Word, Words
from tcpstates.states import find_states
from tcpstates.wording import did_you_mean

_MISTYPED = {"=>": ">=", "=<": "<=", "<>": "!=", "=!": "!=", "~=": "~", "=~": "~"}


def next_operator(words: Words, ahead: int = 0) -> str | None:
    """Return the next operator in canonical spelling; None if there is none."""
    word = words.peek(ahead)
    if word is None or word.quoted:
        return None
    if word.among(("not",)) and words.comes(("in",), ahead + 1):
        return "not in"
    return OPERATORS.get(word.text.lower())


def take_operator(words: Words, name: str) -> str | None:
    """Consume the operator of a key; None if there is none.

    Raise FilterSyntaxError if it is missing, or the key does not support it.
    """
    operator = next_operator(words)
    allowed = " ".join(KEYS[name].operators) or "no operator"
    if operator is None:
        if KEYS[name].operators and "=" not in KEYS[name].operators:
            problem = f"{name}: expected one of {allowed}{_lost(words, name)}"
            raise words.error(problem, words.peek())
        if words.comes(NOT) and not words.comes((*AND, *OR, "(")):
            _refuse_not(words, name)
        return None
    places = [words.take() for _ in operator.split()]
    behind = words.peek()
    if behind is not None and behind.symbol:
        meant = _MISTYPED.get(places[-1].text + behind.text)
        if meant:
            raise words.error(
                f"unknown operator{did_you_mean([meant])}", places[0], behind
            )
    if operator not in KEYS[name].operators:
        problem = f"{name} cannot be used with {operator}; expected {allowed}"
        raise words.error(problem, *places)
    return operator


def _refuse_not(words: Words, name: str) -> None:
    """Reject `sport not 443`."""
    if KEYS[name].may_stand_alone:
        return
    raise words.error(f"write `not` before the condition: not {name} ...", words.peek())


def _lost(words: Words, name: str) -> str:
    """Return a hint if the shell may have taken < or > as a redirection."""
    takes_order = ">" in KEYS[name].operators
    if words.peek() is None and takes_order:
        return " (in a shell, quote < and >)"
    return ""


def take_values(
    words: Words, name: str, *, is_list: bool, is_inside: bool
) -> list[Word]:
    """Consume the values that follow, each with its position.

    `is_inside` means that a parenthesis is open; the end of an argument may close it.
    """
    key = KEYS[name]
    values: list[Word] = []
    goes_on = True
    while goes_on:
        word = words.peek()
        whole = None if is_list else _whole_argument(word, key, is_inside=is_inside)
        if word is not None and whole is not None:
            end = words.take_argument(whole)[-1].end
            return [Word(whole, word.start, end, quoted=True)]
        if word is None or word.symbol or word.among((*NOT, *AND, *OR)):
            if is_list and word is not None and word.text == "(":
                raise words.error("a list takes no parentheses: in 80,443", word)
            problem = f"{name}: expected {key.value}{_lost(words, name)}"
            raise words.error(problem, word)
        values += _items(words.take()) if is_list else [words.take()]
        after = words.peek()
        goes_on = is_list and (
            (not word.quoted and word.text.endswith(","))
            or (after is not None and after.text.startswith(",") and not after.quoted)
        )
    if not values:
        raise words.error(f"{name}: expected {key.value}", words.peek())
    _refuse_comma(words, name, values[0], is_list=is_list)
    return values


def _items(word: Word) -> list[Word]:
    """Split a token at its commas into items, each with its position."""
    if word.quoted:
        return [word]
    items = []
    start = word.start
    for text in word.text.split(","):
        if text:
            items.append(Word(text, start, start + len(text)))
        start += len(text) + 1
    return items


def _refuse_comma(words: Words, name: str, value: Word, *, is_list: bool) -> None:
    """Reject a list that is written without `in`, or without commas."""
    if not is_list and not value.quoted and "," in value.text:
        raise words.error(f"a list requires `in`: {name} in {value.text}", value)
    after = words.peek()
    is_bare = after is not None and not after.symbol and not after.quoted
    if is_list and name == "state" and after and is_bare and find_states(after.text):
        problem = f"separate list items with commas: in {value.text},{after.text}"
        raise words.error(problem, after)


def _whole_argument(word: Word | None, key: Key, *, is_inside: bool) -> str | None:
    """Return an argument that is one free-text value: process = 'my (old) server'."""
    if word is None or not key.free_text or word.argument in (None, word.text):
        return None
    argument = word.argument or ""
    if word.quoted and argument[:1] in "\"'":
        return None
    if argument.endswith(")") and "(" not in argument and is_inside:
        return None  # it closes a parenthesis of an earlier argument
    return argument
