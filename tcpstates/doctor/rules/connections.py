"""Connections of clients that become more and more, or that fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import compress

from tcpstates.batch import Batch
from tcpstates.doctor.facts import Facts, FlaggedSocket, Port, RuleContext, unmapped
from tcpstates.doctor.findings import Finding, Peer, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import endpoint, no_process_note
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.states import TcpState
from tcpstates.text import command_line
from tcpstates.wording import counted

_ESTABLISHED = str(TcpState.ESTABLISHED)
_MOST_PLACES = 20  # destinations with most connections
_SAMPLE = 200  # sockets for each of them, to find their owner
_LEAST_GROWTH = 10  # sockets
_SHARE = 5  # a growth by one fifth

Place = tuple[str, Port]


class GrowingRule(Rule):
    """Destinations to which this host holds ever more connections."""

    states = frozenset({_ESTABLISHED})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._number: Counter[Place] = Counter()
        self._sample: dict[Place, list[FlaggedSocket]] = {}

    def observe(self, state_label: str, batch: Batch) -> None:
        """Count the connections that this host has opened: see `Rule`."""
        if self._context.is_watched:
            own = self._is_client(batch)
            places = zip(
                unmapped(batch, "remote"), batch.column("remote_port"), strict=True
            )
            self._number.update(compress(places, own))

    def _is_client(self, batch: Batch) -> list[bool]:
        listening = self._context.listening
        return [port not in listening for port in batch.column("local_port")]

    def _largest(self) -> dict[Place, int]:
        found = self._number.most_common(_MOST_PLACES)
        return {place: number for place, number in found if number >= _LEAST_GROWTH}

    def wants_second_pass(self) -> bool:
        """Whether an owner has to be found: see `Rule`."""
        return bool(self._largest())

    def second_pass(self, batch: Batch) -> None:
        """Collect a sample of the sockets to each of the largest destinations."""
        largest = self._largest()
        columns = (batch.column("state_label"), self._is_client(batch))
        places = list(
            zip(unmapped(batch, "remote"), batch.column("remote_port"), strict=True)
        )
        chosen = [
            label == _ESTABLISHED and is_own and place in largest
            for label, is_own, place in zip(*columns, places, strict=True)
        ]
        if any(chosen):
            sockets = self._context.sockets(batch.select(chosen))
            for place, socket in zip(compress(places, chosen), sockets, strict=True):
                sample = self._sample.setdefault(place, [])
                if len(sample) < _SAMPLE:
                    sample.append(socket)

    def owned(self) -> Iterator[FlaggedSocket]:
        """Yield the sampled sockets: see `Rule`."""
        for sample in self._sample.values():
            yield from sample

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per destination, which a second scan confirms or drops."""
        for place, number in self._largest().items():
            owners = facts.by_owner(self._sample.get(place, ()), join_workers=True)
            if not owners:
                continue
            owner = next(iter(owners))
            where = endpoint(*place)
            yield Finding(
                rule="growing",
                subject=where,
                severity=Severity.NOTICE,
                size=number,
                verdict=f"{owner.does('holds', 'hold')} more and more connections to"
                f" {where}: {number:,} in ESTABLISHED",
                evidence=(),
                numbers={"sockets": number},
                means="Its connections to this destination have become more between"
                " two scans. If that goes on, the program never closes them: its"
                " descriptors, or the server's, run out.",
                commands=(
                    command_line(
                        "tcpstates -tanp established and dst {} --by process --limit"
                        " 10",
                        where,
                    ),
                    "tcpstates doctor --watch 30",
                ),
                advice=("in the program: reuse connections, and close each of them",),
                unless="the load is rising; the number then becomes stable, or falls",
                processes=facts.processes(owner),
                no_process=no_process_note(facts, owner),
                peers=(Peer(where, number),),
                notable_growth=max(_LEAST_GROWTH, number // _SHARE),
                is_provisional=True,
            )


class FailedRule(Rule):
    """Handshakes that failed, whose sockets are gone at once."""

    about_host = True

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding if some failed during this run."""
        number = facts.grown.get("AttemptFails", 0)
        if number < max(self._context.thresholds.pool_count, 1):
            return
        yield Finding(
            rule="connect-failed",
            subject="host",
            severity=Severity.NOTICE,
            size=number,
            verdict=f"{counted(number, 'attempt')} to connect failed during this run:"
            " refused, or reset",
            evidence=(
                f"TcpAttemptFails {facts.counters.get('AttemptFails', 0):,} so far",
            ),
            numbers={"failed": number},
            means="Mostly, nothing listens on the port, and the kernel there refuses."
            " Such sockets are gone at once, so no listing shows whose they were.",
            commands=(
                "tcpdump -ni any -c 20 'tcp[tcpflags] & tcp-rst != 0'",
                "tcpstates doctor --watch 10",
            ),
            unless="a client that looks for a server which is just starting, or a scan"
            " of this host's ports",
            no_process="unknown: their sockets are gone",
        )
