"""What stands in the columns of a listing: how a batch fills each of them.

Values are whole columns of text or numbers, None where the source cannot tell. What
comes from processes and hosts is sanitised here, before any format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from tcpstates.model import Batch, Names, Owner, Reason
from tcpstates.render.details import format_info, format_memory
from tcpstates.render.saved_cells import saved_addresses, saved_ports
from tcpstates.states import OtherState, TcpState
from tcpstates.text import format_name, sanitise, sanitise_all

Cells = Sequence[Any]
Filler = Callable[[Batch, Names], Cells]


def column(name: str) -> Filler:
    """Return a filler for a column whose values can be shown as they are."""
    return lambda batch, names: batch.column(name)


def text(name: str) -> Filler:
    """Return a filler for a column of a few different texts, which are escaped."""

    def cells(batch: Batch, names: Names) -> Cells:
        values = batch.column(name)
        shown = {v: None if v is None else sanitise(v) for v in set(values)}
        return list(map(shown.__getitem__, values))

    return cells


def words(batch: Batch, names: Names) -> Cells:
    """Return the states by RFC 9293's names, or what else they are called."""
    found = batch.column("word")
    return found if _WORDS.issuperset(found) else list(map(sanitise, found))


_WORDS = frozenset(map(str, (*TcpState, *OtherState)))


def states(batch: Batch, names: Names) -> Cells:
    """Return the states, in another tool's words where these are asked for."""
    found = words(batch, names)
    known = names.state_words
    return [known.get(word, word) for word in found] if known else found


def endpoints(side: str) -> Filler:
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
        services = batch.known(f"{side}_service")
        if services is not None:
            ports = saved_ports(ports, services)
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
    values = sanitise_all(batch.column(f"{side}_address"))
    scopes, cut = batch.known("interface_name"), batch.known("truncated")
    if scopes is not None or cut is not None:
        return saved_addresses(batch, values, side)
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


def addresses(side: str) -> Filler:
    """Return a filler for one side's addresses, without brackets or names."""
    return lambda batch, names: sanitise_all(batch.column(f"{side}_address"))


def endpoint_order(side: str) -> Filler:
    """Return a filler for what sorts addresses by number, not by their text."""

    def order(batch: Batch, names: Names) -> Cells:
        return list(
            zip(
                address_order(side)(batch, names),
                [port or 0 for port in batch.column(f"{side}_port")],
                strict=True,
            )
        )

    return order


def address_order(side: str) -> Filler:
    """Return a filler for the bytes of addresses, the shorter ones of IPv4 first."""

    def order(batch: Batch, names: Names) -> Cells:
        from socket import AF_INET, AF_INET6, inet_pton

        family = AF_INET if batch.family == "ipv4" else AF_INET6
        values = batch.column(f"{side}_address")
        packed = {}
        for text in set(values):
            try:
                packed[text] = inet_pton(family, text)
            except (OSError, ValueError):  # a saved listing's name: last, by its text
                packed[text] = b"\xff" * 17 + text.encode("utf-8", "replace")
        return [(len(packed[text]), packed[text]) for text in values]

    return order


def protocol(batch: Batch, names: Names) -> Cells:
    """Return tcp or udp."""
    return [batch.protocol] * len(batch)


def family(batch: Batch, names: Names) -> Cells:
    """Return ipv4 or ipv6."""
    return [batch.family] * len(batch)


def user(batch: Batch, names: Names) -> Cells:
    """Return login names, or numbers where there are none."""
    told = batch.known("user_name")
    if told is not None:
        return [
            _user_text(uid, names) if name is None else sanitise(name)
            for uid, name in zip(batch.column("uid"), told, strict=True)
        ]
    return [_user_text(uid, names) for uid in batch.column("uid")]


def _user_text(uid: int | None, names: Names) -> str | None:
    return None if uid is None else sanitise(names.user(uid) or str(uid))


def interface(batch: Batch, names: Names) -> Cells:
    """Return the names of interfaces; None: bound to none."""
    told = batch.known("interface_name")
    if told is not None:
        return [None if name is None else sanitise(name) for name in told]
    return [
        sanitise(names.interface(index) or str(index)) if index else None
        for index in batch.column("interface_index")
    ]


def cgroup(batch: Batch, names: Names) -> Cells:
    """Return the paths of cgroups."""
    told = batch.known("cgroup_name")
    if told is not None:
        return [None if name is None else sanitise(name) for name in told]
    return [
        None if number is None else sanitise(names.cgroup(number) or f"id:{number}")
        for number in batch.column("cgroup_id")
    ]


def mark(batch: Batch, names: Names) -> Cells:
    """Return firewall marks as hexadecimal numbers."""
    return [None if mark is None else f"{mark:#x}" for mark in batch.column("mark")]


def cookie(batch: Batch, names: Names) -> Cells:
    """Return cookies as hexadecimal digits."""
    return [None if n is None else f"{n:x}" for n in batch.column("cookie")]


def process_names(batch: Batch, names: Names) -> Cells:
    """Return the names of a socket's processes, or in parentheses why it has none."""
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
    """Return the numbers of a socket's processes; None: it has none."""
    return [
        ",".join(map(str, sorted({owner.pid for owner in owners}))) if owners else None
        for owners in batch.column("processes")
    ]


def processes(batch: Batch, names: Names) -> Cells:
    """Return every holder with pid and descriptor, or why there is none."""
    return [
        format_owners(owners)
        if owners
        else f"(hidden: user {_user_text(uid, names) or '-'})"
        if reason == Reason.HIDDEN
        else _reason(reason)
        for owners, reason, uid in zip(
            batch.column("processes"),
            batch.column("no_process_reason"),
            batch.column("uid"),
            strict=True,
        )
    ]


def _reason(reason: str | None) -> str:
    """Return why a socket has no process, or that nothing is known about it."""
    return f"({sanitise(reason or Reason.UNKNOWN)})"


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


def info(batch: Batch, names: Names) -> Cells:
    """Return what people read of tcp_info."""
    return [
        None
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


def memory(batch: Batch, names: Names) -> Cells:
    """Return the memory of sockets."""
    return [
        None if memory is None else format_memory(memory)
        for memory in batch.column("memory")
    ]


def netns(batch: Batch, names: Names) -> Cells:
    """Return the network namespace, by the number that lsns(8) shows."""
    return [names.netns()] * len(batch)


def pid_order(batch: Batch, names: Names) -> Cells:
    """Return the numbers of a socket's processes; None: it has none."""
    return [
        sorted({owner.pid for owner in owners}) if owners else None
        for owners in batch.column("processes")
    ]
