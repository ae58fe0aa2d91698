"""The syntax tree of a filter: weaken it, evaluate it, and write it as text.

A `Term` is one condition as the user wrote it. Its meaning is a tree as well, whose
leaves are conditions. The parser reads the text form back as the same tree. The text
contains every `and`, and parentheses only where the precedence (not, then and, then or)
requires them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from operator import and_, not_, or_
from typing import NamedTuple, Union

from tcpstates.batch import Batch
from tcpstates.errors import FilterSyntaxError
from tcpstates.filters.conditions import Answer, Condition, InStates, Undecidable
from tcpstates.states import ALL_STATES, AnyState, OtherState, TcpState


class Term(NamedTuple):
    """One condition as the user wrote it, and its position."""

    meaning: Expression
    text: str
    span: tuple[int, int] = (0, 0)
    compound: bool = False  # several clauses, which need parentheses after `not`


class Not(NamedTuple):
    """Matches if the part does not."""

    part: Expression


class AllOf(NamedTuple):
    """Matches if all parts do; without parts, always."""

    parts: tuple[Expression, ...]


class AnyOf(NamedTuple):
    """Matches if any part does; without parts, never."""

    parts: tuple[Expression, ...]


Expression = Union[Condition, Term, Not, AllOf, AnyOf]  # noqa: UP007  (Python 3.10)
States = tuple[frozenset[AnyState], bool]  # True: also states without a name here


def to_text(expression: Expression) -> str:
    """Write the filter in the syntax that the parser accepts."""
    match expression:
        case Term():
            return expression.text
        case Not(part):
            is_single = isinstance(part, Not) or (
                isinstance(part, Term) and not part.compound
            )
            return f"not {to_text(part) if is_single else f'( {to_text(part)} )'}"
        case AllOf(parts):
            return " and ".join(
                f"( {to_text(part)} )" if isinstance(part, AnyOf) else to_text(part)
                for part in parts
            )
        case AnyOf(parts):
            return " or ".join(map(to_text, parts))
        case Condition():
            raise TypeError("a condition is written by its term")


def terms(expression: Expression) -> Iterator[Term]:
    """Yield every term in its order in the filter."""
    match expression:
        case Term():
            yield expression
        case Not(part):
            yield from terms(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from terms(part)
        case Condition():
            return


def conditions(expression: Expression) -> Iterator[Condition]:
    """Yield every condition."""
    match expression:
        case Term(part) | Not(part):
            yield from conditions(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from conditions(part)
        case Condition():
            yield expression


def replace(
    expression: Expression, new: Callable[[Condition], Expression]
) -> Expression:
    """Return the tree with each condition replaced."""
    match expression:
        case Term(meaning):
            return expression._replace(meaning=replace(meaning, new))
        case Not(part):
            return Not(replace(part, new))
        case AllOf(parts):
            return AllOf(tuple(replace(part, new) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(replace(part, new) for part in parts))
        case Condition():
            return new(expression)


def relax(
    expression: Expression,
    decides: Callable[[Condition], bool],
    *,
    negated: bool = False,
) -> Expression:
    """Return a filter that matches every selected socket, and possibly more.

    It has no terms, and only conditions that `decides` accepts, each of them negated
    directly or not at all. Other conditions are taken to be true.
    """
    match expression:
        case Term(meaning):
            return relax(meaning, decides, negated=negated)
        case Not(part):
            return relax(part, decides, negated=not negated)
        case AllOf(parts) | AnyOf(parts):
            weaker = [relax(part, decides, negated=negated) for part in parts]
            # De Morgan: the negation of "all of them" is "any of them negated".
            if isinstance(expression, AllOf) != negated:
                weaker = [part for part in weaker if not is_everything(part)]
                return weaker[0] if len(weaker) == 1 else AllOf(tuple(weaker))
            if any(map(is_everything, weaker)):
                return AllOf(())
            return weaker[0] if len(weaker) == 1 else AnyOf(tuple(weaker))
        case Condition():
            if not decides(expression):
                return AllOf(())
            return Not(expression) if negated else expression


def is_everything(expression: Expression) -> bool:
    """Check whether the filter matches every socket."""
    return isinstance(expression, AllOf) and not expression.parts


def possible_states(expression: Expression) -> States:
    """Return the states that a selected socket can be in.

    Linux reports BOUND sockets only if they are requested explicitly, so they are
    included only if the filter names them.
    """
    states, unknown = _states(relax(expression, lambda c: isinstance(c, InStates)))
    named = (c.states for c in conditions(expression) if isinstance(c, InStates))
    no_process_note = _EVERY_STATE - ALL_STATES.union(*named)
    return states - no_process_note, unknown


_EVERY_STATE: frozenset[AnyState] = frozenset({*TcpState, *OtherState})


def _states(weakened: Expression) -> States:
    match weakened:
        case InStates():
            return weakened.states, weakened.unknown
        case Not(part):
            states, unknown = _states(part)
            return _EVERY_STATE - states, not unknown
        case AnyOf(parts):
            found = [_states(part) for part in parts]
            none: frozenset[AnyState] = frozenset()
            return none.union(*(s for s, _ in found)), any(u for _, u in found)
        case AllOf(parts):
            found = [_states(part) for part in parts]
            common = _EVERY_STATE.intersection(*(s for s, _ in found))
            return common, all(u for _, u in found)
        case _:
            raise TypeError("a filter weakened to its states has other conditions")


def answer(expression: Expression, batch: Batch, text: str) -> Answer:
    """Evaluate the filter for each socket of a batch; None is "cannot be determined".

    Raise FilterSyntaxError, which points into `text`, if the source did not report what
    a term needs.
    """
    match expression:
        case Term(meaning, span=span):
            try:
                return answer(meaning, batch, text)
            except Undecidable as error:
                raise FilterSyntaxError(str(error), text, span) from error
        case Not(part):
            found = answer(part, batch, text)
            if None in found:
                return [None if value is None else not value for value in found]
            return list(map(not_, found))
        case AllOf(parts):
            return _joined(parts, batch, text, decisive=False)
        case AnyOf(parts):
            return _joined(parts, batch, text, decisive=True)
        case Condition():
            return expression.test(batch)


def _joined(
    parts: Sequence[Expression], batch: Batch, text: str, *, decisive: bool
) -> Answer:
    """Combine the parts by Kleene's "and", or by his "or" if True is decisive."""
    joined: Answer = list(repeat(not decisive, len(batch)))
    operator = or_ if decisive else and_
    for part in parts:
        found = answer(part, batch, text)
        if None in found or None in joined:
            joined = [
                decisive
                if decisive in (a, b)
                else None
                if None in (a, b)
                else not decisive
                for a, b in zip(joined, found, strict=True)
            ]
        else:
            joined = list(map(operator, joined, found))
    return joined
