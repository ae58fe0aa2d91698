"""Processes that others wait for, and that are stopped or stuck in the kernel.

Such a process neither accepts nor reads. Its kernel still completes handshakes and
acknowledges data, so its clients see a connection and get no answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts, FlaggedSocket, RuleContext
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.owner_groups import OwnerGroup
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
        """Yield a finding per program with stopped, or stuck, processes."""
        held: dict[int, tuple[bytes | None, list[FlaggedSocket]]] = {}
        for socket in self._found:
            owner = facts.owner(socket)
            for pid, name in zip(owner.pids, owner.names, strict=True):
                sockets = held.setdefault(pid, (name, []))[1]
                if not sockets or sockets[-1] is not socket:
                    sockets.append(socket)
        if Capability.HOST_LIMITS in self._context.missing and held:
            text = "whether processes are stopped (no listing contains it)"
            yield NotExamined(rule="stopped", text=text, is_fixed=True)
            return
        stopped = frozenset(filter(facts.is_stopped, held))
        stuck = facts.stuck_in_kernel(held)
        for pids, texts in ((stopped, _STOPPED), (stuck - stopped, _STUCK)):
            programs: dict[bytes | None, list[int]] = {}
            for pid in (pid for pid in held if pid in pids):
                programs.setdefault(held[pid][0], []).append(pid)
            for name, same in programs.items():
                sockets = list(
                    {id(s): s for pid in same for s in held[pid][1]}.values()
                )
                owner = OwnerGroup(tuple(same), (name,) * len(same))
                yield _finding(facts, owner, sockets, texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """What is said of processes that are stopped, or stuck."""

    verdict: str
    means: str
    command: str  # for each process
    advice: str
    unless: str


_STOPPED = _Texts(
    verdict="stopped, by a signal or a debugger",
    means="A stopped process neither accepts nor reads. Its kernel still completes"
    " handshakes and acknowledges data, so clients wait without an error.",
    command="kill -CONT {}",
    advice="find out who has stopped it: kill -STOP, a debugger, a supervisor",
    unless="someone debugs it on purpose",
)
_STUCK = _Texts(
    verdict="stuck in the kernel: in one uninterruptible sleep (D) for 2s",
    means="The main thread waits in a system call, for a disk or a network file system"
    " as a rule. If it is the one that serves, its clients wait without an error.",
    command="cat /proc/{}/stack",
    advice="look for a disk or a network file system that does not answer (dmesg)",
    unless="other threads serve the clients, or a slow disk answers in the end",
)


def _finding(
    facts: Facts, owner: OwnerGroup, sockets: list[FlaggedSocket], texts: _Texts
) -> Finding:
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
        verdict=f"{owner} {plural(number, 'is', 'are')} {texts.verdict}",
        evidence=tuple(evidence),
        numbers={
            "processes": number,
            "listeners": listeners,
            "unread": unread,
            "waiting": waiting,
        },
        means=texts.means,
        commands=tuple(
            command_line(texts.command, pid) for pid in owner.pids[:_MOST_COMMANDS]
        ),
        advice=(texts.advice,),
        unless=texts.unless,
        processes=facts.processes(owner),
        peers=remote_peers(
            (s for s in sockets if s.state_label != _LISTEN), with_port=False
        ),
    )
