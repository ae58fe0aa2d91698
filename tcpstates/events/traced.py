"""Make events of traced transitions: exact where the kernel tells the truth.

The tracepoint hides three states. A half-open connection is traced only when its
handshake completes. A socket that becomes a time-wait socket, in TIME_WAIT or in
FIN_WAIT_2 without a process, is traced as CLOSED at that moment. So no duration is
given for these, and the end of such a state may be TIME_WAIT.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tcpstates.batch import ColumnBatch
from tcpstates.collect.proc_files import name_of
from tcpstates.events.model import Events, Exactness, Kind, Resync
from tcpstates.model import Owner
from tcpstates.parse.tracepoint import Transition
from tcpstates.states import TcpState as S

_SECOND = 1_000_000_000
_SHORT = 1_000_000  # nanoseconds: an orphan leaves FIN_WAIT_2 at once


class _Known(NamedTuple):
    """A socket's state, and since when; `is_exact`: we saw it enter the state."""

    state: str
    ns: int
    is_exact: bool


class _Told(NamedTuple):
    """A transition, and what is known about the time before it."""

    transition: Transition
    kind: Kind
    old: str | None
    new: str | None
    former_ms: int | None
    exactness: Exactness | None


class TracedEvents:
    """Follows the sockets of a trace by their address in the kernel."""

    def __init__(self) -> None:
        self._start = time.monotonic_ns()
        self._offset = time.time() - time.monotonic()
        self._known: dict[int, _Known] = {}
        self._names: dict[int, bytes | None] = {}

    def events(
        self, transitions: Sequence[Transition], lost: int
    ) -> Iterator[Events | Resync]:
        """Yield events in the order of time, those of one kind and family together."""
        if lost:
            now = time.monotonic()
            reason = "more changes than the buffers hold"
            yield Resync(now + self._offset, now, reason, lost)
            self._known.clear()
        run: list[_Told] = []
        for told in self._told(_with_ports(transitions)):
            if run and _differs(run[-1], told):
                yield self._batch(run)
                run = []
            run.append(told)
        if run:
            yield self._batch(run)

    def _told(self, transitions: Iterable[Transition]) -> Iterator[_Told]:
        for each in transitions:
            former_ms, exactness = self._former(each)
            if each.new == S.CLOSED:
                self._known.pop(each.key, None)
                yield _Told(each, Kind.CLOSED, each.old, None, former_ms, exactness)
                continue
            self._known[each.key] = _Known(each.new, each.ns, is_exact=True)
            if each.new == S.SYN_RECEIVED and each.old == S.LISTEN:
                continue  # it completes at once: the next one tells
            is_new = each.old in (S.CLOSED, S.SYN_RECEIVED)
            old = None if each.old == S.CLOSED else each.old
            kind = Kind.OPENED if is_new else Kind.CHANGED
            if kind is Kind.OPENED and old is None:
                former_ms = exactness = None
            yield _Told(each, kind, old, each.new, former_ms, exactness)

    def _former(self, each: Transition) -> tuple[int | None, Exactness | None]:
        """How long it was in the state before, in milliseconds, and what that means."""
        if each.old == S.SYN_RECEIVED:
            return None, Exactness.HIDDEN
        known = self._known.get(each.key)
        if known is None or known.state != each.old:
            return round((each.ns - self._start) / 1e6), Exactness.AT_LEAST
        lasted = each.ns - known.ns
        leaves = each.new == S.CLOSED and each.old == S.FIN_WAIT_2
        if leaves and (each.pid is not None or lasted < _SHORT):
            # A program that closes, or an orphan: the kernel keeps the state elsewhere.
            return None, Exactness.HIDDEN
        return round(lasted / 1e6), Exactness.EXACT

    def _batch(self, run: Sequence[_Told]) -> Events:
        found = [told.transition for told in run]
        owners = [self._owner(each.pid) for each in found]
        seconds = [each.ns / _SECOND for each in found]
        batch = ColumnBatch(
            "tcp",
            found[0].family,
            len(found),
            {
                "state_label": [told.new or told.old for told in run],
                "state": [told.new or told.old for told in run],
                "local_address": [each.local_address for each in found],
                "local_port": [each.local_port for each in found],
                "remote_address": [each.remote_address for each in found],
                "remote_port": [each.remote_port for each in found],
                "processes": owners,
            },
        )
        return Events(
            run[0].kind,
            batch,
            [second + self._offset for second in seconds],
            seconds,
            [told.old for told in run],
            [told.new for told in run],
            [told.former_ms for told in run],
            [told.exactness for told in run],
            [None] * len(run),
            is_traced=True,
        )

    def _owner(self, pid: int | None) -> tuple[Owner, ...] | None:
        """The program that caused it; None: the network did, for whoever owns it."""
        if pid is None:
            return None
        if pid not in self._names:
            if len(self._names) > 10_000:
                self._names.clear()
            self._names[pid] = name_of(pid)
        return (Owner(pid, self._names[pid], None),)


def _differs(before: _Told, told: _Told) -> bool:
    return (
        told.kind is not before.kind
        or told.transition.family != before.transition.family
    )


def _with_ports(transitions: Sequence[Transition]) -> Iterator[Transition]:
    """Yield them; a port that is chosen during connect() is taken from the next one."""
    ports: Mapping[int, int] = {
        each.key: each.local_port for each in reversed(transitions) if each.local_port
    }
    for each in transitions:
        if each.local_port == 0 and each.key in ports:
            yield each._replace(local_port=ports[each.key])
        else:
            yield each
