"""Parse a filter: the grammar of ss, with more keys and ss's documented precedence.

    filter  = [clauses] or              OR  = or | ||
    or      = and { OR and }            AND = and & &&
    and     = not { [AND] not }         NOT = not !
    not     = NOT not | "(" or ")" | clauses | term
    clauses = clause { clause }
    clause  = [state] NAME | exclude NAME
    term    = KEY [[operator] value]

Consecutive clauses add up. Clauses that begin the filter, without an AND or OR behind
them, apply to the whole expression. That is their only place in ss.
"""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.filters.conditions import InStates
from tcpstates.filters.key_readers import read_states, reduce_name
from tcpstates.filters.keys import KEYS, NEGATIONS, Key, find_key
from tcpstates.filters.operands import next_operator, take_operator, take_values
from tcpstates.filters.syntax import AllOf, AnyOf, Expression, Not, Term
from tcpstates.filters.tokens import AND, NOT, OR, Token, TokenStream, quote
from tcpstates.filters.values import BadValue, Lookup
from tcpstates.states import ALL_STATES, AnyState, find_states, state_names
from tcpstates.wording import did_you_mean, nearest

_DEEPEST = 50  # nested parentheses and `not`
_EXCLUDE = ("exclude", "excl")
_CLAUSES = ("state", *_EXCLUDE)


def parse_filter(arguments: Sequence[str], lookup: Lookup) -> tuple[Expression, str]:
    """Return the tree of a filter, and the text that the spans of its terms refer to.

    Raise FilterSyntaxError, which points at the wrong tokens.
    """
    tokens = TokenStream(arguments)
    return _Parser(tokens, lookup).read(), tokens.text


