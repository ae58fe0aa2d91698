"""What differs between two listings: see `compare`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tcpstates.batch import Batch
from tcpstates.changes.identity import Key, has_cookies, keys_of
from tcpstates.changes.model import Events, Kind, plain_events


def compare(
    before: Sequence[Batch], after: Sequence[Batch], *, by_cookie: bool
) -> Iterator[Events]:
    """Yield what has been opened, has changed its state, and has been closed.

    `by_cookie`: both are of one boot of one system, and every socket has a cookie.
    Otherwise addresses and ports identify a socket. Times are those of nothing: 0.
    """
    old, new = _Listed(before, by_cookie=by_cookie), _Listed(after, by_cookie=by_cookie)
    opened = new.labels.keys() - old.labels.keys()
    closed = old.labels.keys() - new.labels.keys()
    both = new.labels.items() - old.labels.items()
    changed = {key for key, _ in both} - opened
    for batch, _ in new.select(opened):
        yield plain_events(Kind.OPENED, batch)
    for batch, keys in new.select(changed):
        labels = [old.labels[key] for key in keys]
        yield plain_events(Kind.CHANGED, batch, old=labels)
    for batch, _ in old.select(closed):
        labels = list(batch.column("state_label"))
        yield plain_events(Kind.CLOSED, batch, old=labels, new=[None] * len(batch))


def are_of_one_boot(
    boots: tuple[str | None, str | None], *listings: Sequence[Batch]
) -> bool:
    """Check whether the kernel's cookies identify the sockets of both listings."""
    first, second = boots
    return first is not None and first == second and all(map(has_cookies, listings))


class _Listed:
    """The sockets of a listing, with their keys."""

    def __init__(self, batches: Iterable[Batch], *, by_cookie: bool) -> None:
        self._parts: list[tuple[Batch, Sequence[Key]]] = []
        self.labels: dict[Key, str] = {}
        seen: Counter[Key] = Counter()
        for batch in batches:
            keys = keys_of(batch) if by_cookie else _endpoint_keys(batch, seen)
            self._parts.append((batch, keys))
            self.labels.update(zip(keys, batch.column("state_label"), strict=True))

    def select(self, wanted: set[Key]) -> Iterator[tuple[Batch, list[Key]]]:
        """Yield the sockets with these keys, and their keys."""
        for batch, keys in self._parts:
            if not wanted.isdisjoint(keys):
                chosen = [key in wanted for key in keys]
                yield batch.select(chosen), [key for key in keys if key in wanted]


def _endpoint_keys(batch: Batch, seen: Counter[Key]) -> list[Key]:
    """Identify sockets by their endpoints; several with the same ones are numbered."""
    keys = []
    for ends in batch.rows(
        "local_address", "local_port", "remote_address", "remote_port"
    ):
        key = (batch.protocol, *ends)
        seen[key] += 1
        keys.append((*key, seen[key]))
    return keys
