"""Closed sockets that the kernel cannot finish: peers that do not acknowledge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tcpstates.ages import probed_ms
from tcpstates.capabilities import Capability
from tcpstates.diagnose.case import Case, Host, Suspect
from tcpstates.diagnose.words import (
    counted,
    percent,
    remote_peers,
    told_other_ends,
    unnamed,
)
from tcpstates.findings import Finding, Gap, Severity
from tcpstates.model import Batch, Reason
from tcpstates.states import TcpState

_STATES = (TcpState.FIN_WAIT_1, TcpState.LAST_ACK, TcpState.CLOSING)
_TRIED = 3  # times: with the first retry after 0.2 s, 1.4 s


class Closing:
    """FIN_WAIT_1, LAST_ACK and CLOSING that do not come to an end."""

    states = frozenset(map(str, _STATES))

    def __init__(self, host: Host) -> None:
        self._host = host
        self._silent: list[Suspect] = []  # nobody acknowledges the FIN
        self._full: list[Suspect] = []  # the peer takes no data: the FIN has to wait

    def look(self, word: str, batch: Batch) -> None:
        """Take what has been sent again, or cannot be sent: see `Rule`."""
        timers = batch.column("timer")
        tries = batch.column("retransmits")
        silent = [
            timer == "retransmit" and (number or 0) >= _TRIED
            for timer, number in zip(timers, tries, strict=True)
        ]
        self._silent += self._host.suspects(batch.keep(silent))
        if "probe" in timers:
            full = batch.keep([timer == "probe" for timer in timers])
            infos = full.column("info")
            least = self._host.thresholds.zero_window_ms
            lasting = [info is None or probed_ms(info) >= least for info in infos]
            self._full += self._host.suspects(full.keep(lasting))

    def suspected(self) -> Iterator[Suspect]:
        """Return every one of them."""
        yield from self._silent
        yield from self._full

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield a finding for each trouble: what matters are the peers."""
        if Capability.TIMERS in self._host.missing and any(
            map(case.counted.get, self.states)
        ):
            yield Gap(
                "closing", "closing sockets (the source tells no retransmissions)"
            )
        least = max(self._host.thresholds.closing_count, 1)
        if len(self._silent) >= least:
            yield self._finding(case, "closing", self._silent, _SILENT)
        if len(self._full) >= least:
            yield self._finding(case, "closing-full", self._full, _FULL)

    def _finding(
        self, case: Case, rule: str, suspects: list[Suspect], words: _Words
    ) -> Finding:
        number = len(suspects)
        states = Counter(suspect.word for suspect in suspects)
        holders = {h: len(s) for h, s in case.by_holder(suspects).items()}
        holder = next((h for h in holders if h.pids), next(iter(holders)))
        orphans = sum(n for h, n in holders.items() if h.reason == Reason.ORPHAN)
        is_told = any(h.pids or h.reason == Reason.ORPHAN for h in holders)
        many = number >= self._host.thresholds.closing_many
        return Finding(
            rule,
            "host",
            Severity.WARNING if many else Severity.NOTICE,
            number,
            f"{counted(number, 'closing socket')} {words.verdict}:"
            f" {', '.join(f'{count:,} in {word}' for word, count in states.items())}",
            (
                *((_held(number, orphans),) if is_told else ()),
                *told_other_ends(case, suspects, words.blame),
            ),
            {"sockets": number, "orphans": orphans if is_told else None},
            words.means,
            (
                "tcpstates -tano fin_wait_1 last_ack closing --by remote-address",
                words.remedy,
            ),
            words.unless,
            case.processes(holder),
            "the kernel: no process holds them"
            if orphans == number
            else unnamed(case, holder),
            remote_peers(suspects, with_port=False),
        )


class _Words(NamedTuple):
    """What is said of one of the troubles."""

    verdict: str
    blame: str
    means: str
    remedy: str
    unless: str


_SILENT = _Words(
    "get no answer to their FIN",
    "the path between them loses all",
    "The peers are gone, or a firewall has forgotten them. The kernel gives orphans up"
    " by itself (tcp_orphan_retries: about a minute or two).",
    "a firewall or NAT forgets idle connections: keepalive more often than it does",
    "a server with many mobile clients always has some",
)
_FULL = _Words(
    "cannot send what is left",
    "the side that does not read is to blame",
    "The peers take no data (zero window), so the FIN has to wait. They answer every"
    " probe: their programs do not read.",
    "at the peers: tcpstates doctor",
    "peers that read slowly on purpose",
)


def find_orphans_limit(host: Host, case: Case) -> Iterator[Finding | Gap]:
    """Yield a finding where orphans are near tcp_max_orphans."""
    kernel = host.kernel
    if kernel is None or kernel.orphans is None or kernel.orphans_limit is None:
        text = "tcp_max_orphans (not told here, as in containers)"
        yield Gap("orphans", text)
        return
    number, limit = kernel.orphans, max(kernel.orphans_limit, 1)
    share = percent(number, limit) or 0
    if share < host.thresholds.limit_percent:
        return
    aborted = case.counters.get("TCPAbortOnMemory", 0)
    yield Finding(
        "orphans",
        "host",
        Severity.CRITICAL if share >= 100 else Severity.WARNING,
        number,
        f"orphans are near their limit: {number:,} of {limit:,} (tcp_max_orphans)",
        (f"TCPAbortOnMemory {aborted:,} so far: so many were reset",),
        {"sockets": number, "limit": limit, "aborted": aborted},
        "Closed sockets wait for peers that do not finish. Above the limit the"
        " kernel resets them, and data on the way are lost.",
        (
            (
                "tcpstates -tano fin_wait_1 fin_wait_2 last_ack closing"
                " --by state,remote-address"
            ),
            "net.ipv4.tcp_orphan_retries: fewer; net.ipv4.tcp_fin_timeout: shorter",
        ),
        "the count is of all network namespaces together",
        hidden="the kernel: no process holds them",
    )


def _held(number: int, orphans: int) -> str:
    if not orphans:
        return "none is an orphan: processes still hold them"
    which = "all" if orphans == number else f"{orphans:,}"
    return f"{which} are orphans, which no process holds any more"
