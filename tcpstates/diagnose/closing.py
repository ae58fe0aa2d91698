"""Closed sockets that the kernel cannot finish: peers that do not acknowledge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tcpstates.diagnose.case import Case, Host, Suspect
from tcpstates.diagnose.words import counted, percent, remote_peers, told_other_ends
from tcpstates.findings import Finding, Gap, Severity
from tcpstates.model import Batch
from tcpstates.states import TcpState

_STATES = (TcpState.FIN_WAIT_1, TcpState.LAST_ACK, TcpState.CLOSING)
_TRIED = 3  # times: with the first retry after 0.2 s, 1.4 s


class Closing:
    """FIN_WAIT_1, LAST_ACK and CLOSING whose FIN nobody acknowledges."""

    states = frozenset(map(str, _STATES))

    def __init__(self, host: Host) -> None:
        """Start without sockets."""
        self._host = host
        self._found: list[Suspect] = []

    def look(self, word: str, batch: Batch) -> None:
        """Take what has been sent again, or cannot be sent: see `Rule`."""
        stuck = [
            timer == "probe" or (timer == "retransmit" and (tries or 0) >= _TRIED)
            for timer, tries in zip(
                batch.column("timer"), batch.column("retransmits"), strict=True
            )
        ]
        self._found += self._host.suspects(batch.keep(stuck))

    def suspected(self) -> Iterator[Suspect]:
        """Return every one of them."""
        return iter(self._found)

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield one finding for all: what matters are the peers."""
        if "timers" in self._host.untold and any(map(case.counted.get, self.states)):
            yield Gap(
                "closing", "closing sockets (the source tells no retransmissions)"
            )
        limits, number = self._host.thresholds, len(self._found)
        if number < limits.closing_count:
            return
        words = Counter(suspect.word for suspect in self._found)
        probing = sum(suspect.timer == "probe" for suspect in self._found)
        holders = [h for h in case.by_holder(self._found) if h.pids]
        held = sum(1 for s in self._found if case.holder(s).pids)
        blame = "a program there has stopped reading"
        yield Finding(
            "closing",
            "host",
            Severity.WARNING if number >= limits.closing_many else Severity.NOTICE,
            number,
            f"{counted(number, 'closing socket')} get no answer:"
            f" {', '.join(f'{count:,} in {word}' for word, count in words.items())}",
            (
                (
                    f"{number - probing:,} with a FIN sent again, {probing:,} whose"
                    " peer takes no data (zero window)"
                ),
                f"{number - held:,} are orphans, which no process holds any more",
                *told_other_ends(case, self._found, blame),
            ),
            {"sockets": number, "zero_window": probing, "orphans": number - held},
            "The peers are gone, or a firewall has forgotten them. The kernel gives"
            " orphans up by itself (tcp_orphan_retries: about a minute or two).",
            (
                "tcpstates -tano fin_wait_1 last_ack closing --by remote-address",
                "a firewall or NAT that forgets idle connections: keepalive at less",
            ),
            "a server with many mobile clients always has some",
            case.processes(holders[0]) if holders else (),
            None if holders else "the kernel: no process holds them",
            remote_peers(self._found, with_port=False),
        )


def find_orphans_limit(host: Host, case: Case) -> Iterator[Finding | Gap]:
    """Yield a finding where orphans are near tcp_max_orphans."""
    kernel = host.kernel
    if kernel is None or kernel.orphans is None or not kernel.orphans_limit:
        text = "tcp_max_orphans (not told here, as in containers)"
        yield Gap("orphans", text)
        return
    number, limit = kernel.orphans, kernel.orphans_limit
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
        (f"TCPAbortOnMemory {aborted:,} since boot: so many were reset",),
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
