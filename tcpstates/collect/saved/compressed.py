"""Read compressed files, whose compression their first bytes show."""

from __future__ import annotations

import importlib
import io
from contextlib import suppress
from typing import IO, Any

from tcpstates.errors import FileUnavailable

# RFC 1952, the .xz file format, bzip2, RFC 8878.
_GZIP, _XZ, _BZIP2 = b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh"
_ZSTD = b"\x28\xb5\x2f\xfd"
BUFFER = 1 << 18  # bytes that are read at once


def is_compressed(start: bytes) -> bool:
    """Whether data that begins so is compressed in a way that Python can read."""
    return start.startswith((_GZIP, _XZ, _BZIP2))


def unreadable() -> tuple[type[Exception], ...]:
    """What is raised for damaged data, for data that ends too early, and by the system.

    A listing that is not compressed needs none of these modules, which take 10 ms. So
    call this for archives only, and elsewhere `is_unreadable`.
    """
    import tarfile
    import zipfile
    import zlib

    found: list[type[Exception]] = [
        OSError,
        EOFError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,  # a compression of zip that Python lacks
        RuntimeError,  # an encrypted member of a zip archive
    ]
    with suppress(ModuleNotFoundError):  # a Python that was built without its library
        from lzma import LZMAError

        found.append(LZMAError)
    return tuple(found)


def is_unreadable(error: Exception) -> bool:
    """Whether an error is one of `unreadable`, whose modules it loads only then."""
    # Without memory, none can be loaded.
    return not isinstance(error, MemoryError) and isinstance(error, unreadable())


def decompressed(stream: io.BufferedReader, path: str) -> io.BufferedReader:
    """Return what a stream holds; raise FileUnavailable for what Python cannot read."""
    start = stream.peek(len(_XZ))
    inner: Any
    if start.startswith(_GZIP):
        from gzip import GzipFile

        inner = GzipFile(fileobj=stream, mode="rb")
    elif start.startswith(_XZ):
        inner = _needed("lzma", "xz", stream, path).LZMAFile(stream)
    elif start.startswith(_BZIP2):
        inner = _needed("bz2", "bzip2", stream, path).BZ2File(stream)
    elif start.startswith(_ZSTD):
        raise _compressed("zstd", stream, path)
    else:
        return stream
    return io.BufferedReader(Steps(inner, stream), BUFFER)


def _needed(module: str, tool: str, stream: io.BufferedReader, path: str) -> Any:
    """Import a module that a Python may lack; raise FileUnavailable without it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _compressed(tool, stream, path) from error


def _compressed(tool: str, stream: io.BufferedReader, path: str) -> FileUnavailable:
    """Name the tool that can read a stream, and close it."""
    stream.close()
    text = f"is compressed with {tool}; use `{tool} -dc FILE | tcpstates --from -`"
    return FileUnavailable(path, text)


class Steps(io.RawIOBase):
    """Reads what one step gives; an error comes only after all that precedes it.

    Closing it closes the files of which it is in charge.
    """

    def __init__(self, file: Any, *in_charge: IO[bytes] | io.BufferedReader) -> None:
        self._file = file
        self._in_charge = in_charge

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`."""
        data = self._file.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close it, and the files of which it is in charge."""
        super().close()
        for each in self._in_charge:
            each.close()
