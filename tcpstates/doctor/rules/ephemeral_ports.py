"""Ephemeral ports that run out for one destination, and TIME_WAIT at its limit.

A connection is identified by both endpoints, so a local address can use the whole port
range for each remote address and port (`__inet_hash_connect`,
net/ipv4/inet_hashtables.c).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import compress

from tcpstates.batch import Batch
from tcpstates.doctor.facts import (
    Facts,
    FlaggedSocket,
    Port,
    RuleContext,
    is_loopback,
    unmapped,
)
from tcpstates.doctor.findings import Finding, NotExamined, Peer, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import (
    BAD_PORT_ADVICE,
    endpoint,
    no_process_note,
    percent,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.states import TcpState
from tcpstates.text import command_line

_TIME_WAIT = str(TcpState.TIME_WAIT)
_FEW = 1000  # ports, which take as much memory as one byte for each port
_SAMPLE = 200  # sockets, to determine their owners
_TIME_WAIT_SECONDS = 60  # TCP_TIMEWAIT_LEN, net/tcp.h

Route = tuple[str, str, Port]  # local address, remote address and port


class _Ports:
    """The different ports that an address uses, in 64 KiB at most."""

    __slots__ = ("_few", "_many")

    def __init__(self) -> None:
        self._few: set[int] = set()
        self._many: bytearray | None = None  # one byte per port

    def update(self, ports: Iterable[int]) -> None:
        """Add ports."""
        if self._many is None:
            self._few.update(ports)
            if len(self._few) <= _FEW:
                return
            self._many, ports = bytearray(1 << 16), self._few
            self._few = set()
        for port in ports:
            self._many[port] = 1

    def __len__(self) -> int:
        return len(self._few) if self._many is None else self._many.count(1)


class EphemeralPortsRule(Rule):
    """The port range, used up by connections to one destination."""

    states = frozenset(map(str, TcpState)) - {str(TcpState.LISTEN)}

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._used: Counter[Route] = Counter()
        self._waiting: Counter[Route] = Counter()  # those in TIME_WAIT
        self._sample: dict[Route, list[FlaggedSocket]] = {}
        self._ports: dict[str, _Ports] = {}  # by local address
        self._crowded: frozenset[Route] | None = None  # once all were counted

    def observe(self, state_label: str, batch: Batch) -> None:
        """Count the connections that this host has opened: see `Rule`."""
        if not self._context.knows_ports:
            return
        settings, listening = self._context.settings, self._context.listening
        first, last = settings.first_port, settings.last_port
        ports = batch.column("local_port")
        chosen = [
            port is not None and first <= port <= last and port not in listening
            for port in ports
        ]
        if not any(chosen):
            return
        routes = list(compress(_routes(batch), chosen))
        self._used.update(routes)
        own = compress(unmapped(batch, "local"), chosen)
        by_address: dict[str, list[int]] = {}
        for address, port in zip(own, compress(ports, chosen), strict=True):
            by_address.setdefault(address, []).append(port)
        for address, same in by_address.items():
            self._ports.setdefault(address, _Ports()).update(same)
        if state_label == _TIME_WAIT:
            self._waiting.update(routes)

    def crowded(self) -> frozenset[Route]:
        """Find the destinations with too many connections."""
        if self._crowded is None:
            self._crowded = self._find_crowded()
        return self._crowded

    def _find_crowded(self) -> frozenset[Route]:
        if not self._context.knows_ports or self._context.settings.ports <= 0:
            return frozenset()
        least = self._context.settings.ports * self._context.thresholds.ports_percent
        return frozenset(r for r in self._used if self._lasting(r) * 100 >= least)

    def _lasting(self, route: Route) -> int:
        """Count the connections that keep their port from being reused.

        With tcp_tw_reuse, connect() reuses ports in TIME_WAIT after a second: always if
        it is 1, on loopback only if it is 2, the default since Linux 4.19
        (`tcp_twsk_unique`).
        """
        reuse, local = self._context.settings.tw_reuse, route[0]
        reusable = reuse == 1 or (reuse == 2 and is_loopback(local))
        return self._used[route] - (self._waiting[route] if reusable else 0)

    def wants_second_pass(self) -> bool:
        """Whether a destination is crowded: then somebody's sockets lead there."""
        return bool(self.crowded())

    def second_pass(self, batch: Batch) -> None:
        """Collect a sample of the sockets to crowded destinations."""
        crowded = self.crowded()
        chosen = [
            state_label != _TIME_WAIT and route in crowded
            for state_label, route in zip(
                batch.column("state_label"), _routes(batch), strict=True
            )
        ]
        if any(chosen):
            for socket in self._context.sockets(batch.select(chosen)):
                ends = socket.ends
                sample = self._sample.setdefault((ends[0], ends[2], ends[3]), [])
                if len(sample) < _SAMPLE:
                    sample.append(socket)

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield the sampled sockets to crowded destinations."""
        for sample in self._sample.values():
            yield from sample

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per destination."""
        if not self._context.knows_ports:
            yield NotExamined(
                rule="ports", text="ports for one destination (their range is unknown)"
            )
            return
        crowded = self.crowded()
        for route in sorted(crowded, key=lambda route: -self._used[route]):
            yield self._finding(route, facts)
        for local, used in self._ports.items():
            share = percent(len(used), self._context.settings.ports) or 0
            is_known = any(route[0] == local for route in crowded)
            if (
                share >= self._context.thresholds.ports_critical_percent
                and not is_known
            ):
                yield self._of_address(local, len(used), share)

    def _finding(self, route: Route, facts: Facts) -> Finding:
        local, remote, port = route
        ports, number = self._context.settings.ports, self._lasting(route)
        share = percent(number, ports) or 0
        is_grave = share >= self._context.thresholds.ports_critical_percent
        owner = next(iter(facts.by_owner(self._sample.get(route, ()))), None)
        where = endpoint(remote, port)
        return Finding(
            rule="ports",
            subject=f"{local} {where}",
            severity=Severity.CRITICAL if is_grave else Severity.WARNING,
            size=number,
            verdict=f"ports for {where} run out: {number:,} of {ports:,} in use"
            f" ({share}%)",
            evidence=tuple(self._evidence(route)),
            numbers={
                "sockets": self._used[route],
                "lasting": number,
                "time_wait": self._waiting[route],
                "ports": ports,
                "percent": share,
            },
            means="When no port is left, connect() to that destination fails with"
            " EADDRNOTAVAIL. A program that binds before it connects finds no port for"
            " other destinations, either.",
            commands=(
                command_line(
                    "tcpstates -tanp dst {} --by state,process --limit 10", where
                ),
            ),
            advice=(
                "in the program: keep connections open and reuse them",
                (
                    "use more destinations or local addresses, or widen"
                    " net.ipv4.ip_local_port_range"
                ),
                *_reuse_advice(self._context.settings.tw_reuse),
                BAD_PORT_ADVICE,
            ),
            unless="a load test",
            processes=() if owner is None else facts.processes(owner),
            no_process="the kernel reports no process for TIME_WAIT"
            if owner is None
            else no_process_note(facts, owner),
            peers=(Peer(where, self._used[route]),),
        )

    def _evidence(self, route: Route) -> Iterator[str]:
        settings, waiting = self._context.settings, self._waiting[route]
        lasting = self._lasting(route)
        yield (
            f"from {route[0]}: {waiting:,} in TIME_WAIT,"
            f" {self._used[route] - waiting:,} in other states"
        )
        reported = (
            f"ports {settings.first_port} to {settings.last_port}, minus reserved ones"
        )
        if lasting == self._used[route]:
            rate = settings.ports / _TIME_WAIT_SECONDS
            reported += (
                f": enough for {rate:,.1f} new connections per second, each of which"
                f" stays in TIME_WAIT for {_TIME_WAIT_SECONDS} s"
            )
        yield reported

    def _of_address(self, local: str, number: int, share: int) -> Finding:
        ports = self._context.settings.ports
        return Finding(
            rule="ports",
            subject=local,
            severity=Severity.NOTICE,
            size=number,
            verdict=f"nearly all ports of {local} are in use: {number:,} of {ports:,}"
            f" ({share}%)",
            evidence=(),
            numbers={"used": number, "ports": ports, "percent": share},
            means="A program that binds before it connects, or that listens without a"
            " fixed port, finds no port (EADDRINUSE). Plain connect() shares ports"
            " between destinations.",
            commands=(
                command_line(
                    "tcpstates -tanp src {} --by remote,process --limit 10", local
                ),
            ),
            advice=(
                "in the program: set IP_BIND_ADDRESS_NO_PORT before bind()",
                "widen net.ipv4.ip_local_port_range",
            ),
            unless="no program here binds before it connects",
            no_process="all connections of this address together",
        )


def _reuse_advice(reuse: int) -> tuple[str, ...]:
    return () if reuse == 1 else ("set net.ipv4.tcp_tw_reuse=1",)


def _routes(batch: Batch) -> Iterator[Route]:
    far = batch.column("remote_port")
    return zip(unmapped(batch, "local"), unmapped(batch, "remote"), far, strict=True)
