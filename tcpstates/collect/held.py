"""A source that is read once and answers every request from what it has read."""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.batch import Batch
from tcpstates.collect.restrict import restrict_batch
from tcpstates.model import Limitation, Request, Source
from tcpstates.states import ALL_STATES


class HeldSource:
    """Sockets held in memory, for whoever asks several times; see `model.Source`.

    All answers are of one moment. Limitations come with each of them. Batches are
    copies, because later stages set columns.
    """

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.lacks = source.lacks
        self.owners_by = source.owners_by
        self.reads_everything = source.reads_everything
        self._source = source
        self._held: dict[frozenset[str], tuple[list[Batch], list[Limitation]]] = {}

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield the sockets that are asked for."""
        protocols = request.protocols
        if protocols not in self._held:
            found: list[Limitation] = []
            everything = Request(protocols=protocols, states=ALL_STATES)
            batches = list(self._source.read(everything, found))
            self._held[protocols] = batches, found
        batches, found = self._held[protocols]
        limitations += found
        for batch in batches:
            asked_for = restrict_batch(batch.copy(), request)
            if asked_for is not None:
                yield asked_for
