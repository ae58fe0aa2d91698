"""Parse the tokens that follow a key of a filter: an operator and values."""

from __future__ import annotations

from tcpstates.filters.keys import KEYS, OPERATORS, Key
from tcpstates.filters.tokens import AND, NOT, OR, Token, TokenStream
from tcpstates.states import find_states
from tcpstates.wording import did_you_mean

_MISTYPED = {"=>": ">=", "=<": "<=", "<>": "!=", "=!": "!=", "~=": "~", "=~": "~"}


def next_operator(tokens: TokenStream, ahead: int = 0) -> str | None:
    """Return the next operator in canonical spelling; None if there is none."""
    token = tokens.peek(ahead)
    if token is None or token.quoted:
        return None
    if token.among(("not",)) and tokens.comes(("in",), ahead + 1):
        return "not in"
    return OPERATORS.get(token.text.lower())


def take_operator(tokens: TokenStream, name: str) -> str | None:
    """Consume the operator of a key; None if there is none.

    Raise FilterSyntaxError if it is missing, or the key does not support it.
    """
    operator = next_operator(tokens)
    allowed = " ".join(KEYS[name].operators) or "no operator"
    if operator is None:
        is_needed = KEYS[name].operators and "=" not in KEYS[name].operators
        if is_needed or KEYS[name].needs_operator:
            problem = f"{name}: expected one of {allowed}{_lost(tokens, name)}"
            raise tokens.error(problem, tokens.peek())
        if tokens.comes(NOT) and not tokens.comes((*AND, *OR, "(")):
            _refuse_not(tokens, name)
        return None
    places = [tokens.take() for _ in operator.split()]
    behind = tokens.peek()
    if behind is not None and behind.symbol:
        meant = _MISTYPED.get(places[-1].text + behind.text)
        if meant:
            raise tokens.error(
                f"unknown operator{did_you_mean([meant])}", places[0], behind
            )
    if operator not in KEYS[name].operators:
        problem = f"{name} cannot be used with {operator}; expected {allowed}"
        raise tokens.error(problem, *places)
    return operator


def _refuse_not(tokens: TokenStream, name: str) -> None:
    """Reject `sport not 443`."""
    if KEYS[name].may_stand_alone:
        return
    raise tokens.error(
        f"write `not` before the condition: not {name} ...", tokens.peek()
    )


def _lost(tokens: TokenStream, name: str) -> str:
    """Return a hint if the shell may have taken < or > as a redirection."""
    takes_order = ">" in KEYS[name].operators
    is_lost = tokens.peek() is None or KEYS[name].needs_operator
    if is_lost and takes_order:
        return " (in a shell, quote < and >)"
    return ""


def take_values(
    tokens: TokenStream, name: str, *, is_list: bool, is_inside: bool
) -> list[Token]:
    """Consume the values that follow, each with its position.

    `is_inside` means that a parenthesis is open; the end of an argument may close it.
    """
    key = KEYS[name]
    values: list[Token] = []
    goes_on = True
    while goes_on:
        token = tokens.peek()
        whole = None if is_list else _whole_argument(token, key, is_inside=is_inside)
        if token is not None and whole is not None:
            end = tokens.take_argument(whole)[-1].end
            return [Token(whole, token.start, end, quoted=True)]
        if token is None or token.symbol or token.among((*NOT, *AND, *OR)):
            if is_list and token is not None and token.text == "(":
                raise tokens.error("a list takes no parentheses: in 80,443", token)
            problem = f"{name}: expected {key.value}{_lost(tokens, name)}"
            raise tokens.error(problem, token)
        values += _items(tokens.take()) if is_list else [tokens.take()]
        after = tokens.peek()
        goes_on = is_list and (
            (not token.quoted and token.text.endswith(","))
            or (after is not None and after.text.startswith(",") and not after.quoted)
        )
    if not values:
        raise tokens.error(f"{name}: expected {key.value}", tokens.peek())
    _refuse_comma(tokens, name, values[0], is_list=is_list)
    return values


def _items(token: Token) -> list[Token]:
    """Split a token at its commas into items, each with its position."""
    if token.quoted:
        return [token]
    items = []
    start = token.start
    for text in token.text.split(","):
        if text:
            items.append(Token(text, start, start + len(text)))
        start += len(text) + 1
    return items


def _refuse_comma(
    tokens: TokenStream, name: str, value: Token, *, is_list: bool
) -> None:
    """Reject a list that is written without `in`, or without commas."""
    if not is_list and not value.quoted and "," in value.text:
        raise tokens.error(f"a list requires `in`: {name} in {value.text}", value)
    after = tokens.peek()
    is_bare = after is not None and not after.symbol and not after.quoted
    if is_list and name == "state" and after and is_bare and find_states(after.text):
        problem = f"separate list items with commas: in {value.text},{after.text}"
        raise tokens.error(problem, after)


def _whole_argument(token: Token | None, key: Key, *, is_inside: bool) -> str | None:
    """Return an argument that is one free-text value: process = 'my (old) server'."""
    if token is None or not key.free_text or token.argument in (None, token.text):
        return None
    argument = token.argument or ""
    if token.quoted and argument[:1] in "\"'":
        return None
    if argument.endswith(")") and "(" not in argument and is_inside:
        return None  # it closes a parenthesis of an earlier argument
    return argument
