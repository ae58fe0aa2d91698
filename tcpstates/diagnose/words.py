"""The words that findings have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tcpstates.diagnose.case import Case, Holder, Host, Port, Suspect, plain
from tcpstates.findings import Peer, Process
from tcpstates.text import command_line, format_ms

_MOST_PEERS = 3


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 socket, 5,000 sockets."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(part: int, whole: int | None) -> int | None:
    """Return a share, rounded down; None where the whole is not known."""
    return part * 100 // whole if whole else None


def endpoint(address: str, port: Port) -> str:
    """Return an endpoint as listings show it."""
    shown = "?" if port is None else port
    return f"[{address}]:{shown}" if ":" in address else f"{address}:{shown}"


def remote_peers(suspects: Iterable[Suspect], *, with_port: bool) -> tuple[Peer, ...]:
    """Return who is at the other end of most of the sockets.

    Ports are of use only where they are a server's.
    """
    found: Counter[tuple[str, Port]] = Counter()
    for suspect in suspects:
        port = suspect.remote_port if with_port else 0
        found[plain(suspect.remote_address), port] += 1
    return tuple(
        Peer(endpoint(address, port) if port else address, number)
        for (address, port), number in found.most_common(_MOST_PEERS)
    )


def told_other_ends(case: Case, suspects: Iterable[Suspect], guilty: str) -> list[str]:
    """Return a line about the other ends on this host, and who is to blame."""
    found: Counter[tuple[Holder, str]] = Counter()
    for suspect in suspects:
        partner = case.partners.get(suspect.mirrored)
        if partner is not None:
            found[case.holder(partner), partner.word] += 1
    if not found:
        return []
    who = [
        f"{number:,} in {word} {holder if is_reason(holder) else f'of {holder}'}"
        for (holder, word), number in found.most_common(2)
    ]
    return [f"the other ends are on this host: {', '.join(who)}; {guilty}"]


def is_reason(holder: Holder) -> bool:
    """Tell whether there is nobody, but a reason for that."""
    return not holder.pids and not holder.is_hidden


def resumed(processes: Iterable[Process]) -> tuple[str, ...]:
    """Return how to let stopped processes go on."""
    return tuple(
        command_line("kill -CONT {}    # it is stopped", process.pid)
        for process in processes
        if process.is_stopped
    )


def unnamed(case: Case, holder: Holder) -> str | None:
    """Return who it is where there is no process to name; None: there is one."""
    if holder.pids:
        return None
    seen = holder.is_hidden and case.is_unprivileged
    return f"{holder}, one or more: run as root to see them" if seen else str(holder)


def program_word(holder: Holder) -> str:
    """Return what, after a filter, selects what the holder has."""
    return f" and pid = {holder.pids[0]}" if holder.pids else ""


def given_up(host: Host, seconds: int) -> str:
    """Say when the kernel ends what gets no answer; nothing where it is not told."""
    if not host.settings.is_told:
        return ""
    return f"; given up after {format_ms(seconds * 1000)}"
