"""A diagnosis: scan the sockets once for the rules, then read what the rules ask for.

Sockets are not held: a rule takes from each batch what it flags. Then the owners of the
flagged sockets are looked up, and their other ends, if these are on the same host.
"""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain

from tcpstates.advice import possible
from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.examiner import Examiner
from tcpstates.doctor.facts import (
    Ends,
    Facts,
    FlaggedSocket,
    OtherEnd,
    RuleContext,
    ends_of,
    other_ends,
    ports_of,
    unmap_ipv4,
)
from tcpstates.doctor.findings import (
    Diagnosis,
    Finding,
    NotExamined,
    Peer,
    Severity,
    Trend,
    gravity,
)
from tcpstates.doctor.merge import merged
from tcpstates.doctor.parts import Parts
from tcpstates.doctor.rules.datagrams import select_dropped
from tcpstates.doctor.short_lived import ShortLived
from tcpstates.doctor.thresholds import Thresholds
from tcpstates.doctor.trends import compare
from tcpstates.errors import ArgumentError, chosen
from tcpstates.model import FAMILIES, Listing, Request
from tcpstates.origin import Origin, to_origin
from tcpstates.pipeline import list_sockets, select
from tcpstates.processes import Process
from tcpstates.states import LISTENING, TcpState

__all__ = [
    "Diagnosis",
    "Finding",
    "NotExamined",
    "Peer",
    "Process",
    "Severity",
    "Thresholds",
    "Trend",
    "examine",
]

