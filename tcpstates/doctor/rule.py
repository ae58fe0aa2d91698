"""What a rule is: it observes sockets, then reports findings.

A rule is a class in a module of `doctor.rules`, named in `doctor.rules.RULES`; nothing
else registers it. It overrides what it needs of the methods below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from tcpstates.batch import Batch
from tcpstates.doctor.facts import Facts, FlaggedSocket, RuleContext
from tcpstates.doctor.findings import Finding, NotExamined
from tcpstates.doctor.links import Links, Place

Outcome = Finding | NotExamined


class Rule:
    """A family of problems."""

    states: ClassVar[frozenset[str]] = frozenset()  # whose sockets it observes
    # It compares counters and limits of the whole host, so it does not run where only
    # some sockets are examined, or where the origin has no such limits.
    about_host: ClassVar[bool] = False

    def __init__(self, context: RuleContext) -> None:
        self._context = context

    def observe(self, state_label: str, batch: Batch) -> None:
        """Note sockets that are all in one state, one of `states`."""

    def observe_unowned(self, batch: Batch) -> None:
        """Note sockets without a process, which a filter by process has left out."""

    def observe_udp(self, batch: Batch) -> None:
        """Note UDP sockets, in any state, with their memory."""

    def flagged(self) -> Iterable[FlaggedSocket]:
        """The sockets whose owners, and other ends, matter to this rule."""
        return ()

    def owned(self) -> Iterable[FlaggedSocket]:
        """The sockets of which only the owners matter to this rule."""
        return ()

    def unfinished(self) -> Iterable[str]:
        """The peer's address of each closing socket that gets no answer."""
        return ()

    def wants_second_pass(self) -> bool:
        """Whether the sockets have to be read once more, for `second_pass`."""
        return False

    def second_pass(self, batch: Batch) -> None:
        """Note sockets of the second pass, in any state but LISTEN."""

    def full_queues(self) -> Iterable[Place]:
        """The listeners whose accept queue is full: see `Links`."""
        return ()

    def unanswered(self) -> Iterable[FlaggedSocket]:
        """The sockets of clients that get no answer: see `Links`."""
        return ()

    def half_open(self) -> Mapping[int, int]:
        """The half-open connections answered more than once, by port: see `Links`."""
        return {}

    def find(self, facts: Facts, links: Links) -> Iterable[Outcome]:
        """Report findings, and what could not be examined."""
        return ()
