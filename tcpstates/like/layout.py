"""What the layouts of other tools have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tcpstates.batch import Batch
from tcpstates.fields import ADDRESS, PORT, SERVICE, Side
from tcpstates.model import WILDCARDS, Names, Owner, Request
from tcpstates.text import decode_name, sanitise, sanitise_all

_MAPPED = "::ffff:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the options ask a layout to show."""

    processes: bool = False
    extended: bool = False
    timers: bool = False
    info: bool = False
    memory: bool = False
    header: bool = True
    wide: bool = False
    bare: bool = False  # lsof -t: nothing but pids
    listening: bool = False
    all_states: bool = False
    request: Request  # with the filter considered


# Turns the batches of a listing into text.
Layout = Callable[[Iterable[Batch], Names, Shown], Iterator[str]]


def ports(batch: Batch, side: Side, names: Names) -> list[str]:
    """Format ports: service names unless numeric, "*" for port 0."""
    services = batch.get(SERVICE[side]) or [None] * len(batch)
    found = []
    for port, service in zip(batch.column(PORT[side]), services, strict=True):
        name = service or (names.service(port, batch.protocol) if port else None)
        found.append(sanitise(name) if name else str(port or "*"))
    return found


def unmap(address: str) -> str:
    """An IPv4-mapped IPv6 address as IPv4."""
    is_mapped = address.startswith(_MAPPED) and "." in address
    return address.removeprefix(_MAPPED) if is_mapped else address


def hosts(batch: Batch, side: Side, names: Names) -> list[str]:
    """Format addresses, or the names of hosts that were looked up."""
    values = sanitise_all(batch.column(ADDRESS[side]))
    known = {a: sanitise(names.host(a) or a) for a in set(values)}
    return list(map(known.__getitem__, values))


def endpoints(batch: Batch, side: Side, names: Names) -> Iterator[tuple[str, str]]:
    """Iterate over host and port of each socket; "*" for a wildcard."""
    raw, shown = batch.column(ADDRESS[side]), hosts(batch, side, names)
    stars = ("*" if a in WILDCARDS else h for a, h in zip(raw, shown, strict=True))
    return zip(stars, ports(batch, side, names), strict=True)


def owners(batch: Batch) -> Sequence[Sequence[Owner]]:
    """The processes of each socket; none where they are hidden, or not asked for.

    The tools print a pid with every name, so a name without one is left out.
    """
    found = batch.get("processes")
    if found is None:
        return [()] * len(batch)
    return [
        each if all(owner.pid is not None for owner in each or ()) else ()
        for each in (each or () for each in found)
    ]


def name_of(owner: Owner) -> str:
    """A process's name, safe to print and without quotation marks of ours."""
    return "?" if owner.name is None else sanitise(decode_name(owner.name))


def in_order(batches: Iterable[Batch], protocols: Sequence[str]) -> list[Batch]:
    """Order whole batches by protocol, then by family, as other tools do."""
    return sorted(
        batches, key=lambda batch: (protocols.index(batch.protocol), batch.family)
    )
