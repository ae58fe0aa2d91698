"""Listings that somebody has saved, as an origin."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from tcpstates.capabilities import Capability
from tcpstates.collect.sources import read_source
from tcpstates.model import Limitation, Reading, Request
from tcpstates.origin import Origin, WithoutKernel

if TYPE_CHECKING:  # loaded only where they are needed
    from tcpstates.collect.names import HostNames
    from tcpstates.collect.saved.source import SavedFiles
    from tcpstates.filters.values import Lookup
    from tcpstates.model import Source


class SavedListing(WithoutKernel):
    """Files that tcpstates or other tools have written, on any machine."""

    filters_in_kernel = False
    is_here = False
    command_note: str | None = (
        "run the commands on the host of the listing; those of tcpstates also work"
        " here, with --from FILE"
    )

    def __init__(self, files: SavedFiles, *, is_held: bool = False) -> None:
        """Name the files; they are opened when they are read.

        `is_held`: they are read once, and their sockets held. So is standard input.
        """
        from tcpstates.collect.held import HeldSource
        from tcpstates.collect.saved.source import FileSource

        self._files = files
        self._is_held = is_held or "-" in files.paths
        self.label = " ".join(files.paths)
        self._file_source = source = FileSource(files)
        self._source: Source = HeldSource(source) if self._is_held else source

    def read(self, request: Request, limitations: list[Limitation]) -> Reading:
        """See `Origin`."""
        return read_source(self._source, request, limitations)

    def pinned(self) -> Origin:
        """See `Origin`."""
        return self if self._is_held else SavedListing(self._files, is_held=True)

    def taken_at(self) -> float:
        """When the first file was written."""
        return self._file_source.taken_at() or time.time()

    def boot_id(self) -> str | None:
        """See `Origin`; our own JSON has it."""
        return self._file_source.boot_id()

    def missing(self, source: str) -> frozenset[Capability]:
        """See `Origin`; a text has neither the limits of its host nor its counters."""
        from tcpstates.collect.saved.source import missing_in

        host = {Capability.HOST_LIMITS, Capability.BACKLOG_LIMIT}
        return missing_in(self._source) | host

    def names(
        self, *, numeric: bool, state_names: Mapping[str, str] | None = None
    ) -> HostNames:
        """See `Origin`; users and interfaces are another machine's."""
        from tcpstates.collect.names import HostNames

        return HostNames(numeric=numeric, state_names=state_names)

    def lookup(self, protocols: Collection[str]) -> Lookup:
        """See `Origin`."""
        from tcpstates.collect.name_lookup import HostLookup

        return HostLookup(protocols)
