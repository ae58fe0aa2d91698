"""Show every socket to the rules that want to see it, and ask what they found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tcpstates.diagnose.accepting import Accepting
from tcpstates.diagnose.blocked import Blocked
from tcpstates.diagnose.case import Case, Host, Rule, Suspect, plain, spell_services
from tcpstates.diagnose.closing import Closing, find_orphans_limit
from tcpstates.diagnose.kept import Kept
from tcpstates.diagnose.opening import Connecting, HalfOpen
from tcpstates.diagnose.ports import Ports, find_time_wait_limit
from tcpstates.diagnose.resources import find_crowded_processes, find_memory_pressure
from tcpstates.findings import Finding, Gap
from tcpstates.model import Batch
from tcpstates.states import TcpState

# A rule looks at sockets, of some states; a check at what the kernel counts itself.
_RULES: tuple[Callable[[Host], Rule], ...] = (
    Kept,
    Closing,
    Connecting,
    Blocked,
)
_CHECKS: tuple[Callable[[Host, Case], Iterator[Finding | Gap]], ...] = (
    find_time_wait_limit,
    find_orphans_limit,
    find_crowded_processes,
    find_memory_pressure,
)


class Examiner:
    """One look at the sockets of a host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.ports = Ports(host)
        self._unheld = (Accepting(host), HalfOpen(host))
        rules = (make(host) for make in _RULES)
        self._rules: list[Rule] = [*rules, *self._unheld, self.ports]
        self._by_state = {
            str(state): [rule for rule in self._rules if state in rule.states]
            for state in TcpState
        }
        self.counted: Counter[str] = Counter()  # sockets by state
        self.addresses: set[str] = set()  # of this host

    def look(self, batches: Iterable[Batch]) -> None:
        """Look at sockets; each rule sees those of one state at a time."""
        for batch in batches:
            spell_services(batch)
            words = batch.column("word")
            self.counted.update(words)
            self.addresses.update(map(plain, set(batch.column("local_address"))))
            present = dict.fromkeys(words)  # in their order: what is said is so too
            for word in present:
                same = batch
                if len(present) > 1:
                    same = batch.keep([other == word for other in words])
                for rule in self._by_state.get(word, ()):
                    rule.look(word, same)

    def look_unheld(self, batches: Iterable[Batch]) -> None:
        """Look at what no process holds, which a filter by process has left out."""
        for batch in batches:
            for rule in self._unheld:
                rule.look_unheld(batch)

    def suspected(self) -> Iterator[Suspect]:
        """Yield the sockets whose holders, and other ends, matter."""
        for rule in self._rules:
            yield from rule.suspected()

    def find(self, case: Case) -> tuple[list[Finding], list[Gap]]:
        """Return the findings, the gravest first, and what could not be looked at."""
        found: list[Finding | Gap] = []
        for rule in self._rules:
            found += rule.find(case)
        if self._host.is_filtered or self._host.is_saved:
            why = "no listing tells them"
            if not self._host.is_saved:
                why = "only some of its sockets are looked at"
            found.append(Gap("host", f"the limits of the host ({why})"))
        else:
            for check in _CHECKS:
                found += check(self._host, case)
        findings = [each for each in found if isinstance(each, Finding)]
        findings.sort(key=lambda finding: (-finding.severity, -finding.size))
        return findings, [each for each in found if isinstance(each, Gap)]
