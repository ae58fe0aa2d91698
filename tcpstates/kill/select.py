"""Choose the sockets to end, and those to spare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from tcpstates.batch import Batch
from tcpstates.kill.destroy import Target
from tcpstates.kill.effects import HALF_CLOSED
from tcpstates.kill.session import Ends, Session, plain
from tcpstates.model import Owner
from tcpstates.states import LISTENING, OtherState

_OWN = "it belongs to your own session"
_LISTENER = "it listens; --listener ends listeners, too"
_BOUND = "it is only bound; the kernel does not end these"
_UNKNOWN = "it has no cookie"

# Both ends, the local one first, and the network namespace.
_Place = tuple[str, int, str, int, int | None]


class Chosen(NamedTuple):
    """What is to be ended, in batches, and why other sockets are spared."""

    batches: Sequence[Batch]
    spared: Counter[str]  # by the reason

    def __len__(self) -> int:  # the number of sockets
        return sum(map(len, self.batches))


def choose(batches: Iterator[Batch], session: Session, *, listeners: bool) -> Chosen:
    """Split what a filter has selected."""
    chosen: list[Batch] = []
    spared: Counter[str] = Counter()
    for batch in batches:
        rows = zip(
            batch.column("cookie"),
            batch.column("inode"),
            batch.rows("local_address", "local_port", "remote_address", "remote_port"),
            batch.column("netns_id"),
            strict=True,
        )
        reasons = [
            _reason(session, label, *row, may_listen=listeners)
            for label, row in zip(batch.column("state_label"), rows, strict=True)
        ]
        spared.update(reason for reason in reasons if reason is not None)
        kept = batch.select([reason is None for reason in reasons])
        if len(kept):
            chosen.append(kept)
    return Chosen(chosen, spared)


def _reason(
    session: Session,
    label: str,
    cookie: int | None,
    inode: int | None,
    ends: Ends,
    netns: int | None,
    *,
    may_listen: bool,
) -> str | None:
    """Say why a socket is spared; None: it is not."""
    if session.has(inode, ends, netns):
        return _OWN
    if label == OtherState.BOUND:
        return _BOUND
    if label in LISTENING and not may_listen:
        return _LISTENER
    return _UNKNOWN if cookie is None else None


def half_closed(chosen: Chosen) -> frozenset[_Place]:
    """Return where the other ends of half-closed connections would be."""
    found: set[_Place] = set()
    for batch in chosen.batches:
        labels = batch.column("state_label")
        for label, (here, port, there, peer, netns) in zip(
            labels, _ends(batch), strict=True
        ):
            if label in HALF_CLOSED:
                found.add((there, peer, here, port, netns))
    return frozenset(found)


def owners_at(
    places: Collection[_Place], batches: Iterator[Batch]
) -> Counter[tuple[str, Owner]]:
    """Count the sockets at these places, by state and by their first process."""
    found: Counter[tuple[str, Owner]] = Counter()
    for batch in batches:
        labels, owned = batch.column("state_label"), batch.column("processes")
        found.update(
            (label, owners[0])
            for place, label, owners in zip(_ends(batch), labels, owned, strict=True)
            if owners and place in places
        )
    return found


def _ends(batch: Batch) -> Iterator[_Place]:
    """Yield both ends of each socket, and its namespace; mapped addresses as IPv4."""
    for here, port, there, peer, netns in batch.rows(
        "local_address", "local_port", "remote_address", "remote_port", "netns_id"
    ):
        yield plain(here), port, plain(there), peer, netns


def targets(batch: Batch) -> Iterator[Target]:
    """Yield the sockets of a batch as the kernel wants them named."""
    for here, port, there, peer, interface, cookie in batch.rows(
        "local_address",
        "local_port",
        "remote_address",
        "remote_port",
        "interface_index",
        "cookie",
    ):
        yield Target(
            batch.protocol,
            batch.family,
            here,
            port,
            there,
            peer,
            interface or 0,
            cookie,
        )