_DEFAULT = Thresholds()
# The states of half-open and of not yet accepted connections.
_UNOWNED = frozenset({TcpState.SYN_RECEIVED, TcpState.ESTABLISHED, TcpState.CLOSE_WAIT})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What each scan is asked."""

    request: Request
    filter: Sequence[str]
    thresholds: Thresholds
    is_watched: bool  # there is a second scan


def examine(
    filter: str | Sequence[str] = (),  # noqa: A002  (it is called what it is)
    *,
    families: str | Collection[str] | None = None,
    source: str | Origin = "auto",
    thresholds: Thresholds = _DEFAULT,
    watch: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Diagnosis:
    """Find what is stuck among the sockets that a filter selects.

    `filter`, `families` and `source` are those of `snapshot`; `families` None: both.
    With `watch` there is a second scan so many seconds later, and every finding says
    whether it has grown. `sleep` waits between both scans. Raise SourceUnavailable,
    FilterSyntaxError and ArgumentError.
    """
    request = Request(info=True, reported_processes=True)
    if families is not None:
        request = request._replace(families=chosen("family", families, FAMILIES))
    origin = to_origin(source)
    if watch is not None and not watch >= 0:
        raise ArgumentError(f"invalid pause {watch}; expected a number of seconds")
    question = _Question(
        request=request,
        filter=[filter] if isinstance(filter, str) else list(filter),
        thresholds=thresholds,
        is_watched=watch is not None,
    )
    started = time.monotonic()
    parts = Parts(origin, is_watched=question.is_watched)

    def examine_part(
        part: Origin, before: Mapping[str, int], ends: ShortLived | None
    ) -> Diagnosis:
        return _scan(question, part.pinned(), before, ends)

    found = parts.scan(examine_part)
    if watch is not None:
        sleep(watch)
        between = time.monotonic() - started
        second = parts.scan(examine_part)
        for part in second.keys() & found.keys():
            now = second[part]
            compared = compare(found[part].findings, now.findings, between)
            selection = select(question.filter, part, request)
            compared += parts.ends[part].findings(selection, between)
            second[part] = replace(now, findings=tuple(sorted(compared, key=gravity)))
        found = second
    diagnosis = merged([(part, each) for part, each in found.items()])
    return replace(
        diagnosis,
        limitations=(*diagnosis.limitations, *parts.hidden()),
        seconds=time.monotonic() - started,
    )


def _scan(
    question: _Question,
    origin: Origin,
    before: Mapping[str, int],
    ends: ShortLived | None,
) -> Diagnosis:
    """Examine the sockets once; `before` has the counters at the start of the run.

    `ends` notes which sockets are there; None: there is no second scan.
    """
    request = question.request
    listing = list_sockets(request, origin, select(question.filter, origin, request))
    context = _context(question, origin, listing)
    examiner = Examiner(context)
    batches = listing.batches
    if ends is not None:
        ends.listening = context.listening
        batches = ends.noted(batches)
    examiner.observe(batches)
    if context.is_filtered:
        unowned = Request(states=_UNOWNED, info=True, families=request.families)
        examiner.observe_unowned(list_sockets(unowned, origin).batches)
    has_udp = False
    if Capability.MEMORY not in context.missing:
        dropping, has_udp = _dropped_datagrams(question, origin)
        examiner.observe_udp(dropping)
    flagged = {socket.ends: socket for socket in examiner.flagged()}
    partners = _other_ends(examiner, origin, flagged)
    sockets: list[FlaggedSocket | OtherEnd] = [
        *examiner.flagged(),
        *examiner.owned(),
        *partners.values(),
    ]
    view = origin.processes(
        (s.inode for s in sockets if s.processes is None and s.inode),
        chain.from_iterable(s.processes or () for s in sockets),
        examiner.counted.total(),
    )
    after = origin.counters()
    facts = Facts(
        **{field.name: getattr(view, field.name) for field in fields(view)},
        counted=examiner.counted,
        partners=ChainMap(partners, flagged),  # type: ignore[arg-type]
        counters=after,
        grown={n: max(0, after[n] - before[n]) for n in after.keys() & before.keys()},
        unix_listeners=origin.unix_listeners(),
    )
    findings, not_examined = examiner.find(facts)
    examined: Collection[int] = view.descriptors
    # Only Linux shows the descriptors of all processes.
    if context.is_filtered or (context.is_live and not examined):
        examined = {pid for socket in sockets for pid in facts.owner(socket).pids}
    if context.is_live:
        findings = [_possible(finding) for finding in findings]
    return Diagnosis(
        findings=tuple(findings),
        not_examined=tuple(not_examined),
        source=listing.source,
        taken_at=listing.taken_at,
        seconds=0.0,
        filter=listing.filter,
        limitations=tuple(listing.limitations),
        counted=dict(examiner.counted),
        processes=len(examined),
        has_udp=has_udp,
        note=origin.command_note,
    )


def _possible(finding: Finding) -> Finding:
    """Leave out the commands that this system cannot follow."""
    return replace(finding, commands=possible(finding.commands))


def _dropped_datagrams(
    question: _Question, origin: Origin
) -> tuple[Iterable[Batch], bool]:
    """Read the UDP sockets that have dropped something, and whether there are any.

    A filter may need the owners of all sockets, so it is applied only if there are any.
    """
    request = question.request._replace(
        protocols=frozenset({"udp"}), info=False, memory=True
    )
    found, number = [], 0
    for batch in list_sockets(request, origin).batches:
        number += len(batch) - list(batch.column("memory")).count(None)
        found.append(select_dropped(batch))
    selection = select(question.filter, origin, request)
    if selection is None or not any(map(len, found)):
        return found, number > 0
    return list_sockets(request, origin, selection).batches, True


def _context(question: _Question, origin: Origin, listing: Listing) -> RuleContext:
    """Collect what is known before the sockets are read."""
    asked = Request(states=LISTENING, unknown_states=False)
    settings = origin.settings()
    return RuleContext(
        thresholds=question.thresholds,
        settings=settings,
        kernel=origin.kernel_counts(),
        listening=frozenset(ports_of(origin.read(asked, []).batches)),
        fin_timeout_ms=settings.fin_timeout * 1000 if settings.is_known else None,
        missing=origin.missing(listing.source),
        is_live=origin.is_here,
        is_filtered=listing.filter is not None,
        is_watched=question.is_watched,
        knows_ports=settings.is_known,
    )


def _other_ends(
    examiner: Examiner, origin: Origin, flagged: Mapping[Ends, FlaggedSocket]
) -> dict[Ends, OtherEnd]:
    """Find the other ends of flagged sockets, as far as they are on this host.

    Those that are flagged themselves are known already, which often saves a second
    pass: the other end of CLOSE_WAIT is in FIN_WAIT_2. Rules that want a second pass
    see the same sockets.
    """
    own = examiner.addresses
    wanted = {
        socket.mirrored
        for socket in flagged.values()
        if socket.remote_port and unmap_ipv4(socket.remote_address) in own
    } - flagged.keys()
    is_second_pass = examiner.wants_second_pass()
    found: dict[Ends, OtherEnd] = {}
    if not wanted and not is_second_pass:
        return found
    request = Request(states=Request().states - LISTENING, reported_processes=True)
    for batch in list_sockets(request, origin).batches:
        if is_second_pass:
            examiner.second_pass(batch)
        here = batch.select(list(map(wanted.__contains__, ends_of(batch))))
        found.update(other_ends(here))
    return found
