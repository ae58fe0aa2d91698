"""Ports that run out for one destination, and TIME_WAIT at its limit.

A connection is known by both endpoints, so one local address has the whole range of
ports for each remote address and port (`__inet_hash_connect`,
net/ipv4/inet_hashtables.c).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tcpstates.diagnose.case import Case, Host, Port, Suspect, plain
from tcpstates.diagnose.words import counted, endpoint, percent, unnamed
from tcpstates.findings import Finding, Gap, Peer, Severity
from tcpstates.model import Batch
from tcpstates.states import TcpState
from tcpstates.text import command_line

_TIME_WAIT = str(TcpState.TIME_WAIT)
_SAMPLE = 200  # sockets, to find out whose they are
_TIME_WAIT_SECONDS = 60  # TCP_TIMEWAIT_LEN, net/tcp.h
# What people find on the web, and what is wrong with it.
_FALSE_FRIENDS = (
    "not tcp_fin_timeout: it does nothing for TIME_WAIT; not tcp_tw_recycle: it broke"
    " clients behind NAT and is gone since Linux 4.12"
)

Route = tuple[str, str, Port]  # local address, remote address and port


class Ports:
    """The range of ports, used up by connections to one destination."""

    states = frozenset(map(str, TcpState)) - {str(TcpState.LISTEN)}

    def __init__(self, host: Host) -> None:
        self._host = host
        self._used: Counter[Route] = Counter()
        self._waiting: Counter[Route] = Counter()  # of these, in TIME_WAIT
        self._sample: dict[Route, list[Suspect]] = {}
        self._own: dict[str, set[int]] = {}  # ports by local address

    def look(self, word: str, batch: Batch) -> None:
        """Count what this host has connected: see `Rule`."""
        if not self._host.knows_ports:
            return
        settings, listening = self._host.settings, self._host.listening
        first, last = settings.first_port, settings.last_port
        names = ("local_address", "local_port", "remote_address", "remote_port")
        routes = []
        for local, own, remote, port in zip(*map(batch.column, names), strict=True):
            if own is not None and first <= own <= last and own not in listening:
                routes.append((plain(local), plain(remote), port))
                self._own.setdefault(plain(local), set()).add(own)
        self._used.update(routes)
        if word == _TIME_WAIT:
            self._waiting.update(routes)

    def crowded(self) -> frozenset[Route]:
        """Return the destinations with too many connections."""
        if not self._host.knows_ports or self._host.settings.ports <= 0:
            return frozenset()
        least = self._host.settings.ports * self._host.thresholds.ports_percent
        return frozenset(r for r in self._used if self._lasting(r) * 100 >= least)

    def _lasting(self, route: Route) -> int:
        """Return how many connections keep their port from being used again.

        With tcp_tw_reuse connect() takes ports in TIME_WAIT after a second: 1 always,
        2, the default since Linux 4.19, on loopback (`tcp_twsk_unique`).
        """
        reuse, local = self._host.settings.tw_reuse, route[0]
        is_loopback = local.startswith("127.") or local == "::1"
        reusable = reuse == 1 or (reuse == 2 and is_loopback)
        return self._used[route] - (self._waiting[route] if reusable else 0)

    def look_again(self, batch: Batch, crowded: frozenset[Route]) -> None:
        """Take some of the sockets that lead to crowded destinations."""
        names = ("word", "local_address", "remote_address", "remote_port")
        chosen = [
            word != _TIME_WAIT and (plain(local), plain(remote), port) in crowded
            for word, local, remote, port in zip(*map(batch.column, names), strict=True)
        ]
        if any(chosen):
            for suspect in self._host.suspects(batch.keep(chosen)):
                ends = suspect.ends
                sample = self._sample.setdefault((ends[0], ends[2], ends[3]), [])
                if len(sample) < _SAMPLE:
                    sample.append(suspect)

    def suspected(self) -> Iterator[Suspect]:
        """Return some of the sockets that lead to crowded destinations."""
        for sample in self._sample.values():
            yield from sample

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield a finding for each destination."""
        if not self._host.knows_ports:
            yield Gap("ports", "ports for one destination (their range is not told)")
            return
        crowded = self.crowded()
        for route in sorted(crowded, key=lambda route: -self._used[route]):
            yield self._finding(route, case)
        for local, used in self._own.items():
            share = percent(len(used), self._host.settings.ports) or 0
            is_told = any(route[0] == local for route in crowded)
            if share >= self._host.thresholds.ports_critical_percent and not is_told:
                yield self._of_address(local, len(used), share)

    def _finding(self, route: Route, case: Case) -> Finding:
        local, remote, port = route
        ports, number = self._host.settings.ports, self._lasting(route)
        share = percent(number, ports) or 0
        is_grave = share >= self._host.thresholds.ports_critical_percent
        holder = next(iter(case.by_holder(self._sample.get(route, ()))), None)
        where = endpoint(remote, port)
        return Finding(
            "ports",
            f"{local} {where}",
            Severity.CRITICAL if is_grave else Severity.WARNING,
            number,
            f"ports for {where} run out: {number:,} of {ports:,} are used ({share} %)",
            tuple(self._evidence(route)),
            {
                "sockets": self._used[route],
                "lasting": number,
                "time_wait": self._waiting[route],
                "ports": ports,
                "percent": share,
            },
            "When none is left, connect() to that destination fails with"
            " EADDRNOTAVAIL. A program that binds before it connects finds none for"
            " other destinations either.",
            (
                command_line("tcpstates -tanp dst {} --by state,process", where),
                "in the program: keep connections open and use them again",
                (
                    "more destinations or local addresses; a wider"
                    " net.ipv4.ip_local_port_range"
                ),
                *_reuse_advice(self._host.settings.tw_reuse),
                _FALSE_FRIENDS,
            ),
            "a load test",
            () if holder is None else case.processes(holder),
            "the kernel names no process for TIME_WAIT"
            if holder is None
            else unnamed(case, holder),
            (Peer(where, self._used[route]),),
        )

    def _evidence(self, route: Route) -> Iterator[str]:
        settings, waiting = self._host.settings, self._waiting[route]
        lasting = self._lasting(route)
        yield (
            f"from {route[0]}: {waiting:,} in TIME_WAIT,"
            f" {self._used[route] - waiting:,} not"
        )
        told = (
            f"ports {settings.first_port} to {settings.last_port}, less reserved ones"
        )
        if lasting == self._used[route]:
            rate = settings.ports / _TIME_WAIT_SECONDS
            told += (
                f": enough for {rate:,.1f} new connections a second, each kept"
                f" {_TIME_WAIT_SECONDS} s in TIME_WAIT"
            )
        yield told

    def _of_address(self, local: str, number: int, share: int) -> Finding:
        ports = self._host.settings.ports
        return Finding(
            "ports",
            local,
            Severity.NOTICE,
            number,
            f"ports of {local} are nearly all in use: {number:,} of {ports:,}"
            f" ({share} %)",
            (),
            {"used": number, "ports": ports, "percent": share},
            "A program that binds before it connects, and a listener without a port of"
            " its own, find none (EADDRINUSE). Plain connect() shares ports between"
            " destinations.",
            (
                command_line(
                    "tcpstates -tanp src {} --by remote,process --limit 10", local
                ),
                "in the program: IP_BIND_ADDRESS_NO_PORT before bind()",
                "a wider net.ipv4.ip_local_port_range",
            ),
            "no program here binds before it connects",
            hidden="all connections of this address together",
        )


def _reuse_advice(reuse: int) -> tuple[str, ...]:
    return () if reuse == 1 else ("net.ipv4.tcp_tw_reuse=1",)


def find_time_wait_limit(host: Host, case: Case) -> Iterator[Finding | Gap]:
    """Yield a finding where tcp_max_tw_buckets is near, or has been reached."""
    kernel = host.kernel
    if kernel is None or kernel.time_wait_limit is None or kernel.time_wait is None:
        yield Gap("time-wait", "the limit of TIME_WAIT (the system does not tell it)")
        return
    number, limit = kernel.time_wait, max(kernel.time_wait_limit, 1)
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
        f"TIME_WAIT {'has reached' if grown else 'is near'} its limit: {number:,} of"
        f" {limit:,} (tcp_max_tw_buckets)",
        (
            (
                f"TCPTimeWaitOverflow {overflows:,} so far, {grown:,} during this"
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
