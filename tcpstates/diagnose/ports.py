"""Ports that run out for one destination, and TIME_WAIT at its limit.

A connection is known by both endpoints, so one local address has the whole range of
ports for each remote address and port (`__inet_hash_connect`,
net/ipv4/inet_hashtables.c).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tcpstates.diagnose.case import Case, Host, Suspect
from tcpstates.diagnose.words import counted, endpoint, percent, unnamed
from tcpstates.findings import Finding, Gap, Peer, Severity
from tcpstates.model import Batch
from tcpstates.states import TcpState

_TIME_WAIT = str(TcpState.TIME_WAIT)
_SAMPLE = 1000  # sockets, to find out whose they are
_TIME_WAIT_SECONDS = 60  # TCP_TIMEWAIT_LEN, net/tcp.h
# What people find on the web, and what is wrong with it.
_FALSE_FRIENDS = (
    "not tcp_fin_timeout: it does nothing for TIME_WAIT; not tcp_tw_recycle: it broke"
    " clients behind NAT and is gone since Linux 4.12"
)

Route = tuple[str, str, int]  # local address, remote address and port


class Ports:
    """The range of ports, used up by connections to one destination."""

    states = frozenset(map(str, TcpState)) - {str(TcpState.LISTEN)}

    def __init__(self, host: Host) -> None:
        """Start with nothing counted."""
        self._host = host
        self._used: Counter[Route] = Counter()
        self._waiting: Counter[Route] = Counter()
        self._sample: list[tuple[Route, Suspect]] = []  # of crowded routes

    def look(self, word: str, batch: Batch) -> None:
        """Count what this host has connected: see `Rule`."""
        settings, listening = self._host.settings, self._host.listening
        first, last = settings.first_port, settings.last_port
        routes = [
            (local, remote, port)
            for local, own, remote, port in zip(
                batch.column("local_address"),
                batch.column("local_port"),
                batch.column("remote_address"),
                batch.column("remote_port"),
                strict=True,
            )
            if first <= own <= last and own not in listening
        ]
        self._used.update(routes)
        if word == _TIME_WAIT:
            self._waiting.update(routes)

    def crowded(self) -> frozenset[Route]:
        """Return the destinations with too many connections."""
        ports, least = self._host.settings.ports, self._host.thresholds.ports_percent
        found = self._used.items() if ports > 0 else ()
        return frozenset(r for r, number in found if number * 100 >= ports * least)

    def look_again(self, batch: Batch, crowded: frozenset[Route]) -> None:
        """Take some of the sockets that lead to crowded destinations."""
        if len(self._sample) < _SAMPLE:
            for suspect in self._host.suspects(batch):
                route = (suspect[1], suspect[3], suspect[4])
                if route in crowded and suspect.word != _TIME_WAIT:
                    self._sample.append((route, suspect))

    def suspected(self) -> Iterator[Suspect]:
        """Return some of the sockets that lead to crowded destinations."""
        return (suspect for _, suspect in self._sample)

    def _told_range(self) -> str:
        settings = self._host.settings
        return (
            f"ports {settings.first_port} to {settings.last_port}, less reserved ones:"
            f" enough for {settings.ports / _TIME_WAIT_SECONDS:,.1f} new connections a"
            f" second, each kept {_TIME_WAIT_SECONDS} s in TIME_WAIT"
        )

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield a finding for each destination."""
        if self._host.is_remote:
            yield Gap(
                "ports", "ports for one destination: this host's range is not known"
            )
            return
        ports = self._host.settings.ports
        for route in sorted(self.crowded()):
            local, remote, port = route
            number, waiting = self._used[route], self._waiting[route]
            share = percent(number, ports) or 0
            is_grave = share >= self._host.thresholds.ports_critical_percent
            sample = case.by_holder(s for r, s in self._sample if r == route)
            holder = next(iter(sample), None)
            where = endpoint(remote, port)
            nobody = "the kernel names no process for TIME_WAIT"
            yield Finding(
                "ports",
                f"{local} {where}",
                Severity.CRITICAL if is_grave else Severity.WARNING,
                number,
                f"ports for {where} run out: {number:,} of {ports:,} are used"
                f" ({share} %)",
                (
                    f"from {local}: {waiting:,} in TIME_WAIT, {number - waiting:,} not",
                    self._told_range(),
                ),
                {
                    "sockets": number,
                    "time_wait": waiting,
                    "ports": ports,
                    "percent": share,
                },
                "When none is left, connect() to that destination fails with"
                " EADDRNOTAVAIL; other destinations have ports of their own.",
                (
                    f"tcpstates -tanp dst {where} --by state,process",
                    "in the program: keep connections open and use them again",
                    (
                        "more destinations or local addresses; a wider"
                        " net.ipv4.ip_local_port_range; net.ipv4.tcp_tw_reuse=1"
                    ),
                    _FALSE_FRIENDS,
                ),
                "a load test",
                () if holder is None else case.processes(holder),
                nobody if holder is None else unnamed(holder),
                (Peer(where, number),),
            )


def find_time_wait_limit(host: Host, case: Case) -> Iterator[Finding | Gap]:
    """Yield a finding where tcp_max_tw_buckets is near, or has been reached."""
    kernel = host.kernel
    if kernel is None or not kernel.time_wait_limit or kernel.time_wait is None:
        yield Gap("time-wait", "the limit of TIME_WAIT (the system does not tell it)")
        return
    number, limit = kernel.time_wait, kernel.time_wait_limit
    overflows = case.counters.get("TCPTimeWaitOverflow", 0)
    grown = case.grown.get("TCPTimeWaitOverflow", 0)
    share = percent(number, limit) or 0
    if share < host.thresholds.limit_percent and not grown:
        return
    yield Finding(
        "time-wait",
        "host",
        Severity.CRITICAL if grown or share >= 100 else Severity.WARNING,
        number,
        f"TIME_WAIT is at its limit: {number:,} of {limit:,} (tcp_max_tw_buckets)",
        (
            (
                f"TCPTimeWaitOverflow {overflows:,} since boot, {grown:,} during this"
                " look: so many were ended at once"
            ),
        ),
        {"sockets": number, "limit": limit, "overflows": overflows},
        "Above the limit the kernel skips TIME_WAIT, so late segments can reach a"
        " new connection. Short connections cause it: this side closes first.",
        (
            "tcpstates -tan time_wait --by remote --limit 10",
            "keep connections open; let the other side close first",
            "raise net.ipv4.tcp_max_tw_buckets; never lower it",
            _FALSE_FRIENDS,
        ),
        "TIME_WAIT in thousands below the limit is normal on a busy server",
        hidden=f"the kernel has {counted(number, 'socket')} without a process",
    )
