"""Turn the bytes of a saved listing into lines."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from io import BufferedReader, IncrementalNewlineDecoder

from tcpstates.collect.saved.compressed import BUFFER, is_unreadable
from tcpstates.parse.saved.cleaning import longest

_SAMPLE = 4096  # bytes, to detect an encoding
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_lines(
    stream: BufferedReader, skip: Callable[[], None], *, chunk: int = BUFFER
) -> Iterator[list[str]]:
    """Yield the lines of a file, some thousand at a time, with any line ending.

    Bytes that are not UTF-8 are preserved. `skip` is called for each line that is too
    long; it is dropped.
    """
    chunks = _chunks(stream, chunk)
    data = next(chunks)
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
        if len(rest) > longest(rest):
            skip()
            rest, is_dropping = "", True
        data = next(chunks, b"")
    rest += decoder.decode(b"", final=True)
    if rest:
        yield [rest]


def _chunks(stream: BufferedReader, chunk: int) -> Iterator[bytes]:
    """Yield what a stream has, at least `_SAMPLE` bytes at first.

    Compressed data may be damaged: all that precedes the damage is yielded before the
    error is raised.
    """
    start, error = b"", None
    try:  # one read at a time, because the next one may fail
        while len(start) < _SAMPLE and (data := stream.read1(chunk)):
            start += data
    except Exception as found:
        if not is_unreadable(found):
            raise
        error = found
    yield start
    if error is not None:
        raise error
    while data := stream.read1(chunk):
        yield data


def _encoding(data: bytes) -> tuple[str, int]:
    """Detect a file's encoding from its beginning; return it and the text's offset."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding, len(mark)
    sample = data[:_SAMPLE]
    if sample[1::2].count(0) > len(sample) // 4:
        return "utf-16-le", 0
    if sample[::2].count(0) > len(sample) // 4:
        return "utf-16-be", 0
    return "utf-8", 0