class _Parser:
    """A recursive-descent parser over the tokens of one filter."""

    def __init__(self, tokens: TokenStream, lookup: Lookup) -> None:
        self._tokens = tokens
        self._depth = 0
        self._lookup = lookup

    def read(self) -> Expression:
        """Parse the whole filter; an empty filter selects everything."""
        if self._tokens.peek() is None:
            return AllOf(())
        found = self._leading() or self._any()
        behind = self._tokens.peek()
        if behind is not None:  # only a parenthesis can end an expression early
            raise self._tokens.error("unmatched closing parenthesis", behind)
        return found

    def _leading(self) -> Expression | None:
        """Parse a filter that begins with state clauses, as in ss; None if it does not.

        Such clauses apply to the whole expression behind them, even to one with OR.
        """
        if not self._begins_clause():
            return None
        clauses = self._clauses(alone=False)
        if self._tokens.peek() is None:
            return clauses
        if self._tokens.comes((*AND, *OR, ")")):
            self._tokens.start_again()
            return None
        return AllOf((clauses, self._any()))

    # Operators of the expression, the weakest first.

    def _any(self) -> Expression:
        parts = [self._all()]
        while self._tokens.comes(OR):
            self._tokens.take()
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Expression:
        parts = [self._not()]
        while self._tokens.peek() is not None and not self._tokens.comes((*OR, ")")):
            if self._tokens.comes(AND):
                self._tokens.take()
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _not(self) -> Expression:
        token = self._tokens.peek()
        if token is None or token.among((*AND, *OR, ")")):
            raise self._tokens.error("expected a condition", token)
        if not token.among((*NOT, "(")):
            return self._term(alone=False)
        if self._depth == _DEEPEST:
            raise self._tokens.error(f"nested more than {_DEEPEST} levels deep", token)
        self._depth += 1
        self._tokens.take()
        if token.text == "(":
            found = self._any()
            if not self._tokens.comes((")",)):
                raise self._tokens.error("unclosed parenthesis", token)
            self._tokens.take()
        elif self._tokens.comes((*NOT, "(")):
            found = Not(self._not())
        elif self._tokens.peek() is None or self._tokens.comes((*AND, *OR, ")")):
            found = Not(self._not())  # raises: a condition is missing
        else:
            found = Not(self._term(alone=True))
        self._depth -= 1
        return found

    # Conditions.

    def _term(self, *, alone: bool) -> Expression:
        """Parse one condition; if `alone`, one state clause rather than several."""
        if self._begins_clause():
            return self._clauses(alone=alone)
        token = self._tokens.take()
        name = None if token.quoted or token.symbol else find_key(token.text)
        if name is None:
            raise self._tokens.error(self._complaint(token), token)
        return self._condition(name, KEYS[name], token)

    def _complaint(self, token: Token) -> str:
        text = token.text
        if token.symbol:
            return f"expected a key such as dport or process before {text}"
        if text == ":":
            return "write address and port without spaces: 127.0.0.1:443"
        if text.removeprefix(":").isdecimal() or text.startswith(":"):
            return f"local or remote? Write sport {text}, dport {text} or port {text}"
        if text[:1].isdecimal() or text.startswith("["):
            return f"local or remote? Write src {text}, dst {text} or host {text}"
        parts = text.split(",")
        if len(parts) > 1 and all(find_states(part) for part in parts):
            return f"a list requires `in`: state in {text}"
        known = {reduce_name(name): name for name in (*state_names(), *KEYS)}
        near = (known[spelling] for spelling in nearest(reduce_name(text), known))
        hint = did_you_mean(near, "see FILTERS in the man page")
        return f"unknown state or key '{text}'{hint}"

    def _begins_clause(self) -> bool:
        """Check whether a state follows: bare, or after `state` or `exclude`."""
        token = self._tokens.peek()
        if token is None or token.quoted or token.symbol:
            return False
        if token.among(_CLAUSES):
            return not (token.among(("state",)) and next_operator(self._tokens, 1))
        if find_key(token.text):  # such as IDLE, which is also a state of Solaris
            return False
        return find_states(token.text) is not None

    def _clauses(self, *, alone: bool) -> Term:
        """Combine consecutive clauses into one term: like ss, add up their states."""
        chosen: frozenset[AnyState] = frozenset()
        unknown = False
        texts: list[str] = []
        tokens: list[Token] = []
        while not texts or (self._begins_clause() and not alone):
            clause = "state"
            if self._tokens.comes(_CLAUSES):
                tokens.append(self._tokens.take())
                clause = "exclude" if tokens[-1].among(_EXCLUDE) else "state"
            named = self._tokens.peek()
            if named is None or named.symbol:
                raise self._tokens.error(f"{clause}: expected a state", named)
            tokens.append(self._tokens.take())
            if find_states(named.text) is None and "," in named.text:
                problem = f"a list requires `in`: state in {named.text}"
                raise self._tokens.error(problem, named)
            try:
                states = read_states(named.text)
            except BadValue as error:
                raise self._tokens.error(str(error), named) from error
            if clause == "exclude":
                if not texts:
                    chosen, unknown = ALL_STATES, True
                chosen = chosen - states
            else:
                chosen = chosen | states
            texts.append(f"{clause} {quote(named.text)}")
        span = (tokens[0].start, tokens[-1].end)
        meaning = InStates(chosen, unknown=unknown)
        return Term(meaning, " ".join(texts), span, compound=len(texts) > 1)

    def _condition(self, name: str, key: Key, first: Token) -> Term:
        operator = take_operator(self._tokens, name)
        if operator is None and key.may_stand_alone and not self._value_comes(key):
            return Term(self._meaning(name, "=", [], first), name, first[1:3])
        written = operator or "="
        values = take_values(
            self._tokens,
            name,
            is_list=written.endswith("in"),
            is_inside=self._depth > 0,
        )
        meaning = self._meaning(name, written, values, first)
        text = f"{name} {written} {','.join(quote(value.text) for value in values)}"
        return Term(meaning, text, (first.start, values[-1].end))

    def _value_comes(self, key: Key) -> bool:
        """Check whether a key that may stand alone has a value: `listener :443`."""
        token = self._tokens.peek()
        if not key.operators or token is None or token.symbol:
            return False
        is_other = token.among((*NOT, *AND, *OR)) or find_key(token.text) is not None
        return not (is_other or self._begins_clause())

    def _meaning(
        self, name: str, operator: str, values: Sequence[Token], first: Token
    ) -> Expression:
        """Build the condition; an error points at the wrong value."""
        denied = NEGATIONS.get(operator)

        def read(*texts: str) -> Expression:
            return KEYS[name].read(denied or operator, texts, self._lookup)

        try:
            meaning = read(*(value.text for value in values))
        except BadValue as error:
            for value in values if len(values) > 1 else ():
                try:
                    read(value.text)
                except BadValue as one:
                    raise self._tokens.error(str(one), value) from one
            where = (values[0], values[-1]) if values else (first,)
            raise self._tokens.error(str(error), *where) from error
        return Not(meaning) if denied else meaning
