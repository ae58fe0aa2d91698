"""Find the listings in a directory or an archive, and choose among them.

A support report has several listings of one host: those of ss, of netstat, of lsof.
Together they would show each socket several times, so one of them is read, and the
others are named. Listings of different hosts are read together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from tcpstates.collect.saved.archive import HEAD, Member
from tcpstates.collect.saved.compressed import unreadable
from tcpstates.collect.saved.text import read_lines
from tcpstates.errors import FileUnavailable
from tcpstates.late_pattern import late
from tcpstates.model import Limitation
from tcpstates.parse.saved.reader import Reader
from tcpstates.wording import plural

_MOST_LINES = 2_000_000  # of a file, to find out whether it is a listing
_FEW_LINES = 60  # by which a file without a telling name is judged
_NAMED = 3  # listings that a message names

# ss_-peaonmi, netstat.txt, ip_netns_exec_blue_ss_-tan, lsof-node1, oswnetstat/*.dat
_TELLING_NAME = late(
    r"(?:^|[/_. -])(?:ss|(?:osw)?netstat|lsof|sockstat|fstat|lsfd|tcpstates)"
    r"(?:[_. -]|$)"
    r"|Get-Net(?:TCPConnection|UDPEndpoint)"
    r"|oswnetstat/|(?:^|/)(?:network|open-files|fs-files)\.txt(?:\.|$)",
    re.IGNORECASE,
)
_OF_PROC = late(r"^(?P<folder>(?:.*/)?net/)(?:tcp|udp)6?$")
# Words that only the headings of listings have.
_HEADING = late(
    rb"Recv-Q|local_address|^COMMAND +PID|^USER +(?:COMMAND|CMD|PROCESS) |LocalAddress"
    rb"|Local Address|\"local_address\"|\"LocalAddress\"",
    re.MULTILINE,
)
# Where the folders of a report begin: sos, Red Hat Insights, a copy of /proc.
_REPORT = late(
    r"^(?P<host>(?:.*?/)??)(?:sos_commands|sos_strings|insights_commands|proc|var|etc)/"
)
# The reports of supportconfig keep one host's listings in one folder.
_SUPPORTCONFIG = late(r"^(?P<host>(?:.*/)?(?:scc|nts)_[^/]*/)[^/]*$")
_NAMESPACE = late(r"(?:/namespaces/|ip_netns_exec_)(?P<name>[^/_]+)")
# The options after the name of a tool, in the name of a file.
_OPTIONS = late(r"(?:ss|netstat)((?:_-[A-Za-z0-9]+)+)")
# What tells most comes first.
_BY_DETAIL = ("json", "ss", "netstat", "proc")
_NUL = "\0"  # no path contains it


class Listing(NamedTuple):
    """One listing of a directory or archive; /proc/net has several files."""

    number: int  # for --snapshot, counted from 1
    path: str  # of its first file
    format: str
    host: str  # equal for listings of one host and network namespace
    members: tuple[Member, ...]

    @property
    def rank(self) -> tuple[bool, int]:
        """Return the rank among the listings of its host; the lowest is read."""
        options = _OPTIONS.search(self.path)
        is_partial = options is not None and "a" not in options[1]
        known = self.format in _BY_DETAIL
        detail = _BY_DETAIL.index(self.format) if known else len(_BY_DETAIL)
        return is_partial, detail


def may_be_listing(path: str, start: bytes) -> bool:
    """Judge a file by its path and its first bytes, so quickly that most are passed."""
    if not start or b"\0" in start[:64].replace(b"\0", b"", 33):
        return False
    if _TELLING_NAME.search(path) or _OF_PROC.search(path):
        return True
    text = start.replace(b"\0", b"")  # UTF-16
    return _HEADING.search(text) is not None


def find_listings(
    members: Iterable[Member], make_reader: Callable[[], Reader]
) -> list[Listing]:
    """Return the listings among the files, in the order of their paths."""
    groups: dict[str, list[tuple[Member, str]]] = {}
    for member in members:
        with suppress(FileUnavailable, *unreadable()):
            found = _format_of(member, make_reader())
            if found is not None:
                of_proc = _OF_PROC.search(member.path)
                key = of_proc["folder"] if of_proc else member.path
                groups.setdefault(key, []).append((member, found))
    listings = []
    for number, key in enumerate(sorted(groups), 1):
        files, formats = zip(*groups[key], strict=True)
        path = files[0].path
        listings.append(Listing(number, path, formats[0], _host_of(path), files))
    return listings


def _format_of(member: Member, reader: Reader) -> str | None:
    """Return the format of a file with sockets; None: it has none."""
    is_named = _TELLING_NAME.search(member.path) or _OF_PROC.search(member.path)
    left = _MOST_LINES if is_named else _FEW_LINES
    with member.open() as stream:
        for lines in read_lines(stream, reader.skip, chunk=HEAD):
            for _ in reader.batches(lines[:left]):
                pass
            left -= len(lines)
            if reader.rows or left <= 0:
                break
    reader.finish()
    return min(reader.recognised) if reader.rows else None


def _host_of(path: str) -> str:
    """Return what is equal for the listings of one host and network namespace."""
    report = _REPORT.match(path) or _SUPPORTCONFIG.match(path)
    if report is None:
        return path
    namespace = _NAMESPACE.search(path)
    return f"{report['host']}{_NUL}{namespace['name'] if namespace else ''}"


def chosen(listings: Sequence[Listing], number: int | None, path: str) -> list[Listing]:
    """Return the listings to read; raise FileUnavailable if there is none."""
    if not listings:
        text = "no listing found in it; name a file to see what it is taken for"
        raise FileUnavailable(path, text)
    if number is not None:
        if number > len(listings):
            text = f"no snapshot {number}; it has {len(listings)}"
            raise FileUnavailable(path, text)
        return [listings[number - 1]]
    best: dict[str, Listing] = {}
    for listing in listings:
        known = best.get(listing.host)
        if known is None or listing.rank < known.rank:
            best[listing.host] = listing
    return sorted(best.values())


def describe(
    path: str, listings: Sequence[Listing], read: Sequence[Listing]
) -> Iterator[Limitation]:
    """Say which listings were found, and which of them were read."""
    hosts = {listing.host for listing in read}
    is_one = len(hosts) == 1
    number = len(listings)
    those = f"{number} {plural(number, 'listing')}"
    text = f"{path}: found {those}; read {_named(read, of_one=is_one)}"
    if len(read) > 1:
        text += "; --snapshot N reads one of them"
    yield Limitation("listings-found", text)
    same = [one for one in listings if one.host in hosts and one not in read]
    if same:
        text = f"{path}: of the same host, and not read: {_named(same, of_one=is_one)}"
        text += "; use --snapshot N to read one of them"
        yield Limitation("listings-left", text)


def _named(listings: Sequence[Listing], *, of_one: bool) -> str:
    """Name some listings by number, path and format.

    `of_one`: of one report; the name of its folder is left out: it is long, and known.
    """
    named = []
    for listing in listings[:_NAMED]:
        folder, is_report, _ = listing.host.partition(_NUL)
        is_short = is_report and of_one
        path = listing.path.removeprefix(folder) if is_short else listing.path
        named.append(f"{listing.number}: {path} ({listing.format})")
    more = len(listings) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
