"""Attribute sockets to processes: by inode, by the pid that a source reports, or not.

By inode all rows are held, because the pass over /proc has to know what it looks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

from tcpstates.batch import Batch, Later
from tcpstates.model import (
    FEW_EXAMINED,
    Limitation,
    Owner,
    OwnersBy,
    Reason,
    reason_without_file,
)
from tcpstates.packed_owners import PackedOwners
from tcpstates.states import TcpState
from tcpstates.wording import counted, plural

if TYPE_CHECKING:
    from tcpstates.collect.owner_table import OwnerTable
    from tcpstates.collect.places import Place, Places

# Whatever the source, no process can own a socket in these.
_NEVER_OWNED = {
    state: reason_without_file(state)
    for state in (TcpState.TIME_WAIT, TcpState.SYN_RECEIVED)
}


def attribute(
    batches: Iterator[Batch],
    owners_by: OwnersBy,
    limitations: list[Limitation],
    pids: Collection[int] | None = None,
    source: str = "psutil",
) -> Iterator[Batch]:
    """Yield the batches with the owners of each socket; `pids`: only among these."""
    match owners_by:
        case OwnersBy.ROW:  # they are there
            return batches
        case OwnersBy.PID:
            return _by_pid(batches, limitations, source)
        case OwnersBy.INODE:
            return _by_inode(batches, limitations, pids)


def add_places(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield the batches with the container, pod and unit of each socket.

    They are those of its first process. A socket without one, such as one in TIME_WAIT,
    has those of its network namespace, if all processes in there have the same.
    """
    from tcpstates.collect.places import Place, Places

    places = Places()
    nowhere = Place()
    by_namespace: Mapping[int, Place] | None = None
    for batch in batches:
        found = [
            places.of(owners[0].pid) if owners and owners[0].pid else None
            for owners in batch.column("processes")
        ]
        numbers = batch.get("netns_id")
        if numbers is not None and None in found:
            if by_namespace is None:
                by_namespace = _common_places(places)
            found = [
                by_namespace.get(number) if place is None else place
                for place, number in zip(found, numbers, strict=True)
            ]
        known = [place or nowhere for place in found]
        batch.set("container", [place.container for place in known])
        batch.set("pod", [place.pod for place in known])
        batch.set("unit", [place.unit for place in known])
        yield batch


def _common_places(places: Places) -> dict[int, Place]:
    """Return the place of each network namespace whose processes share one."""
    from tcpstates.collect.netns.find import find_namespaces

    found = {}
    for each in find_namespaces(descriptors=False).namespaces:
        inside = {places.of(pid) for pid in each.pids}
        if len(inside) == 1:
            found[each.number] = inside.pop()
    return found


def note_other_owners(
    batches: Iterator[Batch],
    source: str,
    owners_by: OwnersBy,
    limitations: list[Limitation],
) -> Iterator[Batch]:
    """Yield the batches, then note why a filter may not have seen every owner."""
    from tcpstates.collect.proc_files import sees_all_processes

    yield from batches
    text = ""
    if owners_by is OwnersBy.PID:
        text = f"{source} names one process of a socket; others may own it too"
    elif owners_by is OwnersBy.INODE and not sees_all_processes():
        text = "the owners shown may be incomplete: some processes cannot be inspected"
    if text:
        limitations.append(Limitation("other-holders", text))


def _by_inode(
    batches: Iterator[Batch],
    limitations: list[Limitation],
    pids: Collection[int] | None,
) -> Iterator[Batch]:
    """Add the owners of each socket, found by its inode."""
    from tcpstates.collect import owners
    from tcpstates.collect.owner_table import OwnerTable

    held: list[Batch] = []
    number = 0
    for batch in batches:
        held.append(batch)
        number += len(batch)
        if number - len(batch) < owners.MANY <= number and pids is None:
            owners.prepare()  # the kernel goes on meanwhile
    table = OwnerTable(chain.from_iterable(b.column("inode") for b in held))
    is_complete = pids is None or not owners.scan_only(table, pids)
    if is_complete:
        owners.scan(table)
    if not table.available:
        text = "/proc has no processes to look at: owners are unknown"
        limitations.append(Limitation("no-process-information", text))
    # Sockets that the few examined processes do not have are of no interest.
    unseen = table.unseen_reason() if is_complete else Reason.UNATTRIBUTED
    later: Later = {
        "processes": lambda batch: table.packed(batch.column("inode")),
        "no_process_reason": lambda batch: _reasons(batch, unseen),
    }
    hidden = 0
    held.reverse()
    while held:  # each batch can be forgotten once it is on its way
        batch = held.pop()
        batch.later = later
        if unseen in (Reason.HIDDEN, Reason.NOT_FOUND):
            hidden += table.count_without_owner(batch.column("inode"))
        yield batch
    if hidden:
        limitations.append(_hidden(hidden, table, unseen))
    if not is_complete:
        text = "only the processes in the filter were examined: others may own the"
        text += " same sockets, and are not shown"
        limitations.append(Limitation(FEW_EXAMINED, text))


def _reasons(batch: Batch, unseen: str) -> list[str | None]:
    """Give the reason for each socket without a process."""
    owners = batch.column("processes")
    found = owners.holders if isinstance(owners, PackedOwners) else owners
    if all(found):
        return [None] * len(batch)
    return [
        None if each else unseen if inode else reason_without_file(label)
        for each, (inode, label) in zip(
            found, batch.rows("inode", "state_label"), strict=True
        )
    ]


def _hidden(number: int, table: OwnerTable, unseen: str) -> Limitation:
    """Describe how many owners were not found, and what is known about the reason."""
    if unseen == Reason.HIDDEN and not table.is_out_of_descriptors:
        are = counted(number, "owner is", "owners are")
        text = (
            f"{are} hidden, in other users' processes: run as root, or with both"
            " capabilities CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
        )
    else:
        were = plural(
            number, "owner of 1 socket was", f"owners of {number:,} sockets were"
        )
        some = counted(table.unreadable, "process", "processes")
        why = "even by root. A socket that is being passed to another process has no"
        why += " owner"
        if table.is_out_of_descriptors:
            why = "as tcpstates may open too few files (ulimit -n)"
        text = f"the {were} not found: {some} cannot be inspected, {why}"
    return Limitation("owners-hidden", text)


def _by_pid(
    batches: Iterator[Batch], limitations: list[Limitation], source: str
) -> Iterator[Batch]:
    """Add the owner of each socket from the pid that the source has reported."""
    from tcpstates.collect.psutil_ import read_process_name

    names: dict[int, bytes | None] = {}
    unknown = 0
    for batch in batches:
        processes: list[tuple[Owner, ...]] = []
        reasons: list[str | None] = []
        for pid, fd, word in zip(
            batch.column("pid"),
            batch.column("fd"),
            batch.column("state_label"),
            strict=True,
        ):
            if pid is not None and pid not in names:
                names[pid] = read_process_name(pid)
            owner = () if pid is None else (Owner(pid, names[pid], fd),)
            processes.append(owner)
            reason = None if owner else _NEVER_OWNED.get(word, Reason.UNKNOWN)
            reasons.append(reason)
            unknown += reason == Reason.UNKNOWN
        batch.set("processes", processes)
        batch.set("no_process_reason", reasons)
        yield batch
    if unknown:
        are = counted(unknown, "socket has", "sockets have")
        text = f"{are} no known process: {source} does not report why"
        limitations.append(Limitation("owners-unknown", text))
