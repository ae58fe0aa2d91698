"""Read sockets from saved output of this or another tool, of any machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from io import BufferedReader, FileIO
from typing import NamedTuple, Protocol

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.collect.names import read_services
from tcpstates.collect.restrict import restrict_batch
from tcpstates.collect.saved.archive import Finder, Member, is_archive
from tcpstates.collect.saved.compressed import BUFFER, decompressed, is_unreadable
from tcpstates.collect.saved.listings import (
    Listing,
    chosen,
    describe,
    find_listings,
    may_be_listing,
)
from tcpstates.collect.saved.remarks import denied_text, remarks_on, remarks_on_search
from tcpstates.collect.saved.text import read_lines
from tcpstates.errors import FileUnavailable
from tcpstates.fields import ColumnName
from tcpstates.late_pattern import late
from tcpstates.model import Limitation, OwnersBy, Request, Source
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import to_batches

# In the first members of a document, or in the first object of a recording.
_BOOT = late(rb'"boot_id": "([0-9a-f-]{36})"')
_HEADER = 4096  # bytes


class Progress(Protocol):
    """Shows how much of a file has been read."""

    def show(self, lines: int, sockets: int) -> None:
        """Take the numbers so far."""

    def hide(self) -> None:
        """Make room, because rows may be printed next."""


class _Silent:
    """No progress."""

    def show(self, lines: int, sockets: int) -> None:
        pass

    def hide(self) -> None:
        pass


class SavedFiles(NamedTuple):
    """The values of --from and its related options."""

    paths: tuple[str, ...]  # "-" is standard input
    format: str | None = None  # one of FORMATS; None: detect it
    byte_order: str = "little"  # of the machine that a /proc/net is from
    snapshot: int | None = None  # of a file with several, counted from 1; None: all
    progress: Progress | None = None  # None: show nothing
    at: float | None = None  # of a recording: the moment, in seconds since the epoch


class FileSource:
    """Files as a source; see `model.Source`."""

    name = "file"
    lacks: tuple[Capability, ...] = ()  # it depends on the files: see `missing_in`
    owners_by = OwnersBy.ROW
    reads_everything = True

    def __init__(self, files: SavedFiles) -> None:
        self._files = files
        # By the path of a directory or archive: the listings in it.
        self._held: dict[str, list[Listing]] = {}
        self._remarks: dict[str, list[Limitation]] = {}  # on the search for them

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield the sockets of every file; see `model.Source`."""
        for path in self._files.paths:
            for batch in self._read_path(path, limitations):
                asked_for = restrict_batch(batch, request)
                if asked_for is not None:
                    yield asked_for

    def taken_at(self) -> float | None:
        """Return when the first listing was written, in seconds since the epoch."""
        path = self._files.paths[0]
        try:
            if os.path.isfile(path) or os.path.isdir(path):  # not a pipe
                found = self._listings(path)
                return found[0].members[0].modified if found else os.stat(path).st_mtime
        except Exception as error:
            if not is_unreadable(error):
                raise
        return None

    def boot_id(self) -> str | None:
        """Return which boot a single file of our own JSON is of; None: unknown."""
        path = self._files.paths[0]
        if len(self._files.paths) > 1 or not os.path.isfile(path):
            return None
        try:
            with decompressed(_open(path), path) as stream:
                found = _BOOT.search(stream.read(_HEADER))
        except Exception as error:
            if not is_unreadable(error):
                raise
            return None
        return found[1].decode() if found else None

    def _listings(self, path: str) -> list[Listing] | None:
        """Find the listings in a directory or archive; None: it is neither."""
        if path in self._held:
            return self._held[path]
        if os.path.isdir(path):
            return self._hold(Finder(path, may_be_listing))
        if os.path.isfile(path):
            with decompressed(_open(path), path) as stream:
                if is_archive(stream):
                    return self._hold(Finder(path, may_be_listing), stream)
        return None

    def _read_path(self, path: str, limitations: list[Limitation]) -> Iterator[Batch]:
        """Read a file, or the listings of a directory or archive."""
        try:
            listings = self._listings(path)
            if listings is None:
                with decompressed(_open(path), path) as stream:
                    if not is_archive(stream):
                        number = self._files.snapshot
                        yield from self._read_stream(stream, path, limitations, number)
                        return
                    # On standard input, or through a pipe.
                    listings = self._hold(Finder(path, may_be_listing), stream)
            limitations += self._remarks[path]
            read = chosen(listings, self._files.snapshot, path)
            limitations += describe(path, listings, read)
            for listing in read:
                yield from self._read_listing(path, listing, limitations)
        except Exception as error:
            if not is_unreadable(error):
                raise
            reason = getattr(error, "strerror", None) or error
            raise FileUnavailable(path, f"cannot be read: {reason}") from error

    def _hold(
        self, finder: Finder, stream: BufferedReader | None = None
    ) -> list[Listing]:
        """Find the listings and remember them, because an archive is slow to read."""
        kept: list[Member] = []
        damage = None
        try:  # keeps what precedes an error
            kept.extend(finder.in_archive(stream) if stream else finder.in_directory())
        except Exception as error:
            if not is_unreadable(error):
                raise
            damage = str(error)
        listings = self._held[finder.path] = find_listings(kept, self._reader)
        if damage is not None and not listings:
            raise FileUnavailable(finder.path, f"cannot be read: {damage}")
        if finder.denied and not listings:
            text = f"no listing found in it; {denied_text(finder.denied)}"
            raise FileUnavailable(finder.path, text)
        self._remarks[finder.path] = list(remarks_on_search(finder, damage))
        return listings

    def _reader(self, snapshot: int | None = None) -> Reader:
        return Reader(
            service_port,
            format=self._files.format,
            byte_order=self._files.byte_order,
            snapshot=snapshot,
            at=self._files.at,
        )

    def _read_listing(
        self, path: str, listing: Listing, limitations: list[Limitation]
    ) -> Iterator[Batch]:
        for member in listing.members:
            with member.open() as stream:
                name = os.path.join(path, member.path)
                yield from self._read_stream(stream, name, limitations, None)

    def _read_stream(
        self,
        stream: BufferedReader,
        path: str,
        limitations: list[Limitation],
        snapshot: int | None,
    ) -> Iterator[Batch]:
        """Read one listing: all of it, or one of its snapshots."""
        reader = self._reader(snapshot)
        progress = self._files.progress or _Silent()
        try:
            for lines in read_lines(stream, reader.skip):
                for batch in reader.batches(lines):
                    progress.hide()
                    yield batch
                progress.show(reader.lines, reader.rows)
        except Exception as error:
            is_listing = reader.recognised or reader.rows
            if not (is_listing and is_unreadable(error)):
                raise
            text = f"{path}: only its first part could be read: {error}"
            limitations.append(Limitation("rows-skipped", text))
        finally:
            progress.hide()
        yield from to_batches(reader.finish())
        limitations += remarks_on(path, reader, self._files.format, snapshot)


