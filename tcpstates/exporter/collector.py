"""Turn counts into metrics of prometheus_client: one scan for all who ask at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from threading import Lock

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

import tcpstates
from tcpstates import metrics as are
from tcpstates.doctor.examine import examine
from tcpstates.doctor.findings import RULES, Severity
from tcpstates.errors import SourceUnavailable
from tcpstates.exporter.ends import Ends
from tcpstates.exporter.scan import Counts, Wanted, count
from tcpstates.metrics import Metric
from tcpstates.origin import LiveHost

_REUSED = 1.0  # seconds for which a scan is good enough
_MOST_SERIES = 2000  # of a metric

Samples = list[tuple[Sequence[str], float]]  # values of labels, and the number


class TcpstatesCollector(Collector):
    """Scans when it is asked, and remembers the answer for a moment."""

    def __init__(
        self,
        origin: LiveHost,
        wanted: Wanted,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Listen for ended connections from now on."""
        self._origin, self._wanted, self._clock = origin, wanted, clock
        self._ends = Ends(origin)
        self._lock = Lock()
        self._scanned_at: float | None = None
        self._families: list[Family] = []
        self._findings: Counter[tuple[str, str]] = Counter()
        self._examined_at: float | None = None
        self.is_up = False

    def collect(self) -> Iterator[Family]:
        """Yield every metric; concurrent callers wait for one scan and share it."""
        self.refresh()
        yield from self._families

    def describe(self) -> list[Family]:
        """Return nothing, so that registering does not scan."""
        return []

    def refresh(self) -> None:
        """Scan, unless somebody has done so a moment ago. It does not fail."""
        with self._lock:
            now = self._clock()
            if self._scanned_at is None or now - self._scanned_at > _REUSED:
                try:
                    self._families = list(self._scan())
                except Exception:  # noqa: BLE001  (a monitor must not end over it)
                    self.is_up = False
                    self._families = [_family(are.UP, [((), 0)])]
                self._scanned_at = self._clock()

    def close(self) -> None:
        """Stop listening."""
        self._ends.close()

    def _scan(self) -> Iterator[Family]:
        start = self._clock()
        found: list[Counts] = []
        refused: list[str] = []
        wanted = self._wanted
        for part in self._origin.parts():
            try:
                found.append(count(part, wanted))
            except SourceUnavailable as error:
                refused.append(error.reason)
        self.is_up = bool(found)
        yield _family(are.UP, [((), int(self.is_up))])
        source = found[0].source if found else ""
        yield _family(are.BUILD, [((tcpstates.__version__, source), 1)])
        if not found:
            return
        yield from self._socket_families(found)
        yield from self._end_families({p for c in found for p in c.accept_queue})
        yield from self._finding_families()
        kinds = {limit.kind for counts in found for limit in counts.limitations}
        if refused:
            kinds.add("namespaces-hidden")
        yield _family(are.LIMITATIONS, [((kind,), 1) for kind in sorted(kinds)])
        yield _family(are.SCAN_SECONDS, [((), self._clock() - start)])

    def _socket_families(self, found: Sequence[Counts]) -> Iterator[Family]:
        dropped = 0
        by_counts: list[tuple[Metric, Callable[[Counts], Samples]]] = [
            (are.SOCKETS, lambda c: [(key, n) for key, n in c.sockets.items()]),
            (are.RECEIVE_QUEUE, lambda c: _by_port(c, c.receive_queue)),
            (are.SEND_QUEUE, lambda c: _by_port(c, c.send_queue)),
            (are.ACCEPT_QUEUE, lambda c: _by_port(c, c.accept_queue)),
            (are.ACCEPT_LIMIT, lambda c: _by_port(c, c.accept_limit)),
            (are.OLDEST, lambda c: [((s,), age) for s, age in c.oldest.items()]),
            (are.EPHEMERAL, lambda c: [((d,), n) for d, n in c.destinations]),
            (are.EPHEMERAL_LIMIT, _ephemeral_limit),
        ]
        for metric, samples_of in by_counts:
            samples: Samples = []
            for counts in found:
                place = self._place(counts.netns)
                samples += [
                    ((*values, *place), number) for values, number in samples_of(counts)
                ]
            dropped += max(0, len(samples) - _MOST_SERIES)
            yield self._placed(metric, samples[:_MOST_SERIES])
        if self._wanted.columns:
            dropped += sum(counts.left_groups for counts in found)
            labels = [c.key.replace("-", "_") for c in self._wanted.columns]
            yield self._placed(
                are.GROUPS._replace(labels=tuple(labels)),
                [
                    ((*map(str, values), *self._place(counts.netns)), number)
                    for counts in found
                    for values, number in counts.groups
                ],
            )
        for field, metric in are.KERNEL.items():
            told: Samples = [
                (self._place(counts.netns), value)
                for counts in found
                if (value := getattr(counts.kernel, field, None)) is not None
            ]
            yield self._placed(metric, told)
        yield _family(are.DROPPED, [((), dropped)])

    def _end_families(self, listening: Collection[str]) -> Iterator[Family]:
        if not self._ends.is_heard:
            return
        self._ends.add({*listening, *map(str, self._wanted.ports)})
        totals = self._ends.totals
        for metric, numbers in (
            (are.CLOSED, totals.closed),
            (are.SENT, totals.sent),
            (are.RECEIVED, totals.received),
            (are.RETRANSMITS, totals.retransmits),
        ):
            samples: Samples = [
                ((port, *self._place(netns)), number)
                for (netns, port), number in numbers.items()
            ]
            yield self._placed(metric, samples[:_MOST_SERIES])
        yield _family(are.LOST, [((), self._ends.lost)])

    def _finding_families(self) -> Iterator[Family]:
        """Examine now and then: that takes longer than counting."""
        every = self._wanted.doctor_every
        if not every:
            return
        now = self._clock()
        if self._examined_at is None or now - self._examined_at >= every:
            self._examined_at = now
            with suppress(SourceUnavailable):
                diagnosis = examine(self._wanted.expression, source=self._origin)
                self._findings = Counter(
                    (finding.rule, finding.severity.name.lower())
                    for finding in diagnosis.findings
                )
        names = [severity.name.lower() for severity in Severity]
        yield _family(
            are.FINDINGS,
            [
                ((rule, name), self._findings[rule, name])
                for rule in RULES
                for name in names
            ],
        )

    def _place(self, netns: str | None) -> tuple[str, ...]:
        return (netns or "",) if self._wanted.has_places else ()

    def _placed(self, metric: Metric, samples: Samples) -> Family:
        more = ("netns",) if self._wanted.has_places else ()
        return _family(metric._replace(labels=(*metric.labels, *more)), samples)


def _by_port(counts: Counts, numbers: Counter[str]) -> Samples:
    """Return a number for every port that listens, zeros included."""
    return [((port,), numbers[port]) for port in {**counts.accept_queue, **numbers}]


def _ephemeral_limit(counts: Counts) -> Samples:
    limit = counts.ephemeral_limit
    return [] if limit is None else [((), limit)]


def _family(metric: Metric, samples: Samples) -> Family:
    kind = CounterMetricFamily if metric.only_grows else GaugeMetricFamily
    family = kind(metric.name, metric.text, labels=metric.labels)
    for values, number in samples:
        # Names of programs and namespaces may be bytes that are no text.
        texts = [v.encode("utf-8", "backslashreplace").decode() for v in values]
        family.add_metric(texts, number)
    return family
