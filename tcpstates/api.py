"""The Python API: sockets as typed records, and counts of them.

    >>> import tcpstates
    >>> taken = tcpstates.snapshot("close_wait", processes=True)
    >>> taken.count_by("process", "state").most_common(3)
    >>> tcpstates.count_by("state")

A filter is what the command line takes after its options. Errors are `TcpstatesError`:
SourceUnavailable, FilterSyntaxError, ColumnError, ArgumentError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, NamedTuple

from tcpstates.batch import Batch
from tcpstates.columns.records import field_values
from tcpstates.columns.registry import Column, find_column
from tcpstates.columns.tally import Tally
from tcpstates.columns.tally import count_by as tally_by
from tcpstates.errors import ArgumentError, ColumnError, chosen
from tcpstates.fields import FIELDS, TIMER
from tcpstates.model import FAMILIES, Limitation, Listing, Names, Owner, Request
from tcpstates.origin import Origin, to_origin
from tcpstates.pipeline import list_sockets, select
from tcpstates.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from tcpstates.saved_listing import SavedListing


class Timer(NamedTuple):
    """A timer of a TCP socket that runs."""

    kind: str  # retransmit, keepalive, time-wait, probe, delayed-ack
    expires_ms: int | None  # milliseconds until it fires
    retransmits: int | None  # retransmissions or probes without an answer


class Socket(NamedTuple):
    """One socket. None: not reported by the source, or not requested."""

    protocol: str  # tcp, udp
    family: str  # ipv4, ipv6
    state: str | None  # the RFC 9293 name; None: it has none, as for UDP
    raw_state: str | None  # the source's own spelling or code
    local_address: str  # numeric; the wildcard is 0.0.0.0 or ::
    local_port: int
    remote_address: str
    remote_port: int  # 0: the wildcard
    recv_q: int | None  # bytes; of a LISTEN socket the backlog
    send_q: int | None  # bytes; of a LISTEN socket the backlog's limit
    backlog: int | None  # connections to be accepted; None except for LISTEN
    backlog_limit: int | None  # their maximum; None except for LISTEN
    uid: int | None
    user: str | None
    inode: int | None  # 0: no file refers to it
    cookie: int | None  # the kernel's number for it, unique since boot
    interface: str | None  # the one it is bound to
    timer: Timer | None
    processes: tuple[Owner, ...] | None  # every owner, names as bytes
    no_process_reason: str | None  # why there is none: time-wait, orphan, hidden ...
    truncated: tuple[str, ...] | None  # addresses that a saved listing has cut off
    age_ms: int | None  # in this state at least; most ages take info=True
    age_max_ms: int | None  # at most; equal to age_ms where the age is known exactly
    idle_ms: int | None  # since the last data in either direction
    mark: int | None  # firewall mark
    cgroup: str | None  # path in cgroup v2
    v6only: bool | None  # an IPv6 listener that refuses IPv4
    shutdown: int | None  # bits: 1 the peer has ended its stream, 2 this side has
    congestion: str | None  # name of the congestion control
    info: dict[str, int] | None  # tcp_info; microseconds, bytes, or as names say
    congestion_info: dict[str, int] | None  # figures of bbr, dctcp, vegas: bytes/s, us
    # The upper layer protocol, such as tls or mptcp. None: there is none, or the kernel
    # does not report it, as without CAP_NET_ADMIN.
    ulp: str | None
    ulp_info: dict[str, int] | None  # figures of the upper layer protocol
    memory: dict[str, int] | None  # bytes, and packets for drops
    host: str | None  # the host that it is on, as --host names it
    netns: str | None  # the name of its network namespace
    netns_id: int | None  # the number of that namespace: its inode
    container: str | None  # name or number; None: none, or not known
    pod: str | None  # namespace/name, or its number
    unit: str | None  # the systemd unit


class Diff(NamedTuple):
    """What differs between two snapshots."""

    opened: tuple[Socket, ...]
    changed: tuple[tuple[Socket, str | None], ...]  # each with its state before
    closed: tuple[Socket, ...]  # as they were
    # Whether the kernel's cookies identified the sockets: both snapshots are of one
    # boot. If not, addresses and ports did.
    by_cookie: bool


class Counts(Counter[Any]):
    """How many sockets have each value, and what limits the answer."""

    source: str = ""
    limitations: tuple[Limitation, ...] = ()


class Snapshot:
    """Sockets as they were while a source was read."""

    def __init__(self, listing: Listing, names: Names) -> None:
        self._request = listing.request
        self.filter = listing.filter  # as it was understood; None: none
        self.boot_id = listing.boot_id  # which start of its system; None: unknown
        self._batches = list(listing.batches)
        self._names = names
        self.source = listing.source
        self.taken_at = datetime.fromtimestamp(listing.taken_at, timezone.utc)
        self.limitations: tuple[Limitation, ...] = tuple(listing.limitations)

    def __len__(self) -> int:
        return sum(map(len, self._batches))

    def __iter__(self) -> Iterator[Socket]:
        return iter(self.sockets)

    def __getitem__(self, place: int) -> Socket:
        return self.sockets[place]

    def __repr__(self) -> str:
        return f"<Snapshot of {len(self)} sockets, {self.source}, {self.taken_at}>"

    @cached_property
    def sockets(self) -> tuple[Socket, ...]:
        """Return every socket as a record."""
        return tuple(s for b in self._batches for s in records(b, self._names))

    def diff(self, later: Snapshot) -> Diff:
        """Return what was opened, has changed its state and was closed since this one.

        Both should have the same filter: a socket that leaves the selection is closed.
        """
        from tcpstates.changes.diff import are_of_one_boot, compare
        from tcpstates.changes.model import Kind

        boots = self.boot_id, later.boot_id
        by_cookie = are_of_one_boot(boots, self._batches, later._batches)
        opened: list[Socket] = []
        changed: list[tuple[Socket, str | None]] = []
        closed: list[Socket] = []
        for each in compare(self._batches, later._batches, by_cookie=by_cookie):
            names = self._names if each.kind is Kind.CLOSED else later._names
            found = list(records(each.batch, names))
            match each.kind:
                case Kind.OPENED:
                    opened += found
                case Kind.CLOSED:
                    closed += found
                case _:
                    changed += zip(found, each.old, strict=True)
        return Diff(tuple(opened), tuple(changed), tuple(closed), by_cookie)

    def count_by(self, *columns: str) -> Counts:
        """Return how many sockets have each value of a column.

        Of several columns the keys are tuples. Columns are those of --by. Raise
        ColumnError for others, and for columns that were not requested.
        """
        found = _columns(columns)
        for column in found:
            if not self._request.provides(column.needs):
                argument = "info" if column.needs == "ages" else column.needs
                text = f"{column.key}: snapshot({argument}=True) is needed"
                raise ColumnError(text)
        tally = tally_by(self._batches, found, self._names)
        return _counts(tally, self.source, self.limitations)


def snapshot(
    filter: str | Sequence[str] = (),  # noqa: A002  (it is called what it is)
    *,
    protocols: str | Collection[str] = DEFAULT_PROTOCOL,
    families: str | Collection[str] = FAMILIES,
    processes: bool = False,
    info: bool = False,
    memory: bool = False,
    source: str | Origin = "auto",
) -> Snapshot:
    """Return the sockets, in every state, that a filter selects.

    `filter` is what the command line takes after its options, as one string or as a
    sequence of arguments; empty: every socket. `protocols` are "tcp" and "udp",
    `families` "ipv4" and "ipv6"; a single one may be given as a string.
    `processes`, `info` and `memory` request what takes longer: the owners of each
    socket, tcp_info and ages, and memory; without them, these fields are None. (A
    filter by pid or process finds owners, too; by pid, only those in the filter.)
    `source` is "auto", a name that
    --source takes, or what `saved` returns. Raise SourceUnavailable,
    FilterSyntaxError and ArgumentError.
    """
    request = Request(
        protocols=chosen("protocol", protocols, PROTOCOLS),
        families=chosen("family", families, FAMILIES),
        processes=processes,
        info=info,
        memory=memory,
        owners_for_filter=True,
    )
    origin = to_origin(source)
    return Snapshot(_listing(filter, request, origin), origin.names(numeric=False))


def count_by(
    *columns: str,
    filter: str | Sequence[str] = (),  # noqa: A002
    protocols: str | Collection[str] = DEFAULT_PROTOCOL,
    families: str | Collection[str] = FAMILIES,
    source: str | Origin = "auto",
) -> Counts:
    """Count like `snapshot(...).count_by(...)`, without holding the sockets."""
    found = _columns(columns)
    needed = {column.needs for column in found}
    request = Request(
        protocols=chosen("protocol", protocols, PROTOCOLS),
        families=chosen("family", families, FAMILIES),
        owners_for_filter=True,
    ).for_columns(needed)
    origin = to_origin(source)
    listing = _listing(filter, request, origin)
    tally = tally_by(listing.batches, found, origin.names(numeric=False))
    return _counts(tally, listing.source, listing.limitations)


def _columns(names: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of these names, each once."""
    return tuple(dict.fromkeys(map(find_column, names)))


