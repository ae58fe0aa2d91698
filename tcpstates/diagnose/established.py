"""Connections that are open and go nowhere.

| trouble | seen by |
|---|---|
| the peer does not answer | the retransmission timer, and how often it has fired |
| the peer does not read | the probe timer: its window is zero |
| we do not read | data in Recv-Q although nothing has come for long |
| nobody would notice | no timer at all, so no keepalive, and nothing moves for hours |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tcpstates.ages import idle_ms
from tcpstates.diagnose.case import Case, Holder, Host, Suspect
from tcpstates.diagnose.words import (
    counted,
    percent,
    program_word,
    remote_peers,
    told_other_ends,
    unnamed,
)
from tcpstates.findings import Finding, Gap, Severity
from tcpstates.model import Batch
from tcpstates.states import TcpState
from tcpstates.text import format_bytes, format_ms

_ESTABLISHED = str(TcpState.ESTABLISHED)
_SHORTEST_PROBE_MS, _LONGEST_PROBE_MS = 200, 120_000  # TCP_RTO_MIN, TCP_RTO_MAX
_LOOPBACK = ("127.", "::1", "::ffff:127.")


class Established:
    """ESTABLISHED and dead, blocked or forgotten."""

    states = frozenset({_ESTABLISHED})

    def __init__(self, host: Host) -> None:
        """Start without sockets."""
        self._host = host
        self._silent: list[Suspect] = []
        self._full: list[tuple[Suspect, float]] = []  # and for how long
        self._unread: list[tuple[Suspect, float]] = []
        self._idle: list[Suspect] = []
        self._longest_idle = 0.0

    def look(self, word: str, batch: Batch) -> None:
        """Take what is suspicious: see `Rule`."""
        limits = self._host.thresholds
        timers = batch.column("timer")
        if "retransmit" in timers:
            tries = zip(timers, batch.column("retransmits"), strict=True)
            silent = [t == "retransmit" and n >= limits.retransmits for t, n in tries]
            self._silent += self._host.suspects(batch.keep(silent))
        if "probe" in timers:
            full = batch.keep([timer == "probe" for timer in timers])
            infos = full.column("info")
            for suspect, info in zip(self._host.suspects(full), infos, strict=True):
                lasts = _probed_ms(info or {})
                if lasts >= limits.zero_window_ms or info is None:
                    self._full.append((suspect, lasts))
        if any(batch.column("recv_q")):
            self._take_unread(batch)
        self._take_idle(batch, timers)

    def _take_unread(self, batch: Batch) -> None:
        received = batch.column("info.last_received_ms")
        columns = (batch.column("recv_q"), received, batch.column("inode"))
        unread = batch.keep(
            [
                bool(queue and inode) and (ms or 0) >= self._host.thresholds.unread_ms
                for queue, ms, inode in zip(*columns, strict=True)
            ]
        )
        times = unread.column("info.last_received_ms")
        self._unread += zip(self._host.suspects(unread), times, strict=True)

    def _take_idle(self, batch: Batch, timers: Sequence[str | None]) -> None:
        limit = self._host.thresholds.idle_ms
        times = list(idle_ms(batch))
        if max((ms for ms in times if ms is not None), default=0) < limit:
            return
        idle = [
            timer == "off" and (ms or 0) >= limit and not address.startswith(_LOOPBACK)
            for timer, ms, address in zip(
                timers, times, batch.column("remote_address"), strict=True
            )
        ]
        self._idle += self._host.suspects(batch.keep(idle))
        chosen = (ms or 0 for ms, is_idle in zip(times, idle, strict=True) if is_idle)
        self._longest_idle = max(self._longest_idle, *chosen, 0)

    def suspected(self) -> Iterator[Suspect]:
        """Return every one of them."""
        yield from self._silent
        yield from self._idle
        for suspect, _ in (*self._full, *self._unread):
            yield suspect

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield findings by trouble and by process."""
        if case.counted.get(_ESTABLISHED):
            if "timers" in self._host.untold:
                yield Gap(
                    "silent-peer",
                    "peers that do not answer (the source tells no timers)",
                )
            if "tcp_info" in self._host.untold:
                yield Gap(
                    "unread",
                    "for how long data wait (the source does not tell)",
                )
        for holder, suspects in case.by_holder(self._silent).items():
            yield self._silent_peers(case, holder, suspects)
        times = {suspect.tuple: ms for suspect, ms in (*self._full, *self._unread)}
        for holder, suspects in case.by_holder(s for s, _ in self._full).items():
            longest = max(times[suspect.tuple] for suspect in suspects)
            yield self._zero_window(case, holder, suspects, longest)
        for holder, suspects in case.by_holder(s for s, _ in self._unread).items():
            longest = max(times[suspect.tuple] for suspect in suspects)
            yield self._not_read(case, holder, suspects, longest)
        # The other end on this host cannot vanish without a trace.
        idle = [s for s in self._idle if s.mirrored not in case.partners]
        for holder, suspects in case.by_holder(idle).items():
            yield self._forgotten(case, holder, suspects)

    def _grade(self, case: Case, number: int) -> Severity:
        """Return whether so many are more than some peers who went away."""
        share = percent(number * 100, case.counted.get(_ESTABLISHED)) or 0
        is_many = share >= self._host.thresholds.share_percent * 100
        return Severity.WARNING if is_many else Severity.NOTICE

    def _silent_peers(
        self, case: Case, holder: Holder, suspects: Sequence[Suspect]
    ) -> Finding:
        number = len(suspects)
        tries = max(suspect.retransmits or 0 for suspect in suspects)
        queued = sum(suspect.send_q or 0 for suspect in suspects)
        return Finding(
            "silent-peer",
            str(holder),
            self._grade(case, number),
            number,
            f"{holder} sends, and {counted(number, 'peer')} do not answer",
            (
                (
                    f"sent again up to {tries} times; {format_bytes(queued)} wait to be"
                    " acknowledged"
                ),
                *told_other_ends(case, suspects, "the path between them loses all"),
            ),
            {"sockets": number, "retransmits": tries, "send_q": queued},
            "The path is broken or the host is gone. The kernel gives up after a"
            " quarter of an hour (tcp_retries2); the program learns of it then.",
            (
                "tcpstates -tanpoi established and retrans '>' 0"
                + program_word(holder),
                f"ip route get {suspects[0].remote_address}",
                "in the program: TCP_USER_TIMEOUT ends such connections sooner",
            ),
            "one of very many peers: a mobile client that went away",
            case.processes(holder),
            unnamed(holder),
            remote_peers(suspects, with_port=True),
        )

    def _zero_window(
        self, case: Case, holder: Holder, suspects: Sequence[Suspect], longest: float
    ) -> Finding:
        number = len(suspects)
        severity = self._grade(case, number) if longest else Severity.NOTICE
        lasts = f" for {format_ms(longest)} or more" if longest else ""
        queued = sum(suspect.send_q or 0 for suspect in suspects)
        blame = "the guilty side is the one that does not read, not the sender"
        return Finding(
            "zero-window",
            str(holder),
            severity,
            number,
            f"{holder} cannot send: {counted(number, 'peer')} take nothing{lasts}",
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
            unnamed(holder),
            remote_peers(suspects, with_port=True),
        )

    def _not_read(
        self, case: Case, holder: Holder, suspects: Sequence[Suspect], longest: float
    ) -> Finding:
        number = len(suspects)
        queued = sum(suspect.recv_q or 0 for suspect in suspects)
        pid = holder.pids[0] if holder.pids else None
        inside = (f"cat /proc/{pid}/wchan /proc/{pid}/stack",) if pid else ()
        return Finding(
            "unread",
            str(holder),
            Severity.WARNING,
            number,
            f"{holder} does not read: data wait in {counted(number, 'connection')}, for"
            f" {format_ms(longest)} or more",
            (
                f"{format_bytes(queued)} in Recv-Q, and nothing has come meanwhile",
                *told_other_ends(case, suspects, f"{holder} is to blame"),
            ),
            {"sockets": number, "recv_q": queued, "longest_ms": int(longest)},
            "The data have arrived and the program does not take them: it is stuck,"
            " stopped, or has forgotten the connection.",
            (
                "tcpstates -tanpi established and recv-q '>' 0" + program_word(holder),
                *inside,
                "find out what the reader waits for: a lock, a disk, a database",
            ),
            "a program that was stopped on purpose (Ctrl-Z, a debugger)",
            case.processes(holder),
            unnamed(holder),
            remote_peers(suspects, with_port=False),
        )

    def _forgotten(
        self, case: Case, holder: Holder, suspects: Sequence[Suspect]
    ) -> Finding:
        number = len(suspects)
        limit = f"{self._host.thresholds.idle_ms / 1000:g}s"
        return Finding(
            "idle",
            str(holder),
            Severity.NOTICE,
            number,
            f"{holder} would not notice lost peers: {counted(number, 'connection')}"
            f" idle for up to {format_ms(self._longest_idle)}, without keepalive",
            (),
            {"sockets": number, "longest_ms": int(self._longest_idle)},
            "Nothing is sent, and no timer runs: a peer that has vanished, or that a"
            " firewall has forgotten, is never found out.",
            (
                f"tcpstates -tanpo established timer = off idle '>=' {limit}"
                + program_word(holder),
                "in the program: SO_KEEPALIVE with TCP_KEEPIDLE of some minutes",
            ),
            "the program sends a message of its own now and then",
            case.processes(holder),
            unnamed(holder),
            remote_peers(suspects, with_port=False),
        )


def _probed_ms(info: dict[str, int]) -> float:
    """Return for how long a zero window has been probed at least.

    Each probe without success doubles the time to the next one, from the timeout of
    retransmission on (`tcp_send_probe0`, net/ipv4/tcp_output.c).
    """
    first = max(info.get("rto", 0) / 1000, _SHORTEST_PROBE_MS)
    return sum(
        min(first * (1 << probe), _LONGEST_PROBE_MS)
        for probe in range(info.get("backoff", 0))
    )
