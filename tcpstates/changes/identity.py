"""Tell sockets apart from one look to the next.

By the kernel's cookie, which a socket keeps until its TIME_WAIT ends. Sources without
cookies give addresses and ports, and for sockets without a peer also the inode.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from tcpstates.batch import Batch

Key = Any  # a cookie, or a tuple


def keys_of(batch: Batch) -> Sequence[Key]:
    """Return what identifies each socket of a batch."""
    hosts = batch.get("host")
    if hosts is not None:
        return list(zip(hosts, _keys_on_host(batch), strict=True))
    return _keys_on_host(batch)


def _keys_on_host(batch: Batch) -> Sequence[Key]:
    cookies = batch.get("cookie")
    if cookies is not None and None not in cookies:
        return cookies
    ends = batch.rows("local_address", "local_port", "remote_address", "remote_port")
    inodes = batch.column("inode")
    return [
        (batch.protocol, *end, None if end[3] else inode)
        for end, inode in zip(ends, inodes, strict=True)
    ]


def has_cookies(batches: Iterable[Batch]) -> bool:
    """Check whether all sockets have a cookie."""
    for batch in batches:
        cookies = batch.get("cookie")
        if cookies is None or None in cookies:
            return False
    return True


def select_keys(batches: Iterable[Batch], wanted: Collection[Key]) -> Iterator[Batch]:
    """Yield the sockets with these keys."""
    if not wanted:
        return
    chosen = frozenset(wanted)
    for batch in batches:
        keys = keys_of(batch)
        if not chosen.isdisjoint(keys):
            yield batch.select([key in chosen for key in keys])
