"""Read sockets from saved output of this or another tool, of any machine."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from io import IncrementalNewlineDecoder
from typing import BinaryIO, NamedTuple

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.collect.names import read_services
from tcpstates.collect.restrict import restrict_batch
from tcpstates.errors import FileUnavailable
from tcpstates.fields import ColumnName
from tcpstates.model import Limitation, OwnersBy, Request, Source
from tcpstates.parse.saved.layouts import FORMATS
from tcpstates.parse.saved.reader import LONGEST, LONGEST_JSON, Reader
from tcpstates.parse.saved.rows import to_batches
from tcpstates.wording import plural

_CHUNK = 1 << 18  # bytes at once
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class SavedFiles(NamedTuple):
    """The values of --from and its related options."""

    paths: tuple[str, ...]  # "-" is standard input
    format: str | None = None  # one of FORMATS; None: detect it
    byte_order: str = "little"  # of the machine that a /proc/net is from
    snapshot: int | None = None  # of a file with several, counted from 1; None: all


class FileSource:
    """Files as a source; see `model.Source`."""

    name = "file"
    lacks: tuple[Capability, ...] = ()  # it depends on the files: see `missing_in`
    owners_by = OwnersBy.ROW
    reads_everything = True

    def __init__(self, files: SavedFiles) -> None:
        self._files = files

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield the sockets of every file; see `model.Source`."""
        for path in self._files.paths:
            for batch in self._read_file(path, limitations):
                asked_for = restrict_batch(batch, request)
                if asked_for is not None:
                    yield asked_for

    def taken_at(self) -> float | None:
        """Return the first file's modification time, in seconds since the epoch."""
        with suppress(OSError):
            return os.stat(self._files.paths[0]).st_mtime
        return None

    def _read_file(self, path: str, limitations: list[Limitation]) -> Iterator[Batch]:
        files = self._files
        reader = Reader(
            service_port,
            format=files.format,
            byte_order=files.byte_order,
            snapshot=files.snapshot,
        )
        try:
            with _open(path) as stream:
                for lines in _lines(stream, reader):
                    yield from reader.batches(lines)
        except OSError as error:
            text = f"cannot be read: {error.strerror or error}"
            raise FileUnavailable(path, text) from error
        yield from to_batches(reader.finish())
        limitations += _file_limitations(path, reader, files)


def _open(path: str) -> BinaryIO:
    if path == "-":
        return open(sys.stdin.fileno(), "rb", closefd=False)
    return open(path, "rb")


def _lines(stream: BinaryIO, reader: Reader) -> Iterator[list[str]]:
    """Yield the lines of a file, some thousand at a time, with any line ending.

    Bytes that are not UTF-8 are preserved. Lines that are too long are counted and
    dropped.
    """
    data = stream.read(_CHUNK)
    encoding, start = _encoding(data)
    decoder = IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(encoding)(
            "surrogateescape" if encoding == "utf-8" else "replace"
        ),
        translate=True,
    )
    rest, is_dropping = "", False
    data = data[start:]
    while data:
        text = decoder.decode(data)
        if is_dropping:
            _, newline, text = text.partition("\n")
            is_dropping = not newline
        lines = (rest + text).split("\n")
        rest = lines.pop()
        yield lines
        longest = LONGEST_JSON if rest[:1] in ("[", "{") else LONGEST
        if len(rest) > longest:
            reader.skip()
            rest, is_dropping = "", True
        data = stream.read(_CHUNK)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield [rest]


def _encoding(data: bytes) -> tuple[str, int]:
    """Detect a file's encoding from its beginning; return it and the text's offset."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding, len(mark)
    sample = data[:4096]
    if sample[1::2].count(0) > len(sample) // 4:
        return "utf-16-le", 0
    if sample[::2].count(0) > len(sample) // 4:
        return "utf-16-be", 0
    return "utf-8", 0


def _file_limitations(
    path: str, reader: Reader, files: SavedFiles
) -> Iterator[Limitation]:
    """Report the limitations of a file; raise SourceUnavailable if it has no data."""
    if not reader.recognised and not reader.is_summary:
        tried = files.format or ", ".join(FORMATS)
        text = f"no sockets recognised; tried {tried}"
        if files.format is None:
            text += "; use --from-format to name the format"
        raise FileUnavailable(path, text)
    if reader.is_summary and not reader.recognised:
        yield Limitation("no-sockets", f"{path}: a summary (ss -s) lists no sockets")
    elif not reader.rows and not reader.unreadable:
        names = " and ".join(sorted(reader.recognised))
        text = f"{path}: looks like {names}, but has no TCP or UDP sockets"
        yield Limitation("no-sockets", text)
    if files.snapshot is not None and files.snapshot > reader.snapshots:
        text = f"no snapshot {files.snapshot}; the file has {reader.snapshots}"
        raise FileUnavailable(path, text)
    if reader.unreadable:
        places = ", ".join(map(str, reader.numbers))
        more = " ..." if reader.unreadable > len(reader.numbers) else ""
        those = plural(reader.unreadable, "line that looks", "lines that look")
        text = (
            f"{path}: skipped {reader.unreadable} {those} like a socket but cannot be"
            f" parsed: line {places}{more}"
        )
        yield Limitation("rows-skipped", text)
    if reader.snapshots > 1 and files.snapshot is None:
        text = (
            f"{path}: {reader.snapshots} snapshots are listed together;"
            " use --snapshot 1 for the first"
        )
        yield Limitation("several-snapshots", text)


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
    provided: set[Capability] = set()
    for batch in source.read(Request(), []):
        provided |= {
            capability
            for capability, column in _PROVIDED_BY.items()
            if capability not in provided
            and any(value is not None for value in batch.column(column))
        }
    return frozenset(_PROVIDED_BY.keys() - provided)


_PROVIDED_BY: dict[Capability, ColumnName] = {
    Capability.TCP_INFO: "info.last_ack_ms",
    Capability.TIMERS: "timer",
    Capability.QUEUES: "recv_q",
    Capability.INODE: "inode",
}
