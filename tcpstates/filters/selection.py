"""Apply the user's filter at each stage: in the source, to rows, to their owners.

As in ss, a state in the filter replaces the states that -a, -l or the default select.
The source is asked only for states that the filter leaves possible, and the conditions
that the kernel supports are compiled for it. Then the whole filter is applied to the
rows: first without the conditions on processes, because finding owners takes longest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tcpstates.batch import Batch
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
from tcpstates.filters.process_conditions import (
    PlaceCondition,
    ProcessCondition,
    required_pids,
)
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
from tcpstates.model import Limitation, Request
from tcpstates.states import LISTENING, AnyState
from tcpstates.wording import plural


class Selection:
    """A filter, and the states that the options select if the filter names none."""

    def __init__(self, expression: Expression, text: str, default: InStates) -> None:
        self._expression = expression
        self._text = text
        self._default = default
        self._undecided = 0

    def __str__(self) -> str:
        """Write the filter in the syntax that the parser accepts."""
        return to_text(self._expression)

    def asks_for(self, kind: type[Condition]) -> bool:
        """Check whether the filter has a condition of this kind."""
        return any(isinstance(found, kind) for found in conditions(self._expression))

    def has_only(self, kind: type[Condition]) -> bool:
        """Check whether the filter has no condition of another kind."""
        return all(isinstance(found, kind) for found in conditions(self._expression))

    def named_states(self) -> frozenset[AnyState]:
        """Return the states that the filter names and does not exclude."""
        none: frozenset[AnyState] = frozenset()
        asked = (c for c in conditions(self._expression) if isinstance(c, InStates))
        return none.union(*(found.states for found in asked if not found.unknown))

    @property
    def needs_processes(self) -> bool:
        """Whether the filter depends on the owners of sockets."""
        return self.asks_for(ProcessCondition)

    @property
    def needs_listeners(self) -> bool:
        """Whether the filter depends on the listeners: see `with_listeners`."""
        return self.asks_for(ListenerCondition)

    def restrict(self, request: Request, *, in_kernel: bool = True) -> Request:
        """Narrow the request to the sockets that the filter can select.

        Without `in_kernel`, no filter program is compiled for the kernel.
        """
        states, unknown = possible_states(self._expression)
        is_only_listening = self._default.states <= LISTENING
        lifts = self.needs_listeners and not is_only_listening
        if not (self.asks_for(InStates) or lifts):
            states = states & self._default.states
            unknown = unknown and self._default.unknown
        needs = {need for c in conditions(self._expression) for need in c.needs}
        is_for_filter = request.owners_for_filter and not request.processes
        return request._replace(
            pids=required_pids(self._expression) if is_for_filter else None,
            states=states,
            unknown_states=unknown,
            info=request.info or Capability.TCP_INFO in needs,
            ages=request.ages or Capability.AGES in needs,
            processes=request.processes or self.needs_processes,
            places=request.places or self.asks_for(PlaceCondition),
            kernel_filter=compile_filter(self._expression) if in_kernel else b"",
        )

    def with_listeners(self, batches: Iterable[Batch]) -> Selection:
        """Return a selection that takes its listeners from these batches."""
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
        """Raise FilterSyntaxError for a term that the source does not support.

        `explain` returns why the source lacks a capability, or None if it has it.
        """
        for term in terms(self._expression):
            for need in (need for c in conditions(term) for need in c.needs):
                problem = explain(need)
                if problem is not None:
                    raise FilterSyntaxError(problem, self._text, term.span)

    def without_processes(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Drop the sockets that cannot match, whoever their owners are."""
        if not self.needs_processes:
            yield from self._apply(batches)
            return
        weaker = relax(self._expression, lambda c: not isinstance(c, ProcessCondition))
        for batch in batches:
            found = answer(weaker, batch, self._text)
            yield batch.select([value is not False for value in found])

    def matching(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield what matches, its state included: no source has selected by states."""
        for batch in batches:
            found = answer(self._expression, batch, self._text)
            yield batch.select([value is True for value in found])

    def with_processes(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Drop the sockets whose owners do not match, if the filter needs owners."""
        return self._apply(batches) if self.needs_processes else batches

    def _apply(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the matching sockets, and count those that cannot be determined."""
        if self.has_only(InStates):
            yield from batches  # a source reports no other states
            return
        for batch in batches:
            found = answer(self._expression, batch, self._text)
            if None in found:
                self._undecided += sum(value is None for value in found)
                found = [value is True for value in found]
            yield batch.select(found)

    def limitations(self) -> Iterator[Limitation]:
        """Report undetermined sockets; complete once all batches have been read."""
        if not self._undecided:
            return
        number = self._undecided
        reasons = []
        if self.needs_processes:
            hidden = plural(number, "its process is", "processes are")
            reasons.append(f"{hidden} hidden")
        if self.asks_for(Age):
            reasons.append("the exact age is unknown")
        why = " or ".join(reasons) or "the source does not report enough"
        more = f"{number} more {plural(number, 'socket')}"
        yield Limitation("may-match", f"{more} may match: {why}")


def read_selection(
    arguments: Sequence[str], lookup: Lookup, request: Request
) -> Selection:
    """Parse the arguments of a filter; FilterSyntaxError points at a wrong token.

    A filter that names no states selects those of the request.
    """
    expression, text = parse_filter(arguments, lookup)
    default = InStates(request.states, unknown=request.unknown_states)
    return Selection(expression, text, default)
