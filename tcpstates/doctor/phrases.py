"""Phrases that findings have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tcpstates.doctor.facts import (
    Facts,
    FlaggedSocket,
    Port,
    RuleContext,
    unmap_ipv4,
)
from tcpstates.doctor.findings import Peer
from tcpstates.doctor.links import Links
from tcpstates.doctor.owner_groups import OwnerGroup
from tcpstates.processes import Process
from tcpstates.text import command_line, format_ms, format_name, sanitise
from tcpstates.wording import plural

_MOST_PEERS = 3
_MOST_PIDS = 8  # in a filter
_MOST_SOCKETS = 20  # in a proposed listing
# Common advice on the web, and why it is wrong.
BAD_PORT_ADVICE = (
    "not tcp_fin_timeout: it has no effect on TIME_WAIT; not tcp_tw_recycle: it broke"
    " clients behind NAT and was removed in Linux 4.12"
)


def listing(options: str, *values: object, number: int | None, end: str = "") -> str:
    """Propose a listing of a number of sockets; None: it is not known.

    Where there are more than fit on a screen, the listing is limited. `end` is the end
    of its filter, quoted already.
    """
    shown = command_line("tcpstates " + options, *values) + end
    is_short = number is not None and number <= _MOST_SOCKETS
    return shown if is_short else f"{shown} --limit {_MOST_SOCKETS}"


def percent(part: int, whole: int | None) -> int | None:
    """Compute a share, rounded down; None if the whole is not known."""
    return part * 100 // whole if whole else None


def endpoint(address: str, port: Port) -> str:
    """Format an endpoint as listings show it."""
    shown = "?" if port is None else port
    return f"[{address}]:{shown}" if ":" in address else f"{address}:{shown}"


def remote_peers(
    sockets: Iterable[FlaggedSocket], *, with_port: bool
) -> tuple[Peer, ...]:
    """List the most frequent peers of the sockets.

    Ports are useful only if they belong to a server.
    """
    found: Counter[tuple[str, Port]] = Counter()
    for socket in sockets:
        port = socket.remote_port if with_port else 0
        found[unmap_ipv4(socket.remote_address), port] += 1
    return tuple(
        Peer(endpoint(address, port) if port else address, number)
        for (address, port), number in found.most_common(_MOST_PEERS)
    )


def local_peer_lines(
    facts: Facts, sockets: Iterable[FlaggedSocket], blame: str
) -> list[str]:
    """Describe the peers' sockets on this host, and which side is at fault."""
    found: Counter[tuple[OwnerGroup, str]] = Counter()
    for socket in sockets:
        partner = facts.partners.get(socket.mirrored)
        if partner is not None:
            found[facts.owner(partner), partner.state_label] += 1
    if not found:
        return []
    who = [
        f"{number:,} in {state_label}"
        f" {owner if has_no_process(owner) else f'of {owner}'}"
        for (owner, state_label), number in found.most_common(2)
    ]
    return [f"the peers are on this host: {', '.join(who)}; {blame}"]


def has_no_process(owner: OwnerGroup) -> bool:
    """Check whether there is no owner, only a reason for that."""
    return not owner.pids and not owner.names and not owner.is_hidden


def resume_commands(processes: Iterable[Process]) -> tuple[str, ...]:
    """Suggest commands that resume stopped processes."""
    return tuple(
        command_line("kill -CONT {}", process.pid)
        for process in processes
        if process.is_stopped
    )


def sleep_lines(processes: Iterable[Process]) -> Iterator[str]:
    """Describe where in the kernel processes sleep, as far as that is known."""
    by_place: dict[str, list[Process]] = {}
    for process in processes:
        if process.waits_in is not None:
            by_place.setdefault(process.waits_in, []).append(process)
    for place, same in by_place.items():
        names = ", ".join(f"{format_name(p.name)}[{p.pid}]" for p in same)
        threads = plural(len(same), "thread", "threads")
        sleep = plural(len(same), "sleeps", "sleep")
        yield f"the main {threads} of {names} {sleep} in {sanitise(place)}"


def no_process_note(facts: Facts, owner: OwnerGroup) -> str | None:
    """Describe an owner without a process to name; None: there is a process."""
    if owner.pids:
        return None
    seen = owner.is_hidden and facts.is_unprivileged
    return f"{owner}, one or more: run as root to see them" if seen else str(owner)


def owner_filter(owner: OwnerGroup) -> str:
    """Format the end of a filter that selects the owner's sockets."""
    if len(owner.pids) > 1:
        return f" and pid in {','.join(map(str, owner.pids[:_MOST_PIDS]))}"
    return f" and pid = {owner.pids[0]}" if owner.pids else ""


def ending(condition: str, *values: object, owner: OwnerGroup) -> str | None:
    """Propose to end sockets of known processes, where that helps; None: unknown."""
    if not owner.pids:
        return None  # it would end those of the whole host
    return command_line("tcpstates kill " + condition, *values) + owner_filter(owner)


def route_commands(links: Links, address: str) -> tuple[str, ...]:
    """Suggest to look at the route to a peer, unless the peer is on this host."""
    bare = unmap_ipv4(address)
    return () if links.is_here(bare) else (command_line("ip route get {}", bare),)


def timeout_note(context: RuleContext, seconds: int) -> str:
    """Format when the kernel gives up; empty if the settings are not known."""
    if not context.settings.is_known:
        return ""
    return f"; the kernel gives up after {format_ms(seconds * 1000)}"
