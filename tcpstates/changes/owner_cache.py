"""Owners of sockets that are looked at again and again.

Only sockets that were not there before are looked up: a scan of /proc takes three times
as long as a listing of 100,000 sockets. Descriptors can be passed on, so now and then
all of them are looked up again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tcpstates.attribution import attribute
from tcpstates.batch import Batch
from tcpstates.model import Listing, OwnersBy, reason_without_file

_WHOLE_AGAIN = 10  # looks


class OwnerCache:
    """The owners of each inode, and the reason where there is none."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, str | None]] = {}
        self._looks = 0

    def fill(self, batches: Sequence[Batch], listing: Listing) -> None:
        """Set the columns of owners; limitations are added to the listing's."""
        if any(batch.get("processes") is not None for batch in batches):
            return  # the source has told them
        if self._looks % _WHOLE_AGAIN == 0:
            self._known.clear()
        self._looks += 1
        self._look_up(batches, listing)
        used: dict[int, tuple[Any, str | None]] = {}
        for batch in batches:
            inodes = batch.column("inode")
            labels = batch.column("state_label")
            found = [
                self._known.get(inode) if inode else ((), reason_without_file(label))
                for inode, label in zip(inodes, labels, strict=True)
            ]
            batch.set("processes", [each and each[0] for each in found])
            batch.set("no_process_reason", [each and each[1] for each in found])
            used.update(
                (inode, each)
                for inode, each in zip(inodes, found, strict=True)
                if inode and each
            )
        self._known = used

    def _look_up(self, batches: Sequence[Batch], listing: Listing) -> None:
        """Find the owners of sockets that are new."""
        new = []
        for batch in batches:
            is_new = [
                inode and inode not in self._known for inode in batch.column("inode")
            ]
            if any(is_new):
                new.append(batch.select(is_new).copy())
        if not new:
            return
        for batch in attribute(iter(new), OwnersBy.INODE, listing.limitations, None):
            rows = batch.rows("inode", "processes", "no_process_reason")
            self._known.update((inode, (who, why)) for inode, who, why in rows)
