"""Stopped processes that others wait for.

A process that a signal or a debugger has stopped neither accepts nor reads. Its kernel
still completes handshakes and acknowledges data, so its clients see a connection and
get no answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tcpstates.batch import Batch
from tcpstates.doctor.facts import Facts, FlaggedSocket, OwnerGroup, RuleContext
from tcpstates.doctor.findings import Finding, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import remote_peers
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.states import TcpState
from tcpstates.text import command_line
from tcpstates.wording import counted, plural

_LISTEN = str(TcpState.LISTEN)
_MOST_COMMANDS = 3


class StoppedRule(Rule):
    """Listeners, and connections with unread data, of stopped processes."""

    states = frozenset({_LISTEN, str(TcpState.ESTABLISHED), str(TcpState.CLOSE_WAIT)})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._found: list[FlaggedSocket] = []

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect listeners, and sockets with data to read: see `Rule`."""
        if state_label == _LISTEN:
            self._found += self._context.sockets(batch)
        elif any(batch.column("recv_q")):
            rows = batch.rows("recv_q", "inode")
            unread = [bool(queue and inode) for queue, inode in rows]
            self._found += self._context.sockets(batch.select(unread))

    def owned(self) -> Iterator[FlaggedSocket]:
        """Yield all collected sockets."""
        yield from self._found

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per program with stopped processes."""
        stopped: dict[int, bool] = {}
        programs: dict[bytes | None, tuple[dict[int, None], list[FlaggedSocket]]] = {}
        for socket in self._found:
            owner = facts.owner(socket)
            for pid, name in zip(owner.pids, owner.names, strict=True):
                if pid not in stopped:
                    stopped[pid] = facts.is_stopped(pid)
                if stopped[pid]:
                    pids, sockets = programs.setdefault(name, ({}, []))
                    pids[pid] = None
                    if not sockets or sockets[-1] is not socket:
                        sockets.append(socket)
        for name, (pids, sockets) in programs.items():
            yield _finding(facts, OwnerGroup(tuple(pids), (name,) * len(pids)), sockets)


def _finding(facts: Facts, owner: OwnerGroup, sockets: list[FlaggedSocket]) -> Finding:
    kinds = Counter(socket.state_label == _LISTEN for socket in sockets)
    listeners, unread = kinds[True], kinds[False]
    waiting = sum(s.recv_q or 0 for s in sockets if s.state_label == _LISTEN)
    held = []
    if listeners:
        held.append(counted(listeners, "listener"))
    if unread:
        held.append(f"{counted(unread, 'connection')} with unread data")
    number = len(owner.pids)
    evidence = [f"{plural(number, 'it has', 'they have')} {' and '.join(held)}"]
    if waiting:
        evidence.append(f"{counted(waiting, 'connection')} waiting to be accepted")
    return Finding(
        rule="stopped",
        subject=owner.subject,
        severity=Severity.CRITICAL,
        size=number,
        verdict=f"{owner} {plural(number, 'is', 'are')} stopped, by a signal or a"
        " debugger",
        evidence=tuple(evidence),
        numbers={
            "processes": number,
            "listeners": listeners,
            "unread": unread,
            "waiting": waiting,
        },
        means="A stopped process neither accepts nor reads. Its kernel still completes"
        " handshakes and acknowledges data, so clients wait without an error.",
        commands=tuple(
            command_line("kill -CONT {}", pid) for pid in owner.pids[:_MOST_COMMANDS]
        ),
        advice=("find out who has stopped it: kill -STOP, a debugger, a supervisor",),
        unless="someone debugs it on purpose",
        processes=facts.processes(owner),
        peers=remote_peers(
            (s for s in sockets if s.state_label != _LISTEN), with_port=False
        ),
    )
