"""What the user's filter means for each stage: source, owners, the rows themselves.

A state in the filter replaces what -a, -l or nothing would select, as in ss. The
states that the filter leaves possible are all that a source is asked for, and what
the kernel can decide of the rest is compiled for it. Then everything is applied to
the rows, first without the processes, because finding those takes longest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tcpstates.capabilities import Capability
from tcpstates.errors import FilterSyntaxError
from tcpstates.filters.bytecode import compile_filter
from tcpstates.filters.conditions import (
    Condition,
    InStates,
)
from tcpstates.filters.listeners import Listener, ListenerCondition
from tcpstates.filters.numeric_conditions import Age
from tcpstates.filters.parser import parse_filter
from tcpstates.filters.process_conditions import ProcessCondition
from tcpstates.filters.syntax import (
    Expression,
    answer,
    conditions,
    possible_states,
    relax,
    replace,
    terms,
    to_text,
)
from tcpstates.filters.values import Lookup
from tcpstates.model import Batch, Limitation, Request
from tcpstates.states import LISTENING, AnyState


class Selection:
    """A filter, and the states that the options select without it."""

    def __init__(self, expression: Expression, text: str, default: InStates) -> None:
        self._expression = expression
        self._text = text
        self._default = default
        self._undecided = 0

    def __str__(self) -> str:
        """Return the filter as it can be given again."""
        return to_text(self._expression)

    def asks_for(self, kind: type[Condition]) -> bool:
        """Tell whether one of the conditions is of a kind."""
        return any(isinstance(found, kind) for found in conditions(self._expression))

    def named_states(self) -> frozenset[AnyState]:
        """Return the states that the filter names, rather than excludes."""
        none: frozenset[AnyState] = frozenset()
        asked = (c for c in conditions(self._expression) if isinstance(c, InStates))
        return none.union(*(found.states for found in asked if not found.unknown))

    @property
    def needs_processes(self) -> bool:
        """Tell whether it matters who holds the sockets."""
        return self.asks_for(ProcessCondition)

    @property
    def needs_listeners(self) -> bool:
        """Tell whether it matters who listens: see `with_listeners`."""
        return self.asks_for(ListenerCondition)

    def restrict(self, request: Request, *, in_kernel: bool = True) -> Request:
        """Return the request, for no more than what the filter can select.

        Without `in_kernel` the kernel is given no program.
        """
        states, unknown = possible_states(self._expression)
        is_only_listening = self._default.states <= LISTENING
        lifts = self.needs_listeners and not is_only_listening
        if not (self.asks_for(InStates) or lifts):
            states = states & self._default.states
            unknown = unknown and self._default.unknown
        needs = {need for c in conditions(self._expression) for need in c.needs}
        return request._replace(
            states=states,
            unknown_states=unknown,
            info=request.info or Capability.TCP_INFO in needs,
            processes=request.processes or self.needs_processes,
            program=compile_filter(self._expression) if in_kernel else b"",
        )

    def with_listeners(self, batches: Iterable[Batch]) -> Selection:
        """Return the selection that knows who listens, as these batches tell."""
        listeners = [
            Listener(batch.protocol, batch.family, address, port)
            for batch in batches
            for address, port in zip(
                batch.column("local_address"), batch.column("local_port"), strict=True
            )
        ]

        def learn(condition: Condition) -> Condition:
            if isinstance(condition, ListenerCondition):
                return condition.with_listeners(listeners)
            return condition

        expression = replace(self._expression, learn)
        return Selection(expression, self._text, self._default)

    def check(self, explain: Callable[[Capability], str | None]) -> None:
        """Raise FilterSyntaxError for a term that a source cannot answer.

        `explain` says of what a condition needs why it is missing, None: it is not.
        """
        for term in terms(self._expression):
            for need in (need for c in conditions(term) for need in c.needs):
                problem = explain(need)
                if problem is not None:
                    raise FilterSyntaxError(problem, self._text, term.span)

    def without_processes(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the sockets that match as far as it can be told without owners."""
        if not self.needs_processes:
            yield from self._apply(batches)
            return
        weaker = relax(self._expression, lambda c: not isinstance(c, ProcessCondition))
        for batch in batches:
            found = answer(weaker, batch, self._text)
            yield batch.keep([value is not False for value in found])

    def with_processes(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the sockets that match, where that takes their owners."""
        return self._apply(batches) if self.needs_processes else batches

    def _apply(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield what matches, and count what nobody can tell of."""
        if all(isinstance(found, InStates) for found in conditions(self._expression)):
            yield from batches  # a source tells of no others
            return
        for batch in batches:
            found = answer(self._expression, batch, self._text)
            if None in found:
                self._undecided += sum(value is None for value in found)
                found = [value is True for value in found]
            yield batch.keep(found)

    def limitations(self) -> Iterator[Limitation]:
        """Yield what was left open; complete when all batches have passed."""
        if not self._undecided:
            return
        number = self._undecided
        one = number == 1
        reasons = []
        if self.needs_processes:
            reasons.append("its process is hidden" if one else "processes are hidden")
        if self.asks_for(Age):
            reasons.append("only bounds of the age are known, or nothing")
        why = " or ".join(reasons) or "the source does not tell enough"
        more = "1 more socket" if one else f"{number} more sockets"
        yield Limitation("may-match", f"{more} may match: {why}")


def read_selection(
    arguments: Sequence[str], lookup: Lookup, request: Request
) -> Selection:
    """Return what the arguments select; FilterSyntaxError points at a wrong word.

    The states of the request are those of a filter that names none.
    """
    expression, text = parse_filter(arguments, lookup)
    default = InStates(request.states, unknown=request.unknown_states)
    return Selection(expression, text, default)