def saved(
    *paths: str,
    format: str | None = None,  # noqa: A002
    byte_order: str = "little",
    snapshot: int | None = None,
) -> SavedListing:
    """Name files that other tools have written, to be given as `source`.

    `paths` are files, directories or archives; "-" is standard input. `format`,
    `byte_order` and `snapshot` (from 1; None: all) are what --from-format,
    --byte-order and --snapshot take. Raise ArgumentError for other
    values, and without a path.
    """
    from tcpstates.collect.saved.source import SavedFiles
    from tcpstates.parse.saved.layouts import FORMATS

    if not paths:
        raise ArgumentError("no file: name at least one, or - for standard input")
    if snapshot is not None and snapshot < 1:
        raise ArgumentError(f"invalid snapshot {snapshot}; snapshots count from 1")
    if format is not None:
        chosen("format", format, FORMATS)
    chosen("byte order", byte_order, ("little", "big"))
    files = SavedFiles(paths, format, byte_order, snapshot)
    return SavedListing(files, is_held=True)


def _listing(
    arguments: str | Sequence[str], request: Request, origin: Origin
) -> Listing:
    texts = [arguments] if isinstance(arguments, str) else list(arguments)
    return list_sockets(request, origin, select(texts, origin, request))


def _counts(tally: Tally, source: str, limitations: Sequence[Limitation]) -> Counts:
    is_one = len(tally.columns) == 1
    items = tally.counts.items()
    counts = Counts({(key[0] if is_one else key): number for key, number in items})
    counts.source, counts.limitations = source, tuple(limitations)
    return counts


def records(batch: Batch, names: Names) -> Iterator[Socket]:
    """Yield a batch's sockets as records."""
    columns = []
    for field in FIELDS:
        values = field_values(field, batch, names)
        if values is None:
            values = [None] * len(batch)
        elif field.kind is TIMER:
            values = [None if value is None else Timer(*value) for value in values]
        columns.append(values)
    return map(Socket._make, zip(*columns, strict=True))
