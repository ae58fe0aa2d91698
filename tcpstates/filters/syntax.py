"""A filter as a tree, what is certain of it, and how it is written.

A `Term` is what stands between two connecting words; its meaning is a tree itself,
whose leaves are conditions. Written back, a filter is what the parser reads as the
same tree: every `and` is there, and parentheses only where the precedence (not, then
and, then or) needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from operator import and_, not_, or_
from typing import NamedTuple, Union

from tcpstates.errors import FilterSyntaxError
from tcpstates.filters.conditions import Answer, Condition, InStates, Undecidable
from tcpstates.model import Batch
from tcpstates.states import ALL_STATES, AnyState, OtherState, TcpState


class Term(NamedTuple):
    """One condition as it was written, and where."""

    meaning: Expression
    text: str
    span: tuple[int, int] = (0, 0)
    compound: bool = False  # several clauses, which `not` takes in parentheses only


class Not(NamedTuple):
    """What the part is not."""

    part: Expression


class AllOf(NamedTuple):
    """What all of the parts are; without parts, everything."""

    parts: tuple[Expression, ...]


class AnyOf(NamedTuple):
    """What one of the parts is; without parts, nothing."""

    parts: tuple[Expression, ...]


Expression = Union[Condition, Term, Not, AllOf, AnyOf]  # noqa: UP007  (Python 3.10)
States = tuple[frozenset[AnyState], bool]  # True: also those without a word


def to_text(expression: Expression) -> str:
    """Return the filter as it can be given again."""
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
    """Yield every term, in the order in which they stand."""
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
    """Return the tree with other conditions."""
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
    """Return what holds of every selected socket, and maybe of others.

    It has no terms and only conditions that `decides` accepts, each of them negated
    directly or not at all. The others are taken for true.
    """
    match expression:
        case Term(meaning):
            return relax(meaning, decides, negated=negated)
        case Not(part):
            return relax(part, decides, negated=not negated)
        case AllOf(parts) | AnyOf(parts):
            weaker = [relax(part, decides, negated=negated) for part in parts]
            # What is not all of them lacks one of them.
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
    """Tell whether nothing is asked for at all."""
    return isinstance(expression, AllOf) and not expression.parts


def possible_states(expression: Expression) -> States:
    """Return the states that a selected socket can be in.

    Linux tells of BOUND sockets only when it is asked for them by name, so a filter
    does so only when it names them.
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
            raise TypeError("only states are left of a filter weakened to them")


def answer(expression: Expression, batch: Batch, text: str) -> Answer:
    """Return True, False or None (nobody can tell) for each socket of a batch.

    Raise FilterSyntaxError, which points into `text`, where the source has not told
    what a term asks for.
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
    """Return Kleene's "and" of the parts, or, where True is decisive, his "or"."""
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
