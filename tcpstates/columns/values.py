"""The values in the columns of a listing, computed from a batch.

Values are whole columns of text or numbers; None means that the source does not report
the value. Text from processes and hosts is escaped here, before any output format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from tcpstates.batch import Batch
from tcpstates.columns.saved_values import reported_users
from tcpstates.fields import ColumnName
from tcpstates.model import Names, Owner, Reason
from tcpstates.packed_owners import FD, PackedOwners, unpack_several
from tcpstates.states import OtherState, TcpState
from tcpstates.text import Texts, format_name, sanitise

Cells = Sequence[Any]
Filler = Callable[[Batch, Names], Cells]


def column(name: ColumnName) -> Filler:
    """Make a filler for a column whose values are shown unchanged."""
    return lambda batch, names: batch.column(name)


def text(name: ColumnName) -> Filler:
    """Make a filler for a column with few distinct texts, which it escapes."""

    def cells(batch: Batch, names: Names) -> Cells:
        values = batch.column(name)
        shown = {v: None if v is None else sanitise(v) for v in set(values)}
        return list(map(shown.__getitem__, values))

    return cells


def state_labels(batch: Batch, names: Names) -> Cells:
    """Show state names of RFC 9293, or other names where it has none."""
    found = batch.column("state_label")
    return found if _WORDS.issuperset(found) else list(map(sanitise, found))


_WORDS = frozenset(map(str, (*TcpState, *OtherState)))


def states(batch: Batch, names: Names) -> Cells:
    """Show states, in the spelling of another tool if requested."""
    found = state_labels(batch, names)
    known = names.state_names
    return [known.get(label, label) for label in found] if known else found


def protocol(batch: Batch, names: Names) -> Cells:
    """Show tcp or udp."""
    return [batch.protocol] * len(batch)


def family(batch: Batch, names: Names) -> Cells:
    """Show ipv4 or ipv6."""
    return [batch.family] * len(batch)


def user(batch: Batch, names: Names) -> Cells:
    """Show login names, or uids that have no name."""
    reported = reported_users(batch, names)
    if reported is not None:
        return [
            _user_text(uid, names) if name is None else sanitise(name)
            for uid, name in zip(batch.column("uid"), reported, strict=True)
        ]
    uids = batch.column("uid")
    shown = {uid: _user_text(uid, names) for uid in set(uids)}
    return list(map(shown.__getitem__, uids))


def _user_text(uid: int | None, names: Names) -> str | None:
    return None if uid is None else sanitise(names.user(uid) or str(uid))


def interface(batch: Batch, names: Names) -> Cells:
    """Show interface names; None: not bound to an interface."""
    reported = batch.get("interface_name")
    if reported is not None:
        return [None if name is None else sanitise(name) for name in reported]
    return [
        sanitise(names.interface(index) or str(index)) if index else None
        for index in batch.column("interface_index")
    ]


def cgroup(batch: Batch, names: Names) -> Cells:
    """Show the paths of cgroups."""
    reported = batch.get("cgroup_name")
    if reported is not None:
        return [None if name is None else sanitise(name) for name in reported]
    return [
        None if number is None else sanitise(names.cgroup(number) or f"id:{number}")
        for number in batch.column("cgroup_id")
    ]


def mark(batch: Batch, names: Names) -> Cells:
    """Show firewall marks as hexadecimal numbers."""
    return [None if mark is None else f"{mark:#x}" for mark in batch.column("mark")]


def cookie(batch: Batch, names: Names) -> Cells:
    """Show cookies as hexadecimal digits."""
    return [None if n is None else f"{n:x}" for n in batch.column("cookie")]


def process_names(batch: Batch, names: Names) -> Cells:
    """Show process names, or in parentheses why a socket has no process."""
    known: dict[Any, str] = {}

    def joined(owners: Sequence[Owner]) -> str:
        found = known.get(owners)
        if found is None:
            unique = {format_name(owner.name) for owner in owners}
            found = known[owners] = ",".join(sorted(unique))
        return found

    return [
        joined(owners) if owners else None if reason is None else _reason(reason)
        for owners, reason in zip(
            batch.column("processes"), batch.column("no_process_reason"), strict=True
        )
    ]


def pids(batch: Batch, names: Names) -> Cells:
    """Show the pids of a socket's processes; None: it has none."""
    return [
        ",".join(map(str, known)) if known else None
        for known in map(_known_pids, batch.column("processes"))
    ]


