"""Report what a listing lacks, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.collect.saved.archive import Finder
from tcpstates.errors import FileUnavailable
from tcpstates.model import Limitation
from tcpstates.parse.saved.layouts import FORMATS
from tcpstates.parse.saved.reader import Reader
from tcpstates.wording import counted, plural

_MOST_NAMES = 3  # in a message


def remarks_on_search(finder: Finder, damage: str | None) -> Iterator[Limitation]:
    """Say what was not searched in a directory or archive."""
    path = finder.path
    if damage is not None:
        text = f"{path}: only its first part could be read: {damage}"
        yield Limitation("rows-skipped", text)
    if finder.denied:
        yield Limitation("files-denied", f"{path}: {denied_text(finder.denied)}")
    if finder.unopened:
        names = ", ".join(finder.unopened[:_MOST_NAMES])
        more = " ..." if len(finder.unopened) > _MOST_NAMES else ""
        text = f"{path}: did not open the archives in it: {names}{more}"
        yield Limitation("archives-unopened", text)


def denied_text(number: int) -> str:
    """Say how many files could not be searched."""
    those = counted(number, "file or folder", "files or folders")
    return f"no permission to read {those} in it"


def remarks_on(
    path: str, reader: Reader, expected: str | None, snapshot: int | None
) -> Iterator[Limitation]:
    """Report the limitations of a file; raise FileUnavailable if it has no sockets."""
    is_damaged = bool(reader.recognised) and reader.unreadable > 0
    verdict = reader.other_kinds.verdict
    if verdict is not None and not (reader.rows or is_damaged):
        raise FileUnavailable(path, verdict)
    if not reader.recognised and not reader.other_kinds.is_summary:
        tried = expected or ", ".join(FORMATS)
        text = f"no sockets recognised; tried {tried}"
        if expected is None:
            text += "; use --from-format to name the format"
        raise FileUnavailable(path, text)
    if reader.other_kinds.is_summary and not reader.recognised:
        yield Limitation("no-sockets", f"{path}: a summary (ss -s) lists no sockets")
    elif not reader.rows and not reader.unreadable:
        names = " and ".join(sorted(reader.recognised))
        text = f"{path}: looks like {names}, but has no TCP or UDP sockets"
        yield Limitation("no-sockets", text)
    if snapshot is not None and snapshot > reader.snapshots:
        text = f"no snapshot {snapshot}; the file has {reader.snapshots}"
        raise FileUnavailable(path, text)
    if reader.unreadable and not reader.rows and snapshot is None:
        number = reader.unreadable
        those = plural(number, "line that looks", "lines that look")
        text = f"{number} {those} like a socket, and none can be parsed: line"
        raise FileUnavailable(path, f"{text} {', '.join(map(str, reader.numbers))}")
    if reader.unreadable:
        places = ", ".join(map(str, reader.numbers))
        more = " ..." if reader.unreadable > len(reader.numbers) else ""
        those = plural(reader.unreadable, "line that looks", "lines that look")
        text = (
            f"{path}: skipped {reader.unreadable} {those} like a socket but cannot be"
            f" parsed: line {places}{more}"
        )
        yield Limitation("rows-skipped", text)
    if reader.snapshots > 1 and snapshot is None:
        text = (
            f"{path}: {reader.snapshots} snapshots are listed together;"
            " use --snapshot 1 for the first"
        )
        yield Limitation("several-snapshots", text)
