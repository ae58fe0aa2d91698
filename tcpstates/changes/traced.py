"""Make events of traced transitions: exact where the kernel tells the truth.

The tracepoint hides three states. A half-open connection is traced only when its
handshake completes. A socket that becomes a time-wait socket, in TIME_WAIT or in
FIN_WAIT_2 without a process, is traced as CLOSED at that moment. So no duration is
given for these, and the end of such a state may be TIME_WAIT.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from tcpstates.batch import ColumnBatch
from tcpstates.changes.model import Events, Exactness, Kind, Resync
from tcpstates.collect.proc_files import name_of
from tcpstates.model import Owner
from tcpstates.parse.transition import Transition
from tcpstates.states import TcpState

# Plain texts: comparing them takes a tenth of the time of comparing members.
_CLOSED, _LISTEN = str(TcpState.CLOSED), str(TcpState.LISTEN)
_SYN_RECEIVED, _FIN_WAIT_2 = str(TcpState.SYN_RECEIVED), str(TcpState.FIN_WAIT_2)
_SECOND = 1_000_000_000  # nanoseconds
_SHORT = 1_000_000  # nanoseconds: an orphan leaves FIN_WAIT_2 at once
_MOST_NAMES = 10_000

Lasted = tuple[int | None, Exactness | None]

# What an error of the socket says of the end.
_CAUSES = {
    errno.ECONNRESET: "reset received",
    errno.EPIPE: "reset received",
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.ECONNABORTED: "ended by an administrator",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
}
_ABORTED = "reset sent"
_ABORTABLE = frozenset({str(TcpState.ESTABLISHED), str(TcpState.CLOSE_WAIT)})


def _cause(each: Transition) -> str | None:
    """Say why a connection has ended; None: as usual, or not known."""
    if each.error:
        return _CAUSES.get(each.error, os.strerror(each.error))
    # In these states close() sends FIN, unless data are unread or lost on purpose.
    return _ABORTED if each.pid is not None and each.old in _ABORTABLE else None


def _number(netns: int) -> str:
    """Name a network namespace by its number alone, as lsns(8) does."""
    return f"net:[{netns}]"


class TracedEvents:
    """Follows the sockets of a trace by their keys."""

    def __init__(self, name_netns: Callable[[int], str] = _number) -> None:
        """Take what names a network namespace, by its number."""
        self._name_netns = name_netns
        self._start = time.monotonic_ns()
        self._offset = time.time() - time.monotonic()
        # By key: its state, and since when, in nanoseconds.
        self._known: dict[int, tuple[str, int]] = {}
        self._has_lost = False
        # By pid and the name of the thread, as pids are given again.
        self._owners: dict[tuple[int, bytes | None], tuple[Owner, ...]] = {}

    def events(
        self, transitions: Sequence[Transition], lost: int
    ) -> Iterator[Events | Resync]:
        """Yield events in the order of time, those of one family together."""
        if lost:
            now = time.monotonic()
            reason = "the kernel counted changes that it did not deliver"
            yield Resync(now + self._offset, now, reason, lost)
            self._has_lost = True
        for _, run in groupby(_with_ports(transitions), attrgetter("family")):
            events = self._told(run)
            if events is not None:
                yield events

    def _told(self, transitions: Iterable[Transition]) -> Events | None:
        """Make events of transitions of one family; None: nothing is to be told."""
        known = self._known
        kinds: list[Kind] = []
        told: list[Transition] = []
        lasted: list[Lasted] = []
        for each in transitions:
            ns, key, old, new = each[:4]
            if new == old:
                continue  # the kernel sets a state that it already has
            if new == _SYN_RECEIVED and old == _LISTEN:
                continue  # it completes at once: the next one tells
            if old == _CLOSED:
                lasted.append((None, None))
            elif old == _SYN_RECEIVED:
                lasted.append((None, Exactness.HIDDEN))
            else:
                lasted.append(self._former(each))
            if new == _CLOSED:
                known.pop(key, None)
                kinds.append(Kind.CLOSED)
            else:
                known[key] = (new, ns)
                is_new = old in (_CLOSED, _SYN_RECEIVED)
                kinds.append(Kind.OPENED if is_new else Kind.CHANGED)
            told.append(each)
        return self._events(kinds, told, lasted) if told else None

    def _former(self, each: Transition) -> Lasted:
        """How long it was in the state before, in milliseconds, and what that means."""
        old = each.old
        known = self._known.get(each.key)
        if known is None and not self._has_lost:  # it is older than the trace
            return round((each.ns - self._start) / 1e6), Exactness.AT_LEAST
        if known is None or known[0] != old:
            return None, None
        lasted = each.ns - known[1]
        leaves = old == _FIN_WAIT_2 and each.new == _CLOSED
        if leaves and (each.pid is not None or lasted < _SHORT):
            # A program that closes, or an orphan: the kernel keeps the state elsewhere.
            return None, Exactness.HIDDEN
        return round(lasted / 1e6), Exactness.EXACT

    def _events(
        self, kinds: list[Kind], told: list[Transition], lasted: list[Lasted]
    ) -> Events:
        (
            stamps, _, olds, news, families, local, port, remote, peer, pids,
            cookies, namespaces, _, programs,
        ) = zip(*told, strict=True)  # fmt: skip
        old = [None if state == _CLOSED else state for state in olds]
        new = [None if state == _CLOSED else state for state in news]
        labels = [after or before for before, after in zip(old, new, strict=True)]
        seconds = [ns / _SECOND for ns in stamps]
        owners = self._owners
        names = {
            number: None if number is None else self._name_netns(number)
            for number in set(namespaces)
        }
        batch = ColumnBatch(
            "tcp",
            families[0],
            len(told),
            {
                "state_label": labels,
                "state": labels,
                "local_address": local,
                "local_port": port,
                "remote_address": remote,
                "remote_port": peer,
                "processes": [
                    owners.get((pid, name)) or (pid and self._owner(pid, name))
                    for pid, name in zip(pids, programs, strict=True)
                ],
                "cookie": cookies,
                "netns_id": namespaces,
                "netns": [names[number] for number in namespaces],
            },
        )
        return Events(
            kinds,
            batch,
            [second + self._offset for second in seconds],
            seconds,
            old,
            new,
            [ms for ms, _ in lasted],
            [exactness for _, exactness in lasted],
            [None] * len(told),
            [None if each.new != _CLOSED else _cause(each) for each in told],
            is_traced=True,
        )

    def _owner(self, pid: int, name: bytes | None) -> tuple[Owner, ...]:
        """The program that caused a change; what has ended has its thread's name."""
        found = self._owners.get((pid, name))
        if found is None:
            if len(self._owners) > _MOST_NAMES:
                self._owners.clear()
            found = self._owners[pid, name] = (Owner(pid, name_of(pid) or name, None),)
        return found


def _with_ports(transitions: Sequence[Transition]) -> Sequence[Transition]:
    """Fill in ports that were chosen during connect(): the next transition has them."""
    without = {each.key for each in transitions if not each.local_port}
    if not without:
        return transitions
    ports: dict[int, int] = {}
    filled = list(transitions)
    for place in range(len(filled) - 1, -1, -1):
        each = filled[place]
        key = each[1]
        if key in without:
            if each.local_port:
                ports[key] = each.local_port
            else:
                filled[place] = each._replace(local_port=ports.pop(key, 0))
    return filled