def _open(path: str) -> BufferedReader:
    is_stdin = path == "-"
    file = FileIO(sys.stdin.fileno() if is_stdin else path, closefd=not is_stdin)
    return BufferedReader(file, BUFFER)


def service_port(name: str) -> int | None:
    """Return the port of a service, or None."""
    known = _services()
    return known.get(name) or known.get(name.lower())


@cache
def _services() -> dict[str, int]:
    ports: dict[str, int] = {}
    for (port, _), names in read_services().items():
        for name in names:
            ports.setdefault(name, port)
    return ports


def missing_in(source: Source) -> frozenset[Capability]:
    """Return the capabilities that a saved listing lacks."""
    return lacks_of(source.read(Request(), []))


def lacks_of(batches: Iterable[Batch]) -> frozenset[Capability]:
    """Return the capabilities that none of the sockets shows."""
    provided: set[Capability] = set()
    for batch in batches:
        provided |= {
            capability
            for capability, column in _PROVIDED_BY.items()
            if capability not in provided
            and any(value is not None for value in batch.column(column))
        }
    lacks = _PROVIDED_BY.keys() - provided
    # The kernel's times and its timers bound the ages.
    is_timeless = not lacks.isdisjoint((Capability.TCP_INFO, Capability.TIMERS))
    return frozenset(lacks | ({Capability.AGES} if is_timeless else set()))


_PROVIDED_BY: dict[Capability, ColumnName] = {
    Capability.TCP_INFO: "info.last_ack_ms",
    Capability.TIMERS: "timer",
    Capability.QUEUES: "recv_q",
    Capability.INODE: "inode",
}
