"""Connections that go nowhere.

| trouble | seen by |
|---|---|
| the peer does not answer | the retransmission timer, and how often it has fired |
| the peer does not read | the probe timer: its window is zero |
| we do not read | data in Recv-Q although nothing has come for long |
| nobody would notice | no timer at all, so no keepalive, and nothing moves for hours |

The first two are so in CLOSE_WAIT too, where this end may still send, and the third in
FIN_WAIT_2, where it may still receive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tcpstates.ages import idle_ms, probed_ms
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
    counted,
    local_peer_lines,
    no_process_note,
    owner_filter,
    percent,
    remote_peers,
    resume_commands,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.model import Batch
from tcpstates.settings import KernelSettings
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_bytes, format_ms

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
        """Take what is suspicious: see `Rule`."""
        limits = self._context.thresholds
        timers = batch.column("timer")
        if state_label in _SENDS and "retransmit" in timers:
            tries = zip(timers, batch.column("retransmits"), strict=True)
            least = limits.retransmits
            silent = [t == "retransmit" and (n or 0) >= least for t, n in tries]
            self._silent += self._context.sockets(batch.keep(silent))
        if state_label in _SENDS and "probe" in timers:
            full = batch.keep([timer == "probe" for timer in timers])
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
        names = ("remote_address", "inode")
        idle = [
            timer == "off"
            and ms is not None
            and ms >= limit
            and inode != 0
            and not address.startswith(_LOOPBACK)
            for timer, ms, address, inode in zip(
                timers, times, *map(batch.column, names), strict=True
            )
        ]
        self._idle += self._since(batch, idle, times)

    def _since(
        self, batch: Batch, chosen: Sequence[bool], times: Sequence[Any]
    ) -> Iterator[FlaggedSocket]:
        """Yield the chosen sockets with their times."""
        kept = (ms for ms, is_chosen in zip(times, chosen, strict=True) if is_chosen)
        sockets = self._context.sockets(batch.keep(chosen))
        return (s._replace(since_ms=ms) for s, ms in zip(sockets, kept, strict=True))

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Return every one of them."""
        for found in (self._silent, self._full, self._unread, self._idle):
            yield from found

    def find(self, facts: Facts) -> Iterator[Outcome]:
        """Yield findings by trouble and by process."""
        if facts.counted.get(_ESTABLISHED):
            if Capability.TIMERS in self._context.missing:
                text = "peers that do not answer (the source tells no timers)"
                yield NotExamined(rule="silent-peer", text=text)
            if Capability.TCP_INFO in self._context.missing:
                yield NotExamined(
                    rule="unread",
                    text="for how long data wait (the source does not tell)",
                )
        # The other end on this host cannot vanish without a trace.
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
        """Tell what this host depends on from some clients who went away.

        A server that this host has connected to matters alone.
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
            verdict=f"{owner} sends and gets no answer: {counted(number, 'connection')}",
            evidence=(
                (
                    f"sent again up to {tries} times; {format_bytes(queued)} wait to be"
                    " acknowledged"
                ),
                *local_peer_lines(facts, sockets, "the path between them loses all"),
            ),
            numbers={"sockets": number, "retransmits": tries, "send_q": queued},
            means="The path is broken or the host is gone. The kernel gives up after"
            f" {_tries(self._context.settings)}; the program learns of it then.",
            commands=(
                "tcpstates -tanpoi retrans '>' 0" + owner_filter(owner),
                command_line("ip route get {}", unmap_ipv4(sockets[0].remote_address)),
            ),
            advice=("in the program: TCP_USER_TIMEOUT ends such connections sooner",),
            unless="one of many clients that went away, as mobile ones do",
            processes=facts.processes(owner),
            no_process=no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=True),
        )

    def _zero_window(
        self, facts: Facts, owner: OwnerGroup, sockets: Sequence[FlaggedSocket]
    ) -> Finding:
        number = len(sockets)
        longest = max(socket.since_ms for socket in sockets)
        lasts = f", for {format_ms(longest)} or more" if longest else ""
        queued = sum(socket.send_q or 0 for socket in sockets)
        blame = "the side that does not read is to blame, not the sender"
        return Finding(
            rule="zero-window",
            subject=owner.subject,
            severity=self._grade(facts, sockets) if longest else Severity.NOTICE,
            size=number,
            verdict=f"{owner} cannot send: peers of {counted(number, 'connection')} take"
            f" nothing{lasts}",
            evidence=(
                (
                    f"{format_bytes(queued)} wait to be sent; the probe timer runs: the"
                    " peers' windows are zero"
                ),
                *local_peer_lines(facts, sockets, blame),
            ),
            numbers={"sockets": number, "send_q": queued, "longest_ms": int(longest)},
            means="The peers' programs do not read what has arrived. Their kernels answer, so"
            " nothing ends this here.",
            commands=("tcpstates -tanpoi timer = probe" + owner_filter(owner),),
            advice=(
                "at the peer: tcpstates -tanp recv-q '>' 0",
                "in the program: a timeout for sending",
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
            verdict=f"{owner} does not read, or too slowly: data wait in"
            f" {counted(number, 'connection')}, for {format_ms(longest)} or more",
            evidence=(
                f"{format_bytes(queued)} in Recv-Q, and nothing has come meanwhile",
                *local_peer_lines(
                    facts, sockets, "the side that does not read is to blame"
                ),
            ),
            numbers={"sockets": number, "recv_q": queued, "longest_ms": int(longest)},
            means="The data have arrived and the program does not take them all: it is stuck,"
            " stopped, busy elsewhere, or has forgotten the connection.",
            commands=(
                *resume_commands(processes),
                "tcpstates -tanpi recv-q '>' 0" + owner_filter(owner),
                *((command_line("cat {}", f"/proc/{pid}/stack"),) if pid else ()),
            ),
            advice=("find out what the reader waits for: a lock, a disk, a database",),
            unless="a program that reads slowly on purpose, as a proxy does for a slow client;"
            " then Recv-Q shrinks",
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
            verdict=f"{owner} would not notice lost peers: {counted(number, 'connection')}"
            f" idle for up to {format_ms(longest)}, without keepalive",
            evidence=(),
            numbers={"sockets": number, "longest_ms": int(longest)},
            means="Nothing is sent, and no timer runs: a peer that has vanished, or that a"
            " firewall has forgotten, is never found out.",
            commands=(
                command_line(
                    "tcpstates -tanpo established timer = off idle '>=' {}", limit
                )
                + owner_filter(owner),
            ),
            advice=("in the program: SO_KEEPALIVE with TCP_KEEPIDLE of some minutes",),
            unless="the program sends a message of its own now and then",
            processes=facts.processes(owner),
            no_process=no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=False),
        )


def _tries(settings: KernelSettings) -> str:
    if not settings.is_known:
        return "tcp_retries2 tries (15, the default, take a quarter of an hour)"
    number = settings.retries2
    return f"{number} tries (tcp_retries2; 15 take a quarter of an hour)"
