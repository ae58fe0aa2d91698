"""Connections on which this host has asked something, and waits for the answer.

A request that the peer's program does not answer at once is acknowledged by its kernel
after the delay for ACKs (40 to 200 ms on Linux; TCP_DELACK_MIN and TCP_DELACK_MAX,
net/tcp.h). So the last ACK of a waiting connection is younger than the last data sent
by that delay, and nothing has arrived since. On an idle connection, the last ACK came
with the last answer. Peers that acknowledge at once cannot be told apart in this way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import compress
from operator import sub

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import (
    Facts,
    FlaggedSocket,
    Port,
    RuleContext,
    unmap_ipv4,
    unmapped,
)
from tcpstates.doctor.findings import Finding, NotExamined, Peer, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.owner_groups import OwnerGroup
from tcpstates.doctor.phrases import (
    endpoint,
    listing,
    local_peer_lines,
    no_process_note,
    owner_filter,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.fields import ColumnName
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_ms
from tcpstates.wording import counted

_ESTABLISHED = str(TcpState.ESTABLISHED)
_DELAYS = frozenset(range(10, 201))  # of an ACK, in milliseconds
_ASKED: tuple[ColumnName, ...] = (
    "local_port",
    "send_q",
    "info.last_sent_ms",
    "info.last_received_ms",
)
_SAMPLE = 1000  # sockets for each destination, to find their owners
_HALF = 2  # of a program's connections to one destination wait: it is not idle

Destination = tuple[str, Port]


class WaitingRule(Rule):
    """Clients of this host that wait for answers."""

    states = frozenset({_ESTABLISHED})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._waiting: Counter[Destination] = Counter()
        self._sample: dict[Destination, list[FlaggedSocket]] = {}
        self._connected: Counter[Destination] = Counter()

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect connections with an unanswered request: see `Rule`."""
        sent, acked = (
            batch.column("info.last_sent_ms"),
            batch.column("info.last_ack_ms"),
        )
        if None in acked:  # all of a batch, or listeners
            return
        # No Python code runs for each of a million sockets.
        delayed = list(map(_DELAYS.__contains__, map(sub, sent, acked)))
        if not any(delayed):
            return
        found = batch.select(delayed)
        asking = found.select(list(map(self._has_asked, *map(found.column, _ASKED))))
        for destination, socket in zip(
            _destinations(asking), self._context.sockets(asking), strict=True
        ):
            self._waiting[destination] += 1
            sample = self._sample.setdefault(destination, [])
            if len(sample) < _SAMPLE:
                sample.append(socket)

    def _has_asked(
        self, port: Port, send_q: int | None, sent: int, received: int
    ) -> bool:
        is_client = port not in self._context.listening
        is_old = sent >= self._context.thresholds.waiting_ms
        return is_client and is_old and not send_q and received >= sent

    def wants_second_pass(self) -> bool:
        """Whether the connections to some destinations have to be counted."""
        least = max(self._context.thresholds.pool_count, 1)
        return max(self._waiting.values(), default=0) >= least

    def second_pass(self, batch: Batch) -> None:
        """Count the connections to each destination: see `Rule`."""
        labels = batch.column("state_label")
        is_established = map(_ESTABLISHED.__eq__, labels)
        self._connected.update(compress(_destinations(batch), is_established))

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield the sampled sockets."""
        for sample in self._sample.values():
            yield from sample

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per program and destination."""
        is_blind = Capability.TCP_INFO in self._context.missing
        if facts.counted.get(_ESTABLISHED) and is_blind:
            text = "requests without an answer (not reported by the source)"
            yield NotExamined(rule="waiting", text=text)
        for destination, number in self._waiting.items():
            # Long polls and subscriptions wait all day, and are few.
            if number * _HALF < self._connected[destination]:
                continue
            groups = facts.by_owner(self._sample[destination], join_workers=True)
            for owner, sockets in groups.items():
                known = number if len(groups) == 1 else len(sockets)
                if known >= self._context.thresholds.pool_count:
                    yield _finding(facts, links, owner, sockets, known)


def _destinations(batch: Batch) -> Iterator[Destination]:
    ports = batch.column("remote_port")
    return zip(unmapped(batch, "remote"), ports, strict=True)


def _finding(
    facts: Facts,
    links: Links,
    owner: OwnerGroup,
    sockets: list[FlaggedSocket],
    number: int,
) -> Finding:
    destination = unmap_ipv4(sockets[0].remote_address), sockets[0].remote_port
    where = endpoint(*destination)
    times = sorted(socket.age[0] for socket in sockets)
    return Finding(
        rule="waiting",
        subject=f"{owner.subject} {where}",
        severity=Severity.NOTICE,
        size=number,
        verdict=f"{owner.does('waits', 'wait')} for {where} on"
        f" {counted(number, 'connection')}, for up to {format_ms(times[-1])}",
        evidence=(
            "the last data sent were acknowledged, and nothing has been received since",
            *local_peer_lines(facts, sockets, "that side has not answered"),
        ),
        numbers={"sockets": number, "longest_ms": int(times[-1])},
        means="If these were requests, the peer's program has not answered them: it is"
        " busy or stopped, or waits itself, for a lock for example. Its kernel has"
        " acknowledged them.",
        commands=(
            listing(
                "-tanpi established and dst {}",
                where,
                number=number,
                end=owner_filter(owner),
            ),
        ),
        advice=_look_there(links, destination),
        unless="a protocol in which the peer answers only when there is news: long"
        " polls, subscriptions; or never answers, such as the shipping of logs",
        processes=facts.processes(owner),
        no_process=no_process_note(facts, owner),
        peers=(Peer(where, number),),
        ages=tuple(times),
    )


def _look_there(links: Links, destination: Destination) -> tuple[str, ...]:
    address, port = destination
    if links.is_here(address) or port is None:
        return ("find out what the server waits for: its own log, its list of locks",)
    there = command_line("on {}: tcpstates doctor sport = {}", address, f":{port}")
    return (there, "look at the server's log, and at its list of locks")
