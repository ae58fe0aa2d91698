"""The one table of columns: what each is called, and how a batch fills it.

Cells are whole columns of text or numbers; a value that the source cannot tell
is "-". What comes from processes and hosts is sanitised here, before any format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tcpstates.model import Batch, Names, Owner, Reason
from tcpstates.render.details import format_info, format_memory
from tcpstates.render.text import format_ms, format_name, sanitise

Cells = Sequence[Any]


class Column(NamedTuple):
    """One column of the listing."""

    key: str
    heading: str
    cells: Callable[[Batch, Names], Cells]  # text, of a right column also numbers
    right: bool = False
    width: int = 0  # of a listing so long that its widths are not known in advance
    varied: bool = True  # False: the same few values again and again


def _plain(name: str) -> Callable[[Batch, Names], Cells]:
    """Return a filler for a column whose values can be shown as they are."""

    def cells(batch: Batch, names: Names) -> Cells:
        values = batch.known(name)
        if values is None:
            return ["-"] * len(batch)
        return ["-" if v is None else v for v in values] if None in values else values

    return cells


def _endpoints(side: str) -> Callable[[Batch, Names], Cells]:
    """Return a filler for one side's address and port.

    An f-string a row is the fastest way: 11 ms for 100,000 sockets, `map` of a
    format 18, of an addition 16.
    """

    def cells(batch: Batch, names: Names) -> Cells:
        addresses = _addresses(batch, side, names)
        ports = batch.column(f"{side}_port")
        if not names.numeric:
            ports = list(map(_ports(batch.protocol, names).__getitem__, ports))
        elif 0 in ports:
            ports = [port or "*" for port in ports]
        return [f"{a}:{p}" for a, p in zip(addresses, ports, strict=True)]

    return cells


class _Ports(dict[int, str]):
    """Ports as they are shown: by the service's name, where it has one; 0 is "*"."""

    def __init__(self, protocol: str, names: Names) -> None:
        self._protocol = protocol
        self._names = names
        super().__init__()

    def __missing__(self, port: int) -> str:
        service = self._names.service(port, self._protocol) if port else None
        text = self[port] = sanitise(service) if service else str(port or "*")
        return text


@lru_cache(maxsize=4)
def _ports(protocol: str, names: Names) -> _Ports:
    """Return the one memory of ports for these names."""
    return _Ports(protocol, names)


def _addresses(batch: Batch, side: str, names: Names) -> Sequence[str]:
    """Return addresses as an endpoint starts: "[v6%scope]", or the host's name."""
    values = batch.column(f"{side}_address")
    if not names.knows_hosts():
        if batch.family == "ipv4":
            return values
        shown = {address: f"[{address}]" for address in set(values)}
    else:
        shown = {a: _address(a, batch.family, names) for a in set(values)}
    scopes = batch.known("interface_index")
    if batch.family == "ipv4" or scopes is None or not any(scopes):
        return list(map(shown.__getitem__, values))
    return [
        f"[{address}%{sanitise(names.interface(index) or str(index))}]"
        if index and address.startswith("fe80:") and names.host(address) is None
        else shown[address]
        for address, index in zip(values, scopes, strict=True)
    ]


def _address(address: str, family: str, names: Names) -> str:
    host = names.host(address)
    if host is not None:
        return sanitise(host)
    return f"[{address}]" if family == "ipv6" else address


def _protocol(batch: Batch, names: Names) -> Cells:
    return [batch.protocol] * len(batch)


def _user(batch: Batch, names: Names) -> Cells:
    return [_user_text(uid, names) for uid in batch.column("uid")]


def _user_text(uid: int | None, names: Names) -> str:
    if uid is None:
        return "-"
    return sanitise(names.user(uid) or str(uid))


def _interface(batch: Batch, names: Names) -> Cells:
    return [
        sanitise(names.interface(index) or str(index)) if index else "-"
        for index in batch.column("interface_index")
    ]


def _cgroup(batch: Batch, names: Names) -> Cells:
    return [
        "-" if number is None else sanitise(names.cgroup(number) or f"id:{number}")
        for number in batch.column("cgroup_id")
    ]


