"""Open connections that make no progress.

| problem | evidence |
|---|---|
| the peer does not answer | the retransmission timer, and how often it has fired |
| the peer does not read | the probe timer: its window is zero |
| this end does not read | data in Recv-Q, and nothing has arrived for a long time |
| a lost peer is not noticed | no timer, so no keepalive; no traffic for hours |

The first two also occur in CLOSE_WAIT, where this end may still send. The third also
occurs in FIN_WAIT_2, where this end may still receive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tcpstates.ages import idle_ms, probed_ms
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
    resume_commands,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.settings import KernelSettings
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_bytes, format_ms
from tcpstates.wording import counted

_ESTABLISHED = str(TcpState.ESTABLISHED)
_SENDS = frozenset({_ESTABLISHED, str(TcpState.CLOSE_WAIT)})
_RECEIVES = frozenset({_ESTABLISHED, str(TcpState.FIN_WAIT_2)})
_LOOPBACK = ("127.", "::1", "::ffff:127.")


class StalledRule(Rule):
    """Open connections that are dead, blocked or forgotten."""

    states = _SENDS | _RECEIVES

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._silent: list[FlaggedSocket] = []
        self._full: list[FlaggedSocket] = []
        self._unread: list[FlaggedSocket] = []
        self._idle: list[FlaggedSocket] = []

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect suspicious sockets: see `Rule`."""
        limits = self._context.thresholds
        timers = batch.column("timer")
        if state_label in _SENDS and "retransmit" in timers:
            tries = zip(timers, batch.column("retransmits"), strict=True)
            least = limits.retransmits
            silent = [t == "retransmit" and (n or 0) >= least for t, n in tries]
            self._silent += self._context.sockets(batch.select(silent))
        if state_label in _SENDS and "probe" in timers:
            full = batch.select([timer == "probe" for timer in timers])
            for socket, info in zip(
                self._context.sockets(full), full.column("info"), strict=True
            ):
                lasts = probed_ms(info or {})
                if lasts >= limits.zero_window_ms or info is None:
                    self._full.append(socket._replace(since_ms=lasts))
        if state_label in _RECEIVES and any(batch.column("recv_q")):
            self._take_unread(batch)
        if state_label == _ESTABLISHED:
            self._take_idle(batch, timers)

    def _take_unread(self, batch: Batch) -> None:
        times = batch.column("info.last_received_ms")
        limit = self._context.thresholds.unread_ms
        columns = (batch.column("recv_q"), batch.column("inode"), times)
        unread = [
            bool(queue and inode) and ms is not None and ms >= limit
            for queue, inode, ms in zip(*columns, strict=True)
        ]
        self._unread += self._since(batch, unread, times)

    def _take_idle(self, batch: Batch, timers: Sequence[str | None]) -> None:
        times = list(idle_ms(batch))
        limit = self._context.thresholds.idle_ms
        if max((ms for ms in times if ms is not None), default=0) < limit:
            return
        idle = [
            timer == "off"
            and ms is not None
            and ms >= limit
            and inode != 0
            and not address.startswith(_LOOPBACK)
            for timer, ms, (address, inode) in zip(
                timers, times, batch.rows("remote_address", "inode"), strict=True
            )
        ]
        self._idle += self._since(batch, idle, times)

    def _since(
        self, batch: Batch, chosen: Sequence[bool], times: Sequence[Any]
    ) -> Iterator[FlaggedSocket]:
        """Yield the chosen sockets with their times."""
        kept = (ms for ms, is_chosen in zip(times, chosen, strict=True) if is_chosen)
        sockets = self._context.sockets(batch.select(chosen))
        return (s._replace(since_ms=ms) for s, ms in zip(sockets, kept, strict=True))

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield all collected sockets."""
        for found in (self._silent, self._full, self._unread, self._idle):
            yield from found

    def find(self, facts: Facts) -> Iterator[Outcome]:
        """Yield a finding per problem and process."""
        if facts.counted.get(_ESTABLISHED):
            if Capability.TIMERS in self._context.missing:
                text = "peers that do not answer (timers not reported by the source)"
                yield NotExamined(rule="silent-peer", text=text)
            if Capability.TCP_INFO in self._context.missing:
                yield NotExamined(
                    rule="unread",
                    text="how long data wait (not reported by the source)",
                )
        # A peer on this host cannot vanish without a trace.
        idle = [s for s in self._idle if s.mirrored not in facts.partners]
        for found, make in (
            (self._silent, self._silent_peers),
            (self._full, self._zero_window),
            (self._unread, self._not_read),
            (idle, self._forgotten),
        ):
            for owner, sockets in facts.by_owner(found).items():
                yield make(facts, owner, sockets)

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

    def _not_read(
        self, facts: Facts, owner: OwnerGroup, sockets: Sequence[FlaggedSocket]
    ) -> Finding:
        number = len(sockets)
        longest = max(socket.since_ms for socket in sockets)
        queued = sum(socket.recv_q or 0 for socket in sockets)
        processes = facts.processes(owner)
        pid = owner.pids[0] if owner.pids else None
        return Finding(
            rule="unread",
            subject=owner.subject,
            severity=Severity.WARNING,
            size=number,
            verdict=f"{owner} does not read, or reads too slowly: data wait in"
            f" {counted(number, 'connection')} for at least {format_ms(longest)}",
            evidence=(
                f"{format_bytes(queued)} in Recv-Q, and nothing has arrived meanwhile",
                *local_peer_lines(
                    facts, sockets, "the side that does not read is at fault"
                ),
            ),
            numbers={"sockets": number, "recv_q": queued, "longest_ms": int(longest)},
            means="The data have arrived, but the program does not read all of them:"
            " it is stuck, stopped, busy elsewhere, or has forgotten the connection.",
            commands=(
                *resume_commands(processes),
                "tcpstates -tanpi recv-q '>' 0" + owner_filter(owner),
                *((command_line("cat {}", f"/proc/{pid}/stack"),) if pid else ()),
            ),
            advice=("find out what the reader waits for: a lock, a disk, a database",),
            unless="a program that reads slowly on purpose, as a proxy does for a"
            " slow client; then Recv-Q shrinks",
            processes=processes,
            no_process=no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=False),
        )

    def _forgotten(
        self, facts: Facts, owner: OwnerGroup, sockets: Sequence[FlaggedSocket]
    ) -> Finding:
        number = len(sockets)
        longest = max(socket.since_ms for socket in sockets)
        limit = f"{self._context.thresholds.idle_ms / 1000:g}s"
        return Finding(
            rule="idle",
            subject=owner.subject,
            severity=Severity.NOTICE,
            size=number,
            verdict=f"{owner} would not notice lost peers:"
            f" {counted(number, 'connection')}"
            f" idle for up to {format_ms(longest)}, without keepalive",
            evidence=(),
            numbers={"sockets": number, "longest_ms": int(longest)},
            means="Nothing is sent and no timer runs. If a peer vanishes, or a firewall"
            " forgets the connection, the program never notices.",
            commands=(
                command_line(
                    "tcpstates -tanpo established timer = off idle '>=' {}", limit
                )
                + owner_filter(owner),
            ),
            advice=(
                "in the program: set SO_KEEPALIVE, with TCP_KEEPIDLE of some minutes",
            ),
            unless="the program itself sends a message from time to time",
            processes=facts.processes(owner),
            no_process=no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=False),
        )


def _tries(settings: KernelSettings) -> str:
    if not settings.is_known:
        return "tcp_retries2 tries (15, the default, take a quarter of an hour)"
    number = settings.retries2
    return f"{number} tries (tcp_retries2; 15 take a quarter of an hour)"
