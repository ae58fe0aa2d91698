"""The words that findings have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tcpstates.diagnose.case import Case, Holder, Suspect
from tcpstates.findings import Peer
from tcpstates.model import Reason

_MOST_PEERS = 3


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 socket, 5,000 sockets."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(part: int, whole: int | None) -> int | None:
    """Return a share, rounded down; None where the whole is not known."""
    return part * 100 // whole if whole else None


def endpoint(address: str, port: int) -> str:
    """Return an endpoint as listings show it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def remote_peers(suspects: Iterable[Suspect], *, with_port: bool) -> tuple[Peer, ...]:
    """Return who is at the other end of most of the sockets.

    Ports are of use only where they are a server's.
    """
    found: Counter[tuple[str, int]] = Counter()
    for suspect in suspects:
        found[suspect.remote_address, suspect.remote_port if with_port else 0] += 1
    return tuple(
        Peer(endpoint(address, port) if port else address, number)
        for (address, port), number in found.most_common(_MOST_PEERS)
    )


def other_ends(case: Case, suspects: Iterable[Suspect]) -> Counter[tuple[Holder, str]]:
    """Return who holds the other ends that are on this host, and in which state."""
    found: Counter[tuple[Holder, str]] = Counter()
    for suspect in suspects:
        partner = case.partners.get(suspect.mirrored)
        if partner is not None:
            found[case.holder(partner), partner.word] += 1
    return found


def told_other_ends(case: Case, suspects: Iterable[Suspect], guilty: str) -> list[str]:
    """Return a line about the other ends on this host, and who is to blame."""
    found = other_ends(case, suspects).most_common(2)
    if not found:
        return []
    who = [
        f"{number:,} in {word} {'of ' if holder.pids else ''}{holder}"
        for (holder, word), number in found
    ]
    return [f"the other ends are on this host: {', '.join(who)}; {guilty}"]


def unnamed(holder: Holder) -> str | None:
    """Return who it is where there is no process to name; None: there is one."""
    if holder.pids:
        return None
    is_hidden = holder.reason == Reason.HIDDEN
    return f"{holder}: run as root to see it" if is_hidden else str(holder)


def program_word(holder: Holder) -> str:
    """Return what, after a filter, selects what the holder has."""
    return f" and pid = {holder.pids[0]}" if holder.pids else ""
