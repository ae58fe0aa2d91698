"""Peers that do not answer, or do not read.

| problem | evidence |
|---|---|
| the peer does not answer | the retransmission timer, and how often it has fired |
| the peer does not read | the probe timer: its window is zero |

Both also occur in CLOSE_WAIT, where this end may still send.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tcpstates.ages import probed_ms
from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import (
    Facts,
    FlaggedSocket,
    OwnerGroup,
    RuleContext,
    unmap_ipv4,
)
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.phrases import (
    local_peer_lines,
    no_process_note,
    owner_filter,
    percent,
    remote_peers,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.settings import KernelSettings
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_bytes, format_ms
from tcpstates.wording import counted

_ESTABLISHED = str(TcpState.ESTABLISHED)


class UnresponsivePeerRule(Rule):
    """Connections whose data the peer does not acknowledge, or does not accept."""

    states = frozenset({_ESTABLISHED, str(TcpState.CLOSE_WAIT)})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._silent: list[FlaggedSocket] = []
        self._full: list[FlaggedSocket] = []

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect suspicious sockets: see `Rule`."""
        limits = self._context.thresholds
        timers = batch.column("timer")
        if "retransmit" in timers:
            tries = zip(timers, batch.column("retransmits"), strict=True)
            least = limits.retransmits
            silent = [t == "retransmit" and (n or 0) >= least for t, n in tries]
            self._silent += self._context.sockets(batch.select(silent))
        if "probe" in timers:
            full = batch.select([timer == "probe" for timer in timers])
            for socket, info in zip(
                self._context.sockets(full), full.column("info"), strict=True
            ):
                lasts = probed_ms(info or {})
                if lasts >= limits.zero_window_ms or info is None:
                    self._full.append(socket._replace(since_ms=lasts))

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield all collected sockets."""
        yield from self._silent
        yield from self._full

    def find(self, facts: Facts) -> Iterator[Outcome]:
        """Yield a finding per problem and process."""
        is_blind = Capability.TIMERS in self._context.missing
        if facts.counted.get(_ESTABLISHED) and is_blind:
            text = "peers that do not answer (timers not reported by the source)"
            yield NotExamined(rule="silent-peer", text=text)
        for owner, sockets in facts.by_owner(self._silent).items():
            yield self._silent_peers(facts, owner, sockets)
        for owner, sockets in facts.by_owner(self._full).items():
            yield self._zero_window(facts, owner, sockets)

    def _grade(self, facts: Facts, sockets: Sequence[FlaggedSocket]) -> Severity:
        """Distinguish servers that this host depends on from clients that went away.

        A single server that this host has connected to is enough for a warning.
        """
        number, listening = len(sockets), self._context.listening
        has_connected = any(s.local_port not in listening for s in sockets)
        share = percent(number * 100, facts.counted.get(_ESTABLISHED)) or 0
        limits = self._context.thresholds
        is_many = share >= limits.share_percent * 100
        enough = has_connected or number >= limits.pool_count
        return Severity.WARNING if is_many and enough else Severity.NOTICE

    def _silent_peers(
        self, facts: Facts, owner: OwnerGroup, sockets: Sequence[FlaggedSocket]
    ) -> Finding:
        number = len(sockets)
        tries = max(socket.retransmits or 0 for socket in sockets)
        queued = sum(socket.send_q or 0 for socket in sockets)
        return Finding(
            rule="silent-peer",
            subject=owner.subject,
            severity=self._grade(facts, sockets),
            size=number,
            verdict=f"{owner} sends but gets no answer:"
            f" {counted(number, 'connection')}",
            evidence=(
                (
                    f"data resent up to {tries} times; {format_bytes(queued)} not"
                    " acknowledged"
                ),
                *local_peer_lines(facts, sockets, "the path between them drops all"),
            ),
            numbers={"sockets": number, "retransmits": tries, "send_q": queued},
            means="The path is broken, or the peer's host is gone. The kernel gives"
            f" up after {_tries(self._context.settings)}; only then does the program"
            " learn of it.",
            commands=(
                "tcpstates -tanpoi retrans '>' 0" + owner_filter(owner),
                command_line("ip route get {}", unmap_ipv4(sockets[0].remote_address)),
            ),
            advice=("in the program: TCP_USER_TIMEOUT ends such connections sooner",),
            unless="one of many clients that went away, as mobile clients do",
            processes=facts.processes(owner),
            no_process=no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=True),
        )

    def _zero_window(
        self, facts: Facts, owner: OwnerGroup, sockets: Sequence[FlaggedSocket]
    ) -> Finding:
        number = len(sockets)
        longest = max(socket.since_ms for socket in sockets)
        lasts = f" for at least {format_ms(longest)}" if longest else ""
        queued = sum(socket.send_q or 0 for socket in sockets)
        blame = "the side that does not read is at fault, not the sender"
        return Finding(
            rule="zero-window",
            subject=owner.subject,
            severity=self._grade(facts, sockets) if longest else Severity.NOTICE,
            size=number,
            verdict=f"{owner} cannot send: the peers of"
            f" {counted(number, 'connection')} accept no data{lasts}",
            evidence=(
                (
                    f"{format_bytes(queued)} wait to be sent; the probe timer runs: the"
                    " peers' windows are zero"
                ),
                *local_peer_lines(facts, sockets, blame),
            ),
            numbers={"sockets": number, "send_q": queued, "longest_ms": int(longest)},
            means="The peers' programs do not read the data that have arrived. Their"
            " kernels still answer, so nothing on this host ends the connections.",
            commands=("tcpstates -tanpoi timer = probe" + owner_filter(owner),),
            advice=(
                "at the peer: tcpstates -tanp recv-q '>' 0",
                "in the program: set a timeout for sending",
            ),
            unless="a peer that reads slowly on purpose, as a paused player does",
            processes=facts.processes(owner),
            no_process=no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=True),
        )


def _tries(settings: KernelSettings) -> str:
    if not settings.is_known:
        return "tcp_retries2 tries (15, the default, take a quarter of an hour)"
    number = settings.retries2
    return f"{number} tries (tcp_retries2; 15 take a quarter of an hour)"
