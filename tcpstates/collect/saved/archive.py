"""Open files, and the files in directories and archives.

Nothing is extracted and no link is followed: a report may come from anyone. The members
of a tar archive can be read only in their order, so the wanted ones are copied to files
without names.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from typing import IO, Any, BinaryIO, NamedTuple

from tcpstates.collect.saved.compressed import (
    BUFFER,
    Steps,
    decompressed,
    is_compressed,
    unreadable,
)
from tcpstates.errors import FileUnavailable
from tcpstates.late_pattern import late

_ZIP = b"PK\x03\x04"
_TAR, _TAR_AT = b"ustar", 257  # POSIX.1-1988, pax: the header's magic
_BLOCK = 512  # bytes of a tar header
_MOST_FILES = 500_000  # of a directory or archive
_MOST_COPIED = 1 << 32  # bytes of an archive's listings
_DEPTH = 2  # of archives in archives
_IN_MEMORY = 1 << 20  # bytes of a file; more of them go to a file on disk
HEAD = 1 << 14  # bytes by which a file is judged

# Archives inside are opened only if their names are those of reports.
_REPORT_NAME = late(
    r"sos|insights|scc_|nts_|must-gather|support|bundle|diag|eks_", re.IGNORECASE
)


class Member(NamedTuple):
    """A file in a directory or archive."""

    path: str  # below the directory, or in the archive
    open: Callable[[], io.BufferedReader]  # what it holds, decompressed
    modified: float  # seconds since the epoch


# Decides from a file's path and the first bytes of what it holds.
Wanted = Callable[[str, bytes], bool]


def is_archive(stream: io.BufferedReader) -> bool:
    """Whether a decompressed stream is a tar or zip archive."""
    return _holds_files(stream.peek(_BLOCK))


def _holds_files(start: bytes) -> bool:
    return start.startswith(_ZIP) or start[_TAR_AT:].startswith(_TAR)


class Finder:
    """Finds the wanted files of one directory or archive, and of reports inside it."""

    def __init__(self, path: str, is_wanted: Wanted) -> None:
        """Name the path for messages."""
        self.path = path
        self.denied = 0  # files that this user may not read
        self.unopened: list[str] = []  # archives inside that are no reports
        self._is_wanted = is_wanted
        self._seen = 0
        self._room = _MOST_COPIED

    def in_directory(self) -> Iterator[Member]:
        """Yield the wanted files of the directory, in the order of their paths."""
        device = os.stat(self.path).st_dev  # not those of /proc and /sys below it
        for folder, folders, names in os.walk(self.path, onerror=self._count_denied):
            if os.lstat(folder).st_dev != device and folder != self.path:
                folders.clear()
                continue
            folders.sort()
            for name in sorted(names):
                self._count_file()
                whole = os.path.join(folder, name)
                inside = os.path.relpath(whole, self.path).replace(os.sep, "/")
                # A link, a device, a file of another user, a damaged one.
                try:
                    yield from self._in_file(whole, inside)
                except OSError as error:
                    self._count_denied(error)
                except unreadable():
                    continue

    def _in_file(self, whole: str, inside: str) -> Iterator[Member]:
        with closing(_open_regular(whole)) as stream:
            modified = os.fstat(stream.fileno()).st_mtime
            content = decompressed(stream, whole)
            start = content.peek(HEAD)[:HEAD]
            if _holds_files(start):
                if self._is_to_open(inside):
                    yield from self.in_archive(content, inside)
            elif self._is_wanted(inside, start):
                yield Member(inside, partial(_open_member, whole), modified)

    def in_archive(
        self, stream: io.BufferedReader, outer: str = "", depth: int = _DEPTH
    ) -> Iterator[Member]:
        """Yield the wanted files of a tar or zip archive; may raise `unreadable`.

        `outer` precedes their paths.
        """
        is_zip = stream.peek(_BLOCK).startswith(_ZIP)
        files = _files_of_zip(stream) if is_zip else _files_of_tar(stream)
        for name, modified, content in files:
            self._count_file()
            inside = posixpath.join(outer, name) if outer else name
            with content:
                copy, start = self._begin_copy(content, inside)
                if _holds_files(start):
                    if depth and self._is_to_open(inside):
                        self._finish_copy(content, copy)
                        nested = _reopened(copy, inside)
                        with suppress(*unreadable()):
                            yield from self.in_archive(nested, inside, depth - 1)
                elif self._is_wanted(inside, start):
                    self._finish_copy(content, copy)
                    yield Member(inside, partial(_reopened, copy, inside), modified)

    def _begin_copy(self, content: IO[bytes], inside: str) -> tuple[IO[bytes], bytes]:
        """Copy the beginning of a file; return the copy and what it begins with."""
        import tempfile

        copy: Any = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        start = content.read(HEAD)
        copy.write(start)
        if is_compressed(start):
            self._finish_copy(content, copy)
            with suppress(FileUnavailable, *unreadable()):
                start = _reopened(copy, inside).peek(HEAD)[:HEAD]
            copy.seek(0, os.SEEK_END)
        return copy, start

    def _finish_copy(self, content: IO[bytes], copy: IO[bytes]) -> None:
        self._room -= _copy(content, copy, self._room)
        if self._room <= 0:
            text = f"has more than {_MOST_COPIED >> 30} GiB of listings"
            raise FileUnavailable(self.path, text)

    def _is_to_open(self, inside: str) -> bool:
        """Whether an archive inside is a report; any other one is noted."""
        if _REPORT_NAME.search(inside):
            return True
        self.unopened.append(inside)
        return False

    def _count_file(self) -> None:
        self._seen += 1
        if self._seen > _MOST_FILES:
            text = f"has more than {_MOST_FILES:,} files; name a directory in it"
            raise FileUnavailable(self.path, text)

    def _count_denied(self, error: OSError) -> None:
        if isinstance(error, PermissionError):
            self.denied += 1


def _open_member(path: str) -> io.BufferedReader:
    return decompressed(_open_regular(path), path)


def _open_regular(path: str) -> io.BufferedReader:
    """Open a file; OSError for a link, a device, or a pipe, which could block."""
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, os.O_RDONLY | flags | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return io.BufferedReader(io.FileIO(descriptor), BUFFER)


def _copy(source: IO[bytes], target: IO[bytes], most: int) -> int:
    """Copy at most so many bytes; return how many it were."""
    left = most
    while left > 0 and (data := source.read(min(left, BUFFER))):
        target.write(data)
        left -= len(data)
    return most - left


def _reopened(copy: IO[bytes], path: str) -> io.BufferedReader:
    """Return what a copied file holds, from its start; the copy stays open."""
    copy.seek(0)
    return decompressed(io.BufferedReader(Steps(copy), BUFFER), path)


def _files_of_tar(stream: BinaryIO) -> Iterator[tuple[str, float, IO[bytes]]]:
    import tarfile

    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in archive:
            archive.members = []  # type: ignore[attr-defined]  # it would remember every entry
            if entry.isreg() and not entry.issparse():
                content = archive.extractfile(entry)
                if content is not None:
                    yield entry.name, entry.mtime, content


def _files_of_zip(stream: BinaryIO) -> Iterator[tuple[str, float, IO[bytes]]]:
    """Read the files of a zip archive, whose directory is at its end."""
    import tempfile
    import zipfile

    with tempfile.TemporaryFile() as copy:
        _copy(stream, copy, _MOST_COPIED)
        with zipfile.ZipFile(copy) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    modified = time.mktime((*entry.date_time, 0, 0, -1))
                    yield entry.filename, modified, archive.open(entry)
