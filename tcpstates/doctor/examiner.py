"""Pass every socket to the rules for its state, then collect their findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import (
    Facts,
    FlaggedSocket,
    RuleContext,
    spell_services,
    unmapped,
)
from tcpstates.doctor.findings import Finding, NotExamined, gravity
from tcpstates.doctor.links import Links, Place
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.doctor.rules import RULES
from tcpstates.states import TcpState

_LISTEN = str(TcpState.LISTEN)


class Examiner:
    """One scan of the sockets of a host."""

    def __init__(self, context: RuleContext) -> None:
        self._context = context
        rules = [rule(context) for rule in RULES]
        is_host_examined = self._why_no_host() is None
        self._rules: list[Rule] = [
            rule for rule in rules if is_host_examined or not rule.about_host
        ]
        self._by_state = {
            str(state): [rule for rule in self._rules if state in rule.states]
            for state in TcpState
        }
        self.counted: Counter[str] = Counter()  # sockets by state
        self.addresses: set[str] = set()  # of this host
        self._listeners: set[Place] = set()
        self._again: list[Rule] = []  # those that want a second pass

    def observe(self, batches: Iterable[Batch]) -> None:
        """Scan sockets; each rule gets those of one state at a time."""
        for batch in batches:
            spell_services(batch)
            labels = batch.column("state_label")
            self.counted.update(labels)
            self.addresses.update(unmapped(batch, "local"))
            present = dict.fromkeys(labels)  # keeps their order, for the output
            for label in present:
                same = batch
                if len(present) > 1:
                    same = batch.select([other == label for other in labels])
                if label == _LISTEN:
                    ports = same.column("local_port")
                    local = unmapped(same, "local")
                    self._listeners.update(zip(local, ports, strict=True))
                for rule in self._by_state.get(label, ()):
                    rule.observe(label, same)

    def observe_unowned(self, batches: Iterable[Batch]) -> None:
        """Scan sockets without a process, which a filter by process has left out."""
        for batch in batches:
            for rule in self._rules:
                rule.observe_unowned(batch)

    def observe_udp(self, batches: Iterable[Batch]) -> None:
        """Scan UDP sockets."""
        for batch in batches:
            for rule in self._rules:
                rule.observe_udp(batch)

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield the sockets whose owners, and other ends, matter."""
        for rule in self._rules:
            yield from rule.flagged()

    def owned(self) -> Iterator[FlaggedSocket]:
        """Yield further sockets, of which only the owners matter."""
        for rule in self._rules:
            yield from rule.owned()

    def wants_second_pass(self) -> bool:
        """Whether a rule has to see the sockets once more."""
        self._again = [rule for rule in self._rules if rule.wants_second_pass()]
        return bool(self._again)

    def second_pass(self, batch: Batch) -> None:
        """Show a batch once more to the rules that want it."""
        for rule in self._again:
            rule.second_pass(batch)

    def find(self, facts: Facts) -> tuple[list[Finding], list[NotExamined]]:
        """Return the findings, most severe first, and what was not examined."""
        links = self._links()
        found: list[Outcome] = []
        for rule in self._rules:
            found += rule.find(facts, links)
        why = self._why_no_host()
        if why is not None:
            found.append(
                NotExamined(rule="host", text=f"the limits of the host ({why})")
            )
        findings = [each for each in found if isinstance(each, Finding)]
        findings.sort(key=gravity)
        return findings, [each for each in found if isinstance(each, NotExamined)]

    def _links(self) -> Links:
        """Collect what the rules have to tell each other."""
        rules = self._rules
        return Links(
            own_addresses=frozenset(self.addresses),
            listeners=frozenset(self._listeners),
            full_queues=frozenset(p for rule in rules for p in rule.full_queues()),
            unanswered=[s for rule in rules for s in rule.unanswered()],
            unfinished=Counter(a for rule in rules for a in rule.unfinished()),
            half_open={p: n for r in rules for p, n in r.half_open().items()},
        )

    def _why_no_host(self) -> str | None:
        """Why the limits of the host are not examined; None: they are."""
        if Capability.HOST_LIMITS in self._context.missing:
            is_live = self._context.is_live
            here = "this system does not report them"
            return here if is_live else "no listing contains them"
        if self._context.is_filtered:
            return "only some of its sockets are examined"
        return None