def _mark(batch: Batch, names: Names) -> Cells:
    return ["-" if mark is None else f"{mark:#x}" for mark in batch.column("mark")]


def _cookie(batch: Batch, names: Names) -> Cells:
    return ["-" if n is None else f"{n:x}" for n in batch.column("cookie")]


def _timer(batch: Batch, names: Names) -> Cells:
    kinds = batch.known("timer")
    if kinds is None:
        return ["-"] * len(batch)
    return [
        "-"
        if kind == "off"
        else f"{kind}({'?' if ms is None else format_ms(ms)},{retransmits})"
        for kind, ms, retransmits in zip(
            kinds,
            batch.column("timer_ms"),
            batch.column("retransmits"),
            strict=True,
        )
    ]


def _processes(batch: Batch, names: Names) -> Cells:
    return [
        format_owners(owners)
        if owners
        else f"(hidden: user {_user_text(uid, names)})"
        if reason == Reason.HIDDEN
        else f"({reason})"
        for owners, reason, uid in zip(
            batch.column("processes"),
            batch.column("no_process_reason"),
            batch.column("uid"),
            strict=True,
        )
    ]


def format_owners(owners: Sequence[Owner]) -> str:
    """Return every holder as `name(pid=1,fd=2)`, with commas between them."""
    if len(owners) == 1:
        ((pid, name, fd),) = owners
        return (
            f"{_holder(name, pid)})" if fd is None else f"{_holder(name, pid)},fd={fd})"
        )
    return ",".join([format_owners((owner,)) for owner in owners])


@lru_cache(maxsize=4096)
def _holder(name: bytes | None, pid: int) -> str:
    """Return how a process starts, of which many sockets may follow."""
    return f"{format_name(name)}(pid={pid}"


def _info(batch: Batch, names: Names) -> Cells:
    return [
        "-"
        if info is None
        # A listener has no peer, so its numbers would mean nothing.
        else format_info({} if word == "LISTEN" else info, congestion)
        for info, congestion, word in zip(
            batch.column("info"),
            batch.column("congestion"),
            batch.column("word"),
            strict=True,
        )
    ]


def _memory(batch: Batch, names: Names) -> Cells:
    return [
        "-" if memory is None else format_memory(memory)
        for memory in batch.column("memory")
    ]


PROTOCOL = Column("protocol", "Proto", _protocol, varied=False)
STATE = Column("state", "State", lambda b, _: b.column("word"), width=12, varied=False)
RECV_Q = Column("recv-q", "Recv-Q", _plain("recv_q"), right=True, varied=False)
SEND_Q = Column("send-q", "Send-Q", _plain("send_q"), right=True, varied=False)
LOCAL = Column("local", "Local address", _endpoints("local"), width=21)
REMOTE = Column("remote", "Remote address", _endpoints("remote"), width=21)
TIMER = Column("timer", "Timer", _timer, width=18)
USER = Column("user", "User", _user, width=8, varied=False)
INODE = Column("inode", "Inode", _plain("inode"), right=True, width=8)
INTERFACE = Column("interface", "Interface", _interface, varied=False)
COOKIE = Column("cookie", "Cookie", _cookie, right=True)
MARK = Column("mark", "Mark", _mark, right=True, varied=False)
CGROUP = Column("cgroup", "Cgroup", _cgroup, width=12, varied=False)
PROCESS = Column("process", "Process", _processes)
INFO = Column("info", "TCP info", _info)
MEMORY = Column("memory", "Memory", _memory)

BASIC = (PROTOCOL, STATE, RECV_Q, SEND_Q, LOCAL, REMOTE)
EXTENDED = (USER, INODE, INTERFACE, COOKIE, MARK, CGROUP)


def choose_columns(
    *, timers: bool, extended: bool, processes: bool, info: bool, memory: bool
) -> tuple[Column, ...]:
    """Return the columns that the options show; the basic ones never change."""
    chosen = list(BASIC)
    if timers:
        chosen.append(TIMER)
    if extended:
        chosen += EXTENDED
    if processes:
        chosen.append(PROCESS)
    if info:
        chosen.append(INFO)
    if memory:
        chosen.append(MEMORY)
    return tuple(chosen)