def processes(batch: Batch, names: Names) -> Cells:
    """Show every owner with pid and descriptor, or why there is none.

    Most sockets have one owner, which takes 0.3 us without a call of Python.
    """
    found = batch.column("processes")
    if isinstance(found, PackedOwners):
        starts = Texts(lambda pid: _holder(found.names.get(pid), pid))
        texts = [
            f"{starts[holder >> 32]},fd={holder & FD})"
            if type(holder) is int
            else format_owners(unpack_several(holder, found.names))
            if holder
            else None
            for holder in found.holders
        ]
    else:
        texts = [
            f"{_holder(owners[0][1], owners[0][0])},fd={owners[0][2]})"
            if owners and len(owners) == 1 and owners[0][2] is not None
            else format_owners(owners)
            if owners
            else None
            for owners in found
        ]
    return _with_reasons(batch, texts, names) if None in texts else texts


def _with_reasons(batch: Batch, texts: Sequence[str | None], names: Names) -> Cells:
    """Fill in why a socket has no owner."""
    return [
        text
        if text is not None
        else f"(hidden: user {_user_text(uid, names) or '-'})"
        if reason == Reason.HIDDEN
        else _reason(reason)
        for text, reason, uid in zip(
            texts,
            batch.column("no_process_reason"),
            batch.column("uid"),
            strict=True,
        )
    ]


def processes_brief(batch: Batch, names: Names) -> Cells:
    """Show every owner with its pid; descriptors only where one has several."""
    full = processes(batch, names)
    return [
        text if not owners else _brief(tuple(owners))
        for text, owners in zip(full, batch.column("processes"), strict=True)
    ]


@lru_cache(maxsize=4096)
def _brief(owners: tuple[Owner, ...]) -> str:
    pids = [owner.pid for owner in owners]
    if len(set(pids)) < len(pids):
        return format_owners(owners)
    return ",".join(f"{format_name(name)}({_pid(pid)})" for pid, name, _ in owners)


def _known_pids(owners: Sequence[Owner] | None) -> list[int]:
    """Return the pids of a socket's processes, sorted, each once."""
    return sorted({owner.pid for owner in owners or () if owner.pid is not None})


def _pid(pid: int | None) -> str:
    return "?" if pid is None else str(pid)


def states_in_life(batch: Batch, names: Names) -> Cells:
    """Sort by a state's place in the life of a connection; LISTEN is first."""
    return [_LIFE.get(label, len(_LIFE)) for label in batch.column("state_label")]


_LIFE: dict[str, int] = {
    str(state): place
    for place, state in enumerate(
        (
            TcpState.LISTEN,
            OtherState.UNCONN,
            *(state for state in TcpState if state is not TcpState.LISTEN),
        )
    )
}


def _reason(reason: str | None) -> str:
    """Format why a socket has no process, or that the reason is unknown."""
    return f"({sanitise(reason or Reason.UNKNOWN)})"


def format_owners(owners: Sequence[Owner]) -> str:
    """Format every owner as `name(pid=1,fd=2)`, separated by commas."""
    if len(owners) == 1:
        ((pid, name, fd),) = owners
        return (
            f"{_holder(name, pid)})" if fd is None else f"{_holder(name, pid)},fd={fd})"
        )
    return ",".join([format_owners((owner,)) for owner in owners])


@lru_cache(maxsize=4096)
def _holder(name: bytes | None, pid: int | None) -> str:
    """Format the start of an owner; cached, as many sockets share a process."""
    return f"{format_name(name)}(pid={_pid(pid)}"


def info(batch: Batch, names: Names) -> Cells:
    """Show the readable part of tcp_info."""
    from tcpstates.columns.details import info_texts

    return info_texts(batch)


def info_in_full(batch: Batch, names: Names) -> Cells:
    """Show all of tcp_info under the names of ss."""
    from tcpstates.columns.ss_info import ss_info_texts

    texts = ss_info_texts(batch, numeric=names.numeric, options=True, newest=True)
    return [text and text.lstrip(" ") for text in texts]


def memory(batch: Batch, names: Names) -> Cells:
    """Show the memory of sockets."""
    from tcpstates.columns.details import format_memory

    return [
        None if memory is None else format_memory(memory)
        for memory in batch.column("memory")
    ]


def netns(batch: Batch, names: Names) -> Cells:
    """Show the network namespace by name; else ours, by the number of lsns(8)."""
    told = batch.get("netns")
    if told is None:
        return [names.netns()] * len(batch)
    return [None if name is None else sanitise(name) for name in told]


def pid_order(batch: Batch, names: Names) -> Cells:
    """Sort by the pids of a socket's processes; None: it has none."""
    return [_known_pids(owners) or None for owners in batch.column("processes")]
