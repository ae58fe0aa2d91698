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
from tcpstates.diagnose.case import Case, Holder, Host, Suspect, plain
from tcpstates.diagnose.words import (
    counted,
    percent,
    program_word,
    remote_peers,
    resumed,
    told_other_ends,
    unnamed,
)
from tcpstates.findings import Finding, Gap, Severity
from tcpstates.lifecycle.meanings import Settings
from tcpstates.model import Batch
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_bytes, format_ms

_ESTABLISHED = str(TcpState.ESTABLISHED)
_SENDS = frozenset({_ESTABLISHED, str(TcpState.CLOSE_WAIT)})
_RECEIVES = frozenset({_ESTABLISHED, str(TcpState.FIN_WAIT_2)})
_LOOPBACK = ("127.", "::1", "::ffff:127.")


class Blocked:
    """Open connections that are dead, blocked or forgotten."""

    states = _SENDS | _RECEIVES

    def __init__(self, host: Host) -> None:
        self._host = host
        self._silent: list[Suspect] = []
        self._full: list[Suspect] = []
        self._unread: list[Suspect] = []
        self._idle: list[Suspect] = []

    def look(self, word: str, batch: Batch) -> None:
        """Take what is suspicious: see `Rule`."""
        limits = self._host.thresholds
        timers = batch.column("timer")
        if word in _SENDS and "retransmit" in timers:
            tries = zip(timers, batch.column("retransmits"), strict=True)
            least = limits.retransmits
            silent = [t == "retransmit" and (n or 0) >= least for t, n in tries]
            self._silent += self._host.suspects(batch.keep(silent))
        if word in _SENDS and "probe" in timers:
            full = batch.keep([timer == "probe" for timer in timers])
            for suspect, info in zip(
                self._host.suspects(full), full.column("info"), strict=True
            ):
                lasts = probed_ms(info or {})
                if lasts >= limits.zero_window_ms or info is None:
                    self._full.append(suspect._replace(since_ms=lasts))
        if word in _RECEIVES and any(batch.column("recv_q")):
            self._take_unread(batch)
        if word == _ESTABLISHED:
            self._take_idle(batch, timers)

    def _take_unread(self, batch: Batch) -> None:
        times = batch.column("info.last_received_ms")
        limit = self._host.thresholds.unread_ms
        columns = (batch.column("recv_q"), batch.column("inode"), times)
        unread = [
            bool(queue and inode) and ms is not None and ms >= limit
            for queue, inode, ms in zip(*columns, strict=True)
        ]
        self._unread += self._since(batch, unread, times)

    def _take_idle(self, batch: Batch, timers: Sequence[str | None]) -> None:
        times = list(idle_ms(batch))
        limit = self._host.thresholds.idle_ms
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
    ) -> Iterator[Suspect]:
        """Yield the chosen sockets with their times."""
        kept = (ms for ms, is_chosen in zip(times, chosen, strict=True) if is_chosen)
        suspects = self._host.suspects(batch.keep(chosen))
        return (s._replace(since_ms=ms) for s, ms in zip(suspects, kept, strict=True))

    def suspected(self) -> Iterator[Suspect]:
        """Return every one of them."""
        for found in (self._silent, self._full, self._unread, self._idle):
            yield from found

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield findings by trouble and by process."""
        if case.counted.get(_ESTABLISHED):
            if Capability.TIMERS in self._host.missing:
                text = "peers that do not answer (the source tells no timers)"
                yield Gap("silent-peer", text)
            if Capability.TCP_INFO in self._host.missing:
                yield Gap("unread", "for how long data wait (the source does not tell)")
        # The other end on this host cannot vanish without a trace.
        idle = [s for s in self._idle if s.mirrored not in case.partners]
        for found, make in (
            (self._silent, self._silent_peers),
            (self._full, self._zero_window),
            (self._unread, self._not_read),
            (idle, self._forgotten),
        ):
            for holder, suspects in case.by_holder(found).items():
                yield make(case, holder, suspects)

    def _grade(self, case: Case, suspects: Sequence[Suspect]) -> Severity:
        """Tell what this host depends on from some clients who went away.

        A server that this host has connected to matters alone.
        """
        number, listening = len(suspects), self._host.listening
        has_connected = any(s.local_port not in listening for s in suspects)
        share = percent(number * 100, case.counted.get(_ESTABLISHED)) or 0
        limits = self._host.thresholds
        is_many = share >= limits.share_percent * 100
        enough = has_connected or number >= limits.pool_count
        return Severity.WARNING if is_many and enough else Severity.NOTICE

    def _silent_peers(
        self, case: Case, holder: Holder, suspects: Sequence[Suspect]
    ) -> Finding:
        number = len(suspects)
        tries = max(suspect.retransmits or 0 for suspect in suspects)
        queued = sum(suspect.send_q or 0 for suspect in suspects)
        return Finding(
            "silent-peer",
            holder.subject,
            self._grade(case, suspects),
            number,
            f"{holder} sends and gets no answer: {counted(number, 'connection')}",
            (
                (
                    f"sent again up to {tries} times; {format_bytes(queued)} wait to be"
                    " acknowledged"
                ),
                *told_other_ends(case, suspects, "the path between them loses all"),
            ),
            {"sockets": number, "retransmits": tries, "send_q": queued},
            "The path is broken or the host is gone. The kernel gives up after"
            f" {_tries(self._host.settings)}; the program learns of it then.",
            (
                "tcpstates -tanpoi retrans '>' 0" + program_word(holder),
                command_line("ip route get {}", plain(suspects[0].remote_address)),
                "in the program: TCP_USER_TIMEOUT ends such connections sooner",
            ),
            "one of many clients that went away, as mobile ones do",
            case.processes(holder),
            unnamed(case, holder),
            remote_peers(suspects, with_port=True),
        )

    def _zero_window(
        self, case: Case, holder: Holder, suspects: Sequence[Suspect]
    ) -> Finding:
        number = len(suspects)
        longest = max(suspect.since_ms for suspect in suspects)
        lasts = f", for {format_ms(longest)} or more" if longest else ""
        queued = sum(suspect.send_q or 0 for suspect in suspects)
        blame = "the side that does not read is to blame, not the sender"
        return Finding(
            "zero-window",
            holder.subject,
            self._grade(case, suspects) if longest else Severity.NOTICE,
            number,
            f"{holder} cannot send: peers of {counted(number, 'connection')} take"
            f" nothing{lasts}",
            (
                (
                    f"{format_bytes(queued)} wait to be sent; the probe timer runs: the"
                    " peers' windows are zero"
                ),
                *told_other_ends(case, suspects, blame),
            ),
            {"sockets": number, "send_q": queued, "longest_ms": int(longest)},
            "The peers' programs do not read what has arrived. Their kernels answer, so"
            " nothing ends this here.",
            (
                "tcpstates -tanpoi timer = probe" + program_word(holder),
                "at the peer: tcpstates -tanp recv-q '>' 0",
                "in the program: a timeout for sending",
            ),
            "a peer that reads slowly on purpose, as a paused player does",
            case.processes(holder),
            unnamed(case, holder),
            remote_peers(suspects, with_port=True),
        )

    def _not_read(
        self, case: Case, holder: Holder, suspects: Sequence[Suspect]
    ) -> Finding:
        number = len(suspects)
        longest = max(suspect.since_ms for suspect in suspects)
        queued = sum(suspect.recv_q or 0 for suspect in suspects)
        processes = case.processes(holder)
        pid = holder.pids[0] if holder.pids else None
        return Finding(
            "unread",
            holder.subject,
            Severity.WARNING,
            number,
            f"{holder} does not read, or too slowly: data wait in"
            f" {counted(number, 'connection')}, for {format_ms(longest)} or more",
            (
                f"{format_bytes(queued)} in Recv-Q, and nothing has come meanwhile",
                *told_other_ends(
                    case, suspects, "the side that does not read is to blame"
                ),
            ),
            {"sockets": number, "recv_q": queued, "longest_ms": int(longest)},
            "The data have arrived and the program does not take them all: it is stuck,"
            " stopped, busy elsewhere, or has forgotten the connection.",
            (
                *resumed(processes),
                "tcpstates -tanpi recv-q '>' 0" + program_word(holder),
                *((command_line("cat {}", f"/proc/{pid}/stack"),) if pid else ()),
                "find out what the reader waits for: a lock, a disk, a database",
            ),
            "a program that reads slowly on purpose, as a proxy does for a slow client;"
            " then Recv-Q shrinks",
            processes,
            unnamed(case, holder),
            remote_peers(suspects, with_port=False),
        )

    def _forgotten(
        self, case: Case, holder: Holder, suspects: Sequence[Suspect]
    ) -> Finding:
        number = len(suspects)
        longest = max(suspect.since_ms for suspect in suspects)
        limit = f"{self._host.thresholds.idle_ms / 1000:g}s"
        return Finding(
            "idle",
            holder.subject,
            Severity.NOTICE,
            number,
            f"{holder} would not notice lost peers: {counted(number, 'connection')}"
            f" idle for up to {format_ms(longest)}, without keepalive",
            (),
            {"sockets": number, "longest_ms": int(longest)},
            "Nothing is sent, and no timer runs: a peer that has vanished, or that a"
            " firewall has forgotten, is never found out.",
            (
                command_line(
                    "tcpstates -tanpo established timer = off idle '>=' {}", limit
                )
                + program_word(holder),
                "in the program: SO_KEEPALIVE with TCP_KEEPIDLE of some minutes",
            ),
            "the program sends a message of its own now and then",
            case.processes(holder),
            unnamed(case, holder),
            remote_peers(suspects, with_port=False),
        )


def _tries(settings: Settings) -> str:
    if not settings.is_told:
        return "tcp_retries2 tries (15, the default, take a quarter of an hour)"
    number = settings.retries2
    return f"{number} tries (tcp_retries2; 15 take a quarter of an hour)"
