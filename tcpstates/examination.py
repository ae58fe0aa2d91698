"""A diagnosis: read the sockets once for the rules, then what the rules want to know.

Sockets are not kept: a rule takes from each batch what it suspects. Then the holders of
the suspects are looked for, and their other ends, if these are on this host.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

from tcpstates.capabilities import Capability
from tcpstates.collect.choose import SOURCES, missing_from, read_sockets
from tcpstates.collect.kernel_counts import read_counters, read_kernel_counts
from tcpstates.collect.names import SystemNames
from tcpstates.collect.owners import OwnerTable
from tcpstates.collect.proc_files import sees_all_processes
from tcpstates.collect.settings import read_settings
from tcpstates.diagnose.case import Case, Ends, Host, Suspect, plain, ports_of
from tcpstates.diagnose.examiner import Examiner
from tcpstates.diagnose.thresholds import Thresholds
from tcpstates.diagnose.trends import compare
from tcpstates.errors import ArgumentError, chosen
from tcpstates.filters.selection import read_selection
from tcpstates.findings import Diagnosis, Finding, Gap, Peer, Process, Severity, Trend
from tcpstates.lifecycle.meanings import Settings
from tcpstates.model import (
    FAMILIES,
    Batch,
    Listing,
    Owner,
    Reason,
    Request,
    SavedSource,
)
from tcpstates.pipeline import list_sockets, lookup_for
from tcpstates.states import LISTENING, TcpState

__all__ = [
    "Diagnosis",
    "Finding",
    "Gap",
    "Peer",
    "Process",
    "Severity",
    "Thresholds",
    "Trend",
    "examine",
]

_DEFAULT = Thresholds()
_OURS = "/proc/self/ns/net"
_UNACCEPTED = frozenset({TcpState.ESTABLISHED, TcpState.CLOSE_WAIT})


class _Question(NamedTuple):
    """What both looks are asked."""

    request: Request
    words: Sequence[str]
    source: str | SavedSource
    thresholds: Thresholds
    is_watched: bool  # there is a second look


def examine(
    filter: str | Sequence[str] = (),  # noqa: A002  (it is called what it is)
    *,
    families: str | Collection[str] | None = None,
    source: str | SavedSource = "auto",
    thresholds: Thresholds = _DEFAULT,
    watch: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Diagnosis:
    """Return what is stuck among the TCP sockets that a filter selects.

    `filter`, `families` and `source` are those of `snapshot`; `families` None: both.
    With `watch` there is a second look so many seconds later, and every finding says
    whether it has grown. `sleep` waits between both looks. Raise SourceUnavailable,
    FilterSyntaxError and ArgumentError.
    """
    request = Request(info=True)
    if families is not None:
        request = request._replace(families=chosen("family", families, FAMILIES))
    if isinstance(source, str):
        chosen("source", source, ("auto", *SOURCES))
    if watch is not None and not watch >= 0:
        raise ArgumentError(f"no such pause: {watch}; it is a number of seconds")
    words = [filter] if isinstance(filter, str) else list(filter)
    words = words if any(word.strip() for word in words) else []
    question = _Question(request, words, source, thresholds, watch is not None)
    started = time.monotonic()
    counters = read_counters()
    first = _look(question, counters)
    if watch is None:
        return first._replace(seconds=time.monotonic() - started)
    sleep(watch)
    between = time.monotonic() - started
    second = _look(question, counters)
    return second._replace(
        findings=tuple(compare(first.findings, second.findings, between)),
        seconds=time.monotonic() - started,
    )


def _look(question: _Question, counters: dict[str, int]) -> Diagnosis:
    """Return what there is to find now; `counters` are those of the beginning."""
    listing = _listing(question, processes=False)
    # Without inodes, owners come with the sockets, or never.
    told = Capability.INODE in missing_from(listing.source)
    if told:
        listing = _listing(question, processes=True)
    host = _host(question, listing)
    examiner = Examiner(host)
    examiner.look(listing.batches)
    if host.is_filtered:
        states = frozenset({TcpState.SYN_RECEIVED, *_UNACCEPTED})
        unheld = Request(states=states, info=True, families=question.request.families)
        examiner.look_unheld(list_sockets(unheld, question.source).batches)
    partners = _look_again(examiner, host, question, told=told)
    table = OwnerTable(
        suspect.inode
        for suspect in chain(examiner.suspected(), partners.values())
        if suspect.processes is None and suspect.inode
    )
    if host.is_saved:
        case = _saved_case(examiner, partners)
    else:
        # Of some sockets' processes the other descriptors do not matter.
        table.scan(sockets=None if host.is_filtered else examiner.counted.total())
        case = _case(examiner, table, partners, counters)
    findings, gaps = examiner.find(case)
    return Diagnosis(
        tuple(findings),
        tuple(gaps),
        listing.source,
        listing.taken_at,
        0.0,
        listing.filter,
        tuple(listing.limitations),
        dict(examiner.counted),
        len(table.usage),
    )


def _listing(question: _Question, *, processes: bool) -> Listing:
    request = question.request._replace(processes=processes)
    selection = None
    if question.words:
        lookup = lookup_for(question.source, request.protocols)
        selection = read_selection(question.words, lookup, request)
    return list_sockets(request, question.source, selection)


def _host(question: _Question, listing: Listing) -> Host:
    """Return what is known before the sockets are read."""
    asked = Request(states=LISTENING, unknown_states=False)
    _, listeners = read_sockets(question.source, asked, [])
    listening = frozenset(ports_of(listeners))
    if not isinstance(question.source, str):
        from tcpstates.collect.saved import missing_in

        return Host(
            question.thresholds,
            Settings(),
            None,
            listening,
            None,
            missing_in(question.source),
            is_filtered=bool(question.words),
            is_saved=True,
            knows_ports=False,
        )
    settings = read_settings()
    return Host(
        question.thresholds,
        settings,
        read_kernel_counts(),
        listening,
        settings.fin_timeout * 1000 if settings.is_told else None,
        frozenset(missing_from(listing.source)),
        is_filtered=bool(question.words),
        is_watched=question.is_watched,
        knows_ports=settings.is_told,
    )


def _saved_case(examiner: Examiner, partners: dict[Ends, Suspect]) -> Case:
    """Return what is known where there is only a text."""
    names: dict[int, bytes | None] = {}
    for suspect in chain(examiner.suspected(), partners.values()):
        names |= {owner.pid: owner.name for owner in suspect.processes or ()}
    return Case(
        examiner.counted,
        owners=lambda inode: (),
        unseen=Reason.UNKNOWN,
        process=lambda pid: Process(pid, names.get(pid)),
        user=lambda uid: None if uid is None else str(uid),
        descriptors={},
        descriptors_limit=lambda pid: None,
        hidden_processes=0,
        is_unprivileged=False,
        is_here=lambda pid: True,
        partners=partners,
        counters={},
        grown={},
    )


def _look_again(
    examiner: Examiner, host: Host, question: _Question, *, told: bool
) -> dict[Ends, Suspect]:
    """Return the other ends of what is suspected, as far as they are on this host.

    What leads to crowded destinations is shown to the rule that wants to see it.
    """
    suspects = examiner.suspected()
    own = examiner.addresses
    wanted = {s.mirrored for s in suspects if plain(s.remote_address) in own}
    crowded = examiner.ports.crowded()
    found: dict[Ends, Suspect] = {}
    if not wanted and not crowded:
        return found
    request = Request(states=Request().states - LISTENING, processes=told)
    for batch in list_sockets(request, question.source).batches:
        if crowded:
            examiner.ports.look_again(batch, crowded)
        chosen = batch.keep([place in wanted for place in _places(batch)])
        if len(chosen):
            found.update((s.ends, s) for s in host.suspects(chosen))
    return found


def _places(batch: Batch) -> Iterator[Ends]:
    """Yield both endpoints of each socket, as `Suspect.ends`."""
    local, remote = (
        {address: plain(address) for address in set(values)}
        for values in (batch.column("local_address"), batch.column("remote_address"))
    )
    names = ("local_address", "local_port", "remote_address", "remote_port")
    for near, own, far, port in zip(*map(batch.column, names), strict=True):
        yield local[near], own, remote[far], port


def _case(
    examiner: Examiner,
    table: OwnerTable,
    partners: dict[Ends, Suspect],
    before: dict[str, int],
) -> Case:
    """Return what is known after the sockets were read."""
    from tcpstates.collect.psutil_ import read_descriptors_limit, read_process

    @cache
    def process(pid: int) -> Process:
        found = read_process(pid)
        if not table.is_same(pid):  # it is about another one that has the number now
            return Process(pid, table.name(pid))
        used = table.usage.get(pid)
        return found if used is None else found._replace(descriptors=used[0])

    def owners(inode: int) -> tuple[Owner, ...]:
        return table.of_inode(inode)

    names = SystemNames(numeric=False)
    after = read_counters()
    return Case(
        examiner.counted,
        owners,
        table.unseen_reason(),
        process,
        lambda uid: None if uid is None else names.user(uid) or str(uid),
        table.usage,
        read_descriptors_limit,
        table.unreadable,
        not sees_all_processes(),
        _is_here,
        partners,
        after,
        {n: max(0, after[n] - before[n]) for n in after.keys() & before.keys()},
    )


def _is_here(pid: int) -> bool:
    """Tell whether a process is in our network namespace, as far as we may know."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat(_OURS).st_ino
    except OSError:
        return True
