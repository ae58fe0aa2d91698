"""Accept queues that fill up because the program does not accept.

`accept_queues` explains the numbers, `acceptors` finds the processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.accept_drops import COUNTERS, counter_lines, drops_finding
from tcpstates.doctor.accept_queues import AcceptQueue, longer_queue
from tcpstates.doctor.acceptors import Acceptors, find_acceptors
from tcpstates.doctor.facts import (
    Facts,
    FlaggedSocket,
    Port,
    RuleContext,
    unmap_ipv4,
)
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.links import Links, Place
from tcpstates.doctor.phrases import (
    endpoint,
    listing,
    no_process_note,
    remote_peers,
    resume_commands,
    sleep_lines,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.model import WILDCARDS
from tcpstates.states import TcpState
from tcpstates.text import command_line
from tcpstates.wording import counted

_LISTEN, _ESTABLISHED = str(TcpState.LISTEN), str(TcpState.ESTABLISHED)
_CLOSE_WAIT = str(TcpState.CLOSE_WAIT)
_MOST_ACCEPTED = 1000  # connections of a port, to find who accepts
_MOST_NAMED = 3  # processes

# Where one of these is missing, only the length of a queue is evidence.
_EVIDENCE = {Capability.TCP_INFO, Capability.HOST_LIMITS}


class AcceptQueueRule(Rule):
    """Accept queues, and the connections in them."""

    states = frozenset({_LISTEN, _ESTABLISHED, _CLOSE_WAIT})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._listeners: dict[Place, list[FlaggedSocket]] = {}
        self._waiting: dict[Place, list[FlaggedSocket]] = {}
        self._accepted: dict[Port, list[FlaggedSocket]] = {}
        self._busy: frozenset[Port] | None = None  # ports whose connections are known

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect listeners with waiting connections, and sockets without a file."""
        if state_label == _LISTEN:
            busy = [bool(backlog) for backlog in batch.column("recv_q")]
            for socket in self._context.sockets(batch.select(busy)):
                self._listeners.setdefault(_place(socket), []).append(socket)
        elif not self._context.is_filtered:  # a filter by process would hide them
            self.observe_unowned(batch)

    def observe_unowned(self, batch: Batch) -> None:
        """Collect connections that no file refers to."""
        inodes = batch.column("inode")
        if 0 in inodes:
            waiting = batch.select([inode == 0 for inode in inodes])
            for socket in self._context.sockets(waiting):
                self._waiting.setdefault(_place(socket), []).append(socket)

    def flagged(self) -> Iterable[FlaggedSocket]:
        """Yield the listeners; waiting connections have no owner."""
        for listeners in self._listeners.values():
            yield from listeners

    def wants_second_pass(self) -> bool:
        """Whether somebody has to be found who accepts: see `Rule`."""
        return any(map(self._is_suspicious, self._queues()))

    def second_pass(self, batch: Batch) -> None:
        """Collect the connections that were accepted on the ports of full queues."""
        busy = self._busy
        if busy is None:  # it stays the same during the pass
            queues = filter(self._is_suspicious, self._queues())
            busy = self._busy = frozenset(queue.port for queue in queues)
        chosen = [
            inode != 0 and port in busy
            for inode, port in batch.rows("inode", "local_port")
        ]
        if any(chosen):
            for socket in self._context.sockets(batch.select(chosen)):
                accepted = self._accepted.setdefault(socket.local_port, [])
                if len(accepted) < _MOST_ACCEPTED:
                    accepted.append(socket)

    def owned(self) -> Iterator[FlaggedSocket]:
        """Yield the accepted connections, whose owners accept: see `Rule`."""
        for accepted in self._accepted.values():
            yield from accepted

    def _queues(self) -> Iterator[AcceptQueue]:
        for place, listeners in self._listeners.items():
            limits = self._context.backlog_limits(listeners)
            yield AcceptQueue(place, listeners, list(self._of(place)), limits)

    def _is_suspicious(self, queue: AcceptQueue) -> bool:
        limits = self._context.thresholds
        return queue.is_at_limit or queue.longest >= limits.accept_wait_ms

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per endpoint, and one for drops that no queue explains."""
        if Capability.QUEUES in self._context.missing:
            yield NotExamined(
                rule="accept-queue",
                text="accept queues (not reported by the source)",
            )
            return
        if Capability.TCP_INFO in self._context.missing and self._listeners:
            text = "how long connections wait (not reported by the source)"
            yield NotExamined(rule="accept-queue", text=text)
        blamed = False
        for queue in self._queues():
            severity = self._severity(queue, facts)
            consequences = tuple(_consequences(queue.place, links))
            if consequences:
                severity = Severity.CRITICAL
            few = self._context.thresholds.pool_count
            if severity is not None:
                blamed |= queue.is_at_limit
                yield self._finding(queue, severity, facts, consequences)
            elif self._context.is_watched and queue.backlog >= few:
                found = self._finding(queue, Severity.NOTICE, facts, ())
                yield replace(found, is_provisional=True)
        dropped = facts.grown.get("ListenOverflows", 0)
        if dropped and not blamed and not self._context.is_filtered:
            yield drops_finding(dropped, facts)

    def _of(self, place: Place) -> Iterator[FlaggedSocket]:
        """Yield the connections that wait at an endpoint.

        A wildcard listener gets those that no other listener has.
        """
        address, port = place
        for (local, own), waiting in self._waiting.items():
            is_here = local == address or (
                address in WILDCARDS and (local, own) not in self._listeners
            )
            if own == port and is_here:
                yield from waiting

    def _severity(self, queue: AcceptQueue, facts: Facts) -> Severity | None:
        limits, share = self._context.thresholds, queue.share
        lasts = queue.longest >= limits.accept_wait_ms
        is_dropping = facts.grown.get("ListenOverflows", 0) > 0
        if queue.is_at_limit and (lasts or is_dropping):
            return Severity.CRITICAL
        if lasts and share is not None and share >= limits.accept_queue_percent:
            return Severity.WARNING
        if queue.longest >= limits.accept_never_ms:
            return Severity.WARNING
        is_blind = not self._context.missing.isdisjoint(_EVIDENCE)
        is_long = queue.backlog >= limits.pool_count
        is_notable = (lasts and is_long) or (
            is_blind and (is_long or queue.is_at_limit)
        )
        return Severity.NOTICE if is_notable else None

    def full_queues(self) -> Iterator[Place]:
        """Yield the endpoints that accept no more: see `Rule`."""
        for queue in self._queues():
            if queue.is_full:
                yield queue.place

    def _finding(
        self,
        queue: AcceptQueue,
        severity: Severity,
        facts: Facts,
        consequences: tuple[str, ...],
    ) -> Finding:
        was_examined = queue.port in (self._busy or ())
        accepted = self._accepted.get(queue.port, []) if was_examined else None
        who = find_acceptors(facts, queue.listeners, accepted)
        owner, where = who.owner, endpoint(*queue.place)
        settings = self._context.settings
        somaxconn = settings.somaxconn if settings.is_known else None
        top = ",".join(map(str, owner.pids[:_MOST_NAMED]))
        return Finding(
            rule="accept-queue",
            subject=where,
            severity=severity,
            size=queue.backlog,
            verdict=f"{who.problem(where)}: {queue}",
            evidence=(
                *_evidence(queue, facts),
                *who.lines(),
                *sleep_lines(who.processes[:_MOST_NAMED]),
                *consequences,
            ),
            numbers={
                "waiting": queue.backlog,
                "limit": queue.limit,
                "listeners": len(queue.listeners),
                "acceptors": len(owner.pids),
                "somaxconn": somaxconn,
                "longest_ms": int(queue.longest),
                **{name.lower(): facts.counters.get(name) for name in COUNTERS},
            },
            means=_means(who),
            commands=(
                *resume_commands(who.processes[:_MOST_NAMED]),
                listing("-tanpi listener", number=None)
                if queue.port is None
                else listing("-tanpi sport = {}", f":{queue.port}", number=None),
                *((command_line("top -H -p {}", top),) if top else ()),
            ),
            advice=_advice(who, queue.limits, somaxconn),
            unless="a burst: the queue is then empty in a second scan (--watch 5)",
            processes=who.processes[:_MOST_NAMED],
            no_process=no_process_note(facts, owner),
            peers=remote_peers(queue.waiting, with_port=False),
            ages=tuple(sorted(each.age[0] for each in queue.waiting)),
            is_urgent_when_growing=True,
            is_urgent_when_staying=True,
        )


def _place(socket: FlaggedSocket) -> Place:
    return unmap_ipv4(socket.local_address), socket.local_port


def _means(who: Acceptors) -> str:
    cause = (
        "At its limit of descriptors, a process cannot accept, so the queue fills up. "
        if who.exhausted
        else ""
    )
    return (
        f"{cause}Clients consider themselves connected, but get no answer. Once the"
        " queue is full, new clients hang in SYN_SENT."
    )


def _advice(
    who: Acceptors, limits: tuple[int, ...] | None, somaxconn: int | None
) -> tuple[str, ...]:
    if who.exhausted:
        return (
            "close unneeded descriptors, or raise the limit (LimitNOFILE=, ulimit -n)",
        )
    return (
        "in the program: accept sooner; a longer queue only hides bursts",
        longer_queue(limits, somaxconn),
    )


def _evidence(queue: AcceptQueue, facts: Facts) -> Iterator[str]:
    if queue.is_at_limit:  # others have not caused the drops
        yield from counter_lines(facts)
    if len(queue.listeners) > 1:
        yield (
            f"{len(queue.listeners)} listeners share the endpoint (SO_REUSEPORT): the"
            " kernel does not report in whose queue a connection waits"
        )
    closed = sum(each.state_label == _CLOSE_WAIT for each in queue.waiting)
    if closed:
        yield (
            f"{counted(closed, 'of the clients has', 'of the clients have')} already"
            " ended the stream (CLOSE_WAIT)"
        )
    if queue.is_full:
        yield "the queue is full: the kernel drops further connections"


def _consequences(place: Place, links: Links) -> Iterator[str]:
    """Describe the sockets that hang because of a full queue."""
    if place not in links.full_queues:
        return
    waiting = links.waiting_for(place)
    if waiting:
        states = (f"{number:,} in {label}" for label, number in waiting.items())
        yield f"clients on this host get no answer because of it: {', '.join(states)}"
    half_open = links.half_open_behind(place[1])
    if half_open:
        number = counted(half_open, "half-open connection")
        yield f"{number}: a full queue drops the ACK that would complete them"
