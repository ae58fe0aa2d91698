"""From a request to a listing: choose a source, read it, find the owners.

Rows pass through while the source still answers, except where owners are wanted:
then all are held, because the pass over /proc has to know what it looks for.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from tcpstates.capabilities import Capability
from tcpstates.collect.choose import SOURCES, missing_from, read_sockets
from tcpstates.model import (
    SAVED,
    Batch,
    Limitation,
    Listing,
    Owner,
    Reason,
    Request,
    SavedSource,
    reason_without_file,
)
from tcpstates.states import LISTENING, TcpState

if TYPE_CHECKING:  # loaded only where there is a filter
    from tcpstates.collect.lookup import SystemLookup
    from tcpstates.filters.selection import Selection

_TELLS_PIDS = ("psutil", "netstat")  # each socket's process, without descriptors
# Whatever the source, no process can hold a socket in these.
_NEVER_HELD = {
    state: reason_without_file(state)
    for state in (TcpState.TIME_WAIT, TcpState.SYN_RECEIVED)
}


def list_sockets(
    request: Request,
    source: str | SavedSource = "auto",
    selection: Selection | None = None,
    *,
    in_kernel: bool = True,
) -> Listing:
    """Return the sockets that a request asks for, and a filter selects.

    Without `in_kernel` the kernel does none of the filter's work, which takes longer
    and changes nothing. Raise SourceUnavailable when no source, or not the one named,
    can be used, and FilterSyntaxError when it cannot tell what the filter asks for.
    """
    limitations: list[Limitation] = []
    saved_at = None if isinstance(source, str) else source.taken_at()
    taken_at = time.time() if saved_at is None else saved_at
    if selection is not None:
        if selection.needs_listeners:
            asked = request._replace(states=LISTENING, unknown_states=False)
            _, listeners = read_sockets(source, asked, [])
            selection = selection.with_listeners(listeners)
        in_kernel = in_kernel and isinstance(source, str)
        request = selection.restrict(request, in_kernel=in_kernel)
    used, batches = read_sockets(source, request, limitations)
    for wanted, option in (
        (request.info, Capability.TCP_INFO),
        (request.memory, Capability.MEMORY),
    ):
        if wanted and option in missing_from(used):
            text = f"source {used} does not tell {option}; netlink does"
            limitations.append(Limitation("field-not-told", text))
    if selection is not None:
        selection.check(lambda need: _not_provided(need, used, limitations))
        batches = selection.without_processes(batches)
        first = next(batches, None)  # what cannot be told is said before any output
        batches = batches if first is None else chain((first,), batches)
    if request.processes and used != SAVED:  # which has told them already
        find = _with_pids if used in _TELLS_PIDS else _with_owners
        batches = find(batches, limitations)
    if selection is not None:
        if selection.needs_processes:
            batches = _with_doubt(batches, used, limitations)
        batches = _decided(batches, selection, limitations)
    written = None if selection is None else str(selection)
    return Listing(used, taken_at, batches, limitations, written, request)


def lookup_for(source: str | SavedSource, protocols: Collection[str]) -> SystemLookup:
    """Return what knows the names of where sockets are read."""
    if isinstance(source, str):
        from tcpstates.collect.lookup import SystemLookup

        return SystemLookup(protocols)
    from tcpstates.collect.saved import SavedLookup

    return SavedLookup(protocols)


def _not_provided(
    need: Capability, used: str, limitations: list[Limitation]
) -> str | None:
    """Say which sources provide what a filter needs, where the one used does not."""
    if need not in missing_from(used):
        return None
    others = " and ".join(name for name in SOURCES if need not in missing_from(name))
    does = "do" if " " in others else "does"
    why = "".join(f" ({text})" for kind, text in limitations if kind == "fell-back")
    return f"source {used} does not tell {need}; {others} {does}{why}"


def _with_doubt(
    batches: Iterator[Batch], used: str, limitations: list[Limitation]
) -> Iterator[Batch]:
    """Yield the batches, and say why a filter may not have seen every holder."""
    from tcpstates.collect.proc_files import sees_all_processes

    yield from batches
    if used == SAVED:
        return
    if used in _TELLS_PIDS:
        text = f"{used} names one process of a socket; others may hold it too"
    elif not sees_all_processes():
        text = "processes that you may not see may hold sockets too that you see held"
    else:
        return
    limitations.append(Limitation("other-holders", text))


def _decided(
    batches: Iterator[Batch], selection: Selection, limitations: list[Limitation]
) -> Iterator[Batch]:
    """Yield what the selection keeps now that owners are known."""
    yield from selection.with_processes(batches)
    limitations.extend(selection.limitations())


def _with_owners(
    batches: Iterator[Batch], limitations: list[Limitation]
) -> Iterator[Batch]:
    """Add who holds each socket, found by its inode."""
    from tcpstates.collect import owners

    held = list(batches)
    table = owners.OwnerTable(n for b in held for n in b.column("inode"))
    table.scan()
    if not table.available:
        text = "/proc has no processes to look at: owners are unknown"
        limitations.append(Limitation("no-process-information", text))
    unseen = table.unseen_reason()
    hidden = 0
    held.reverse()
    while held:  # each batch can be forgotten once it is on its way
        batch = held.pop()
        processes = table.owners(batch.column("inode"))
        batch.put("processes", processes)
        batch.put("no_process_reason", _reasons(batch, processes, unseen))
        if unseen in (Reason.HIDDEN, Reason.NOT_FOUND):
            pairs = zip(batch.column("inode"), processes, strict=True)
            hidden += sum(bool(inode) and not found for inode, found in pairs)
        yield batch
    if hidden:
        limitations.append(_hidden(hidden, table.unreadable, unseen))


def _reasons(
    batch: Batch, processes: list[tuple[Owner, ...]], unseen: str
) -> list[str | None]:
    """Say for each socket without a process why it has none."""
    return [
        None if found else unseen if inode else reason_without_file(word)
        for found, inode, word in zip(
            processes, batch.column("inode"), batch.column("word"), strict=True
        )
    ]


def _hidden(number: int, unreadable: int, unseen: str) -> Limitation:
    """Tell how many owners were not found, and what is known about the reason."""
    if unseen == Reason.HIDDEN:
        are = "1 owner is" if number == 1 else f"{number} owners are"
        text = (
            f"{are} hidden, in other users' processes: run as root, or with both"
            " capabilities CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
        )
    else:
        were = "1 owner was" if number == 1 else f"{number} owners were"
        some = "1 process is" if unreadable == 1 else f"{unreadable} processes are"
        text = (
            f"{were} not found: {some} protected even from root; a socket that is"
            " passed between processes has none meanwhile"
        )
    return Limitation("owners-hidden", text)


def _with_pids(
    batches: Iterator[Batch], limitations: list[Limitation]
) -> Iterator[Batch]:
    """Add who holds each socket, where the source has told the process already."""
    from tcpstates.collect.psutil_ import read_process_name

    names: dict[int, bytes | None] = {}
    unknown = 0
    for batch in batches:
        processes: list[tuple[Owner, ...]] = []
        reasons: list[str | None] = []
        for pid, fd, word in zip(
            batch.column("pid"), batch.column("fd"), batch.column("word"), strict=True
        ):
            if pid is not None and pid not in names:
                names[pid] = read_process_name(pid)
            owner = () if pid is None else (Owner(pid, names[pid], fd),)
            processes.append(owner)
            reason = None if owner else _NEVER_HELD.get(word, Reason.UNKNOWN)
            reasons.append(reason)
            unknown += reason == Reason.UNKNOWN
        batch.put("processes", processes)
        batch.put("no_process_reason", reasons)
        yield batch
    if unknown:
        are = "1 socket has" if unknown == 1 else f"{unknown} sockets have"
        text = f"{are} no known process: psutil does not tell why"
        limitations.append(Limitation("owners-unknown", text))
