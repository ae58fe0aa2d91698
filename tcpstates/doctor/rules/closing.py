"""Closed sockets that the kernel cannot finish: peers that do not acknowledge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tcpstates.ages import probed_ms
from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts, FlaggedSocket, RuleContext
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.phrases import (
    local_peer_lines,
    no_process_note,
    remote_peers,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.model import Reason
from tcpstates.states import TcpState
from tcpstates.wording import counted

_STATES = (TcpState.FIN_WAIT_1, TcpState.LAST_ACK, TcpState.CLOSING)
_TRIED = 3  # retries: they take 1.4 s if the first one follows after 0.2 s


class ClosingRule(Rule):
    """FIN_WAIT_1, LAST_ACK and CLOSING sockets that do not finish."""

    states = frozenset(map(str, _STATES))

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._silent: list[FlaggedSocket] = []  # the FIN is not acknowledged
        self._full: list[FlaggedSocket] = []  # the peer accepts no data: the FIN waits

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect sockets that retransmit or cannot send: see `Rule`."""
        timers = batch.column("timer")
        tries = batch.column("retransmits")
        silent = [
            timer == "retransmit" and (number or 0) >= _TRIED
            for timer, number in zip(timers, tries, strict=True)
        ]
        self._silent += self._context.sockets(batch.select(silent))
        if "probe" in timers:
            full = batch.select([timer == "probe" for timer in timers])
            infos = full.column("info")
            least = self._context.thresholds.zero_window_ms
            lasting = [info is None or probed_ms(info) >= least for info in infos]
            self._full += self._context.sockets(full.select(lasting))

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield all collected sockets."""
        yield from self._silent
        yield from self._full

    def find(self, facts: Facts) -> Iterator[Outcome]:
        """Yield one finding per problem: it is the peers that matter."""
        if Capability.TIMERS in self._context.missing and any(
            map(facts.counted.get, self.states)
        ):
            yield NotExamined(
                rule="closing",
                text="closing sockets (retransmissions not reported by the source)",
            )
        least = max(self._context.thresholds.closing_count, 1)
        if len(self._silent) >= least:
            yield self._finding(facts, "closing", self._silent, _SILENT)
        if len(self._full) >= least:
            yield self._finding(facts, "closing-full", self._full, _FULL)

    def _finding(
        self, facts: Facts, rule: str, sockets: list[FlaggedSocket], words: _Texts
    ) -> Finding:
        number = len(sockets)
        states = Counter(socket.state_label for socket in sockets)
        owners = {h: len(s) for h, s in facts.by_owner(sockets).items()}
        owner = next((h for h in owners if h.pids), next(iter(owners)))
        orphans = sum(n for h, n in owners.items() if h.reason == Reason.ORPHAN)
        is_known = any(h.pids or h.reason == Reason.ORPHAN for h in owners)
        many = number >= self._context.thresholds.closing_many
        return Finding(
            rule=rule,
            subject="host",
            severity=Severity.WARNING if many else Severity.NOTICE,
            size=number,
            verdict=f"{counted(number, 'closing socket')} {words.verdict}:"
            f" {', '.join(f'{count:,} in {label}' for label, count in states.items())}",
            evidence=(
                *((_held(number, orphans),) if is_known else ()),
                *local_peer_lines(facts, sockets, words.blame),
            ),
            numbers={"sockets": number, "orphans": orphans if is_known else None},
            means=words.means,
            commands=(
                "tcpstates -tano fin_wait_1 last_ack closing --by remote-address",
            ),
            advice=(words.remedy,),
            unless=words.unless,
            processes=facts.processes(owner),
            no_process="the kernel: no process owns them"
            if orphans == number
            else no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=False),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """The texts for one of the problems."""

    verdict: str
    blame: str
    means: str
    remedy: str
    unless: str


_SILENT = _Texts(
    verdict="get no answer to their FIN",
    blame="the path between them drops all",
    means="The peers are gone, or a firewall has forgotten them. The kernel gives up"
    " orphans by itself (tcp_orphan_retries: about a minute or two).",
    remedy="if a firewall or NAT forgets idle connections: shorten the keepalive"
    " interval",
    unless="a server with many mobile clients always has some",
)
_FULL = _Texts(
    verdict="cannot send their remaining data",
    blame="the side that does not read is at fault",
    means="The peers accept no data (zero window), so the FIN has to wait. They"
    " answer every probe: their programs do not read.",
    remedy="at the peers: tcpstates doctor",
    unless="peers that read slowly on purpose",
)


def _held(number: int, orphans: int) -> str:
    if not orphans:
        return "none is an orphan: processes still own them"
    which = "all" if orphans == number else f"{orphans:,}"
    return f"{which} are orphans, which no process owns any more"
