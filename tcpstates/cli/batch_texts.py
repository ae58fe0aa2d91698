"""Make the text of a listing batch by batch, with a second process if it is long."""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from tcpstates.batch import Batch, ColumnBatch
from tcpstates.forking import may_fork

# Sockets after which a second process is started: before, it would take longer.
_ALONE = 1500


def texts_of_batches(
    make: Callable[[Batch], str], batches: Iterable[Batch]
) -> Iterator[str]:
    """Yield the text of each batch.

    `make` must not depend on the batches before: a second process makes about half of
    the texts. This saves a third of the time of 100,000 sockets.
    """
    rest = iter(batches)
    number = 0
    for batch in rest:
        yield make(batch)
        number += len(batch)
        if number > _ALONE:
            break
    else:
        return
    if sys.platform == "linux" and may_fork():
        from tcpstates.second_process import texts_in_two_processes

        packing = _Packing(batch)
        if packing.pack(batch) is not None:
            yield from texts_in_two_processes(make, rest, packing.pack, packing.unpack)
            return
    yield from map(make, rest)


class _Packing:
    """Turns batches of one source into bytes, and back."""

    def __init__(self, made: Batch) -> None:
        """Take a batch whose text has been made: it knows what that needs."""
        self._class = type(made)
        self._asked = made.asked if isinstance(made, ColumnBatch) else set()
        self._later = made.later  # the child has it, too

    def pack(self, batch: Batch) -> bytes | None:
        """Return None for a batch that has to stay in this process."""
        parts = batch.parts(self._asked) if type(batch) is self._class else None
        if parts is None:
            return None
        with suppress(ValueError):  # it has objects that `marshal` does not know
            return marshal.dumps(parts)
        return None

    def unpack(self, packed: bytes) -> Batch:
        """Make a batch again."""
        batch = self._class.from_parts(*marshal.loads(packed))  # noqa: S302  (ours)
        batch.later = self._later
        return batch
