"""Report connections that opened and ended between two scans, which no listing shows.

The kernel's notices of ended sockets report them: see `collect.ended`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from tcpstates.batch import Batch
from tcpstates.changes.ends import ears_of
from tcpstates.collect.ended import EndListener
from tcpstates.doctor.facts import Port
from tcpstates.doctor.findings import Finding, Severity
from tcpstates.doctor.phrases import endpoint
from tcpstates.errors import SourceUnavailable
from tcpstates.filters.conditions import InStates
from tcpstates.filters.selection import Selection
from tcpstates.model import WILDCARDS
from tcpstates.origin import Origin
from tcpstates.parse.ended import sort_notices
from tcpstates.text import command_line, format_bytes, format_ms
from tcpstates.wording import counted

_FEW = 10  # connections without data: fewer are not worth a word
_SHARE = 0.5  # of the connections, that have to be without data
_MOST = 3  # findings
# Bytes that tcp_info counts beside the data: SYN and FIN sent, FIN received.
_SENT, _RECEIVED = 2, 1


class _Course(NamedTuple):
    """What clients, or programs of this host, did again and again."""

    words: str
    condition: str  # that selects it


class ShortLived:
    """Hears of the ends of one network namespace, from the first scan on."""

    def __init__(self, origin: Origin) -> None:
        """Begin to listen, where the kernel reports ends."""
        self._listener: EndListener | None = None
        self._seen: set[int] = set()
        self._has_looked = False
        self.listening: Collection[Port] = ()  # ports, as of the last scan
        ears = ears_of([origin])
        if ears:
            with suppress(SourceUnavailable):
                self._listener = EndListener({"tcp"}, ears)

    def noted(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the batches of a scan; what the first one sees is not short-lived."""
        is_first, self._has_looked = not self._has_looked, True
        for batch in batches:
            if not is_first:
                yield batch
                continue
            self._seen.update(filter(None, batch.column("cookie")))
            yield batch

    def findings(
        self,
        selection: Selection | None,
        seconds: float,
    ) -> list[Finding]:
        """Stop listening, and report the most frequent courses.

        A filter by state or process selects none of them: both are unknown.
        """
        if self._listener is None:
            return []
        notices = self._listener.take().notices
        self._listener.close()
        if selection is not None and (
            selection.needs_processes
            or selection.needs_listeners
            or selection.asks_for(InStates)
        ):
            return []
        batches: Iterator[Batch] = (each.batch for each in sort_notices(notices))
        if selection is not None:
            batches = selection.without_processes(batches)
        courses: Counter[_Course] = Counter()
        empty: Counter[_Course] = Counter()
        moved: Counter[_Course] = Counter()
        for batch in batches:
            for course, count in self._courses(batch):
                courses[course] += 1
                empty[course] += count == 0
                moved[course] += count
        return [
            _finding(course, number, empty[course], moved[course], seconds)
            for course, number in courses.most_common(_MOST)
            if max(_FEW, _SHARE * number) <= empty[course]
        ]

    def _courses(self, batch: Batch) -> Iterator[tuple[_Course, int]]:
        """Yield what each short-lived connection was, and the bytes that it moved."""
        for cookie, here, peer, there, sent, received in batch.rows(
            "cookie",
            "local_port",
            "remote_address",
            "remote_port",
            "info.bytes_acked",
            "info.bytes_received",
        ):
            if cookie in self._seen or peer in WILDCARDS or not here:
                continue  # it was there before, or it was a listener
            if sent is None or received is None:
                continue
            count = max(0, sent - _SENT) + max(0, received - _RECEIVED)
            # A listener may have ended, too: then the service has the lower port.
            if here in self.listening or (there not in self.listening and here < there):
                words = f"clients of port {here}"
                yield _Course(words, f"sport = :{here}"), count
            elif there:
                where = endpoint(peer, there)
                words = f"connections to {where}"
                condition = command_line("dst {}", where)
                yield _Course(words, condition), count


def _finding(
    course: _Course, number: int, empty: int, moved: int, seconds: float
) -> Finding:
    rate = number / seconds if seconds else 0.0
    evidence: Sequence[str] = (
        f"{empty:,} of them moved no data: refused, reset or given up, or a probe",
        f"{format_bytes(moved)} in all; {rate:.1f} a second",
    )
    return Finding(
        rule="short-lived",
        subject=course.words,
        severity=Severity.NOTICE,
        size=number,
        verdict=f"{counted(number, 'connection')} opened and ended within"
        f" {format_ms(seconds * 1000)}: {course.words}",
        evidence=tuple(evidence[0 if empty else 1 :]),
        numbers={"sockets": number, "without_data": empty, "bytes": moved},
        means="No listing shows them: they ended between the scans. Each one costs a"
        " handshake and, on the side that closes first, a port for a minute.",
        commands=("tcpstates trace --for 10 --summary -q " + course.condition,),
        advice=("in the client: keep connections open, or use a pool",),
        unless="clients that make one connection for each request, at a rate that both"
        " sides can bear",
    )
