"""Connections of clients whose number grows, or that fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tcpstates.batch import Batch
from tcpstates.doctor.facts import Facts, FlaggedSocket, Port, RuleContext, unmapped
from tcpstates.doctor.findings import Finding, Peer, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import endpoint
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.states import TcpState
from tcpstates.text import command_line
from tcpstates.wording import counted

_ESTABLISHED = str(TcpState.ESTABLISHED)
_MOST_PLACES = 1000  # destinations with most connections
_SAMPLE, _MOST_SAMPLED = 200, 20_000  # sockets, to find their owners
_LEAST_GROWTH = 10  # sockets
_SHARE = 5  # a growth by one fifth

Destination = tuple[str, Port]


class GrowingRule(Rule):
    """Destinations to which this host holds more connections in the second scan."""

    states = frozenset({_ESTABLISHED})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._number: Counter[Destination] = Counter()
        self._sample: dict[Destination, list[FlaggedSocket]] = {}
        self._sampled = 0

    def observe(self, state_label: str, batch: Batch) -> None:
        """Count the connections that this host has opened: see `Rule`."""
        if not self._context.is_watched:
            return
        listening = self._context.listening
        own = batch.select([p not in listening for p in batch.column("local_port")])
        places = list(
            zip(unmapped(own, "remote"), own.column("remote_port"), strict=True)
        )
        self._number.update(places)
        if self._sampled < _MOST_SAMPLED:
            for place, socket in zip(places, self._context.sockets(own), strict=True):
                sample = self._sample.setdefault(place, [])
                if len(sample) < _SAMPLE:
                    sample.append(socket)
                    self._sampled += 1

    def _largest(self) -> dict[Destination, int]:
        return dict(self._number.most_common(_MOST_PLACES))

    def owned(self) -> Iterator[FlaggedSocket]:
        """Yield the sampled sockets of the largest destinations: see `Rule`."""
        for place in self._largest():
            yield from self._sample.get(place, ())

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per destination, which a second scan confirms or drops."""
        for place, number in self._largest().items():
            owners = facts.by_owner(self._sample.get(place, ()), join_workers=True)
            held = [f"{owner} ({len(same):,})" for owner, same in owners.items()]
            where = endpoint(*place)
            yield Finding(
                rule="growing",
                subject=where,
                severity=Severity.NOTICE,
                size=number,
                verdict=f"the number of connections from here to {where} grows:"
                f" {number:,} in ESTABLISHED",
                evidence=(_held_by(held),) if held else (),
                numbers={"sockets": number},
                means="If the number keeps growing, a program does not close its"
                " connections. Its descriptors run out, or the server's.",
                commands=(
                    command_line(
                        "tcpstates -tanp established and dst {} --by process"
                        " --limit 10",
                        where,
                    ),
                    "tcpstates doctor --watch 30",
                ),
                advice=("in the program: reuse connections, and close each of them",),
                unless="the load is rising; the number then becomes stable, or falls",
                processes=tuple(
                    p for owner in list(owners)[:3] for p in facts.processes(owner)[:1]
                ),
                peers=(Peer(where, number),),
                notable_growth=max(_LEAST_GROWTH, number // _SHARE),
                starts_at_zero=True,
                is_provisional=True,
            )


def _held_by(held: list[str]) -> str:
    return f"of those looked at, held by: {', '.join(held[:3])}"


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
            verdict=f"{counted(number, 'handshake')} failed during this run",
            evidence=(
                f"TcpAttemptFails {facts.counters.get('AttemptFails', 0):,} so far",
            ),
            numbers={"failed": number},
            means="Connections from here were refused or timed out, or others to here"
            " were reset before they were complete: the counter does not tell. Such"
            " sockets are gone at once, so no listing shows whose they were.",
            commands=(
                "tcpdump -ni any -c 20 'tcp[tcpflags] & tcp-rst != 0'",
                "tcpstates doctor --watch 10",
            ),
            unless="a client that looks for a server which is just starting, or a scan"
            " of this host's ports",
            no_process="unknown: their sockets are gone",
        )
