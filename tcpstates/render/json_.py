"""Stream a listing as JSON; the keys are a contract (schema 1).

Rows are built by formatting whole columns, as in `plain`, because `json.dumps` of one
dictionary per row takes five times as long. The text is always ASCII, whatever the
names contain, so it is the same in every locale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from tcpstates.columns import times as time_cells
from tcpstates.model import Batch, Listing, Names, Owner
from tcpstates.text import decode_name

SCHEMA = 1


def string(value: str | None) -> str:
    """Encode a text as JSON."""
    return "null" if value is None else encode_basestring_ascii(value)


def scalar(value: int | None) -> str:
    """Encode a number as JSON."""
    return "null" if value is None else str(value)


def _truths(name: str) -> Callable[[Batch, Names], Sequence[str] | None]:
    """Make a filler for a column of booleans."""
    words = {None: "null", True: "true", False: "false"}

    def fill(batch: Batch, names: Names) -> Sequence[str] | None:
        values = batch.known(name)
        return None if values is None else list(map(words.__getitem__, values))

    return fill


def _numbers(name: str) -> Callable[[Batch, Names], Sequence[Any] | None]:
    """Make a filler for a column of numbers; None: the column is unknown."""

    def fill(batch: Batch, names: Names) -> Sequence[Any] | None:
        values = batch.known(name)
        if values is None:
            return None
        return list(map(scalar, values)) if None in values else values

    return fill


def _numbers_of(
    fill: Callable[[Batch, Names], Sequence[Any]],
) -> Callable[[Batch, Names], Sequence[Any]]:
    """Make a filler for a column of numbers that is computed, not reported."""
    return lambda batch, names: list(map(scalar, fill(batch, names)))


def _strings(name: str) -> Callable[[Batch, Names], Sequence[str] | None]:
    """Make a filler for a column with few distinct texts."""

    def fill(batch: Batch, names: Names) -> Sequence[str] | None:
        values = batch.known(name)
        if values is None:
            return None
        encoded = {value: string(value) for value in set(values)}
        return list(map(encoded.__getitem__, values))

    return fill


def _named(
    name: str, told: str, find: Callable[[Names, int], str | None]
) -> Callable[[Batch, Names], Sequence[str] | None]:
    """Make a filler for names of numbers; a saved listing may contain the names."""

    def fill(batch: Batch, names: Names) -> Sequence[str] | None:
        if batch.known(told) is not None:
            return list(map(string, batch.column(told)))
        values = batch.known(name)
        if values is None:
            return None
        encoded = {
            value: "null" if value is None else string(find(names, value))
            for value in set(values)
        }
        return list(map(encoded.__getitem__, values))

    return fill


def _backlog(queue: str) -> Callable[[Batch, Names], Sequence[Any] | None]:
    """Make a filler for a queue as the backlog of LISTEN sockets, null for others."""

    def fill(batch: Batch, names: Names) -> Sequence[Any] | None:
        words = batch.column("state_label")
        values = batch.known(queue)
        if values is None or "LISTEN" not in words:
            return None
        return [
            scalar(value) if word == "LISTEN" else "null"
            for word, value in zip(words, values, strict=True)
        ]

    return fill


def _timers(batch: Batch, names: Names) -> Sequence[str] | None:
    kinds = batch.known("timer")
    if kinds is None:
        return None
    times, counts = batch.column("timer_ms"), batch.column("retransmits")
    return [
        "null"
        if kind in ("off", None)
        else f'{{"kind": {string(kind)}, "expires_ms": {scalar(ms)},'
        f' "retransmits": {scalar(count)}}}'
        for kind, ms, count in zip(kinds, times, counts, strict=True)
    ]


@lru_cache(maxsize=4096)
def _name_fields(name: bytes | None) -> str:
    """Encode a process name; if it is not UTF-8, also in hexadecimal digits."""
    if name is None:
        return '"name": null, "name_raw": null'
    text = name.decode("utf-8", "backslashreplace")
    lossless = decode_name(name) == text
    raw = None if lossless else name.hex()
    return f'"name": {string(text)}, "name_raw": {string(raw)}'


def _owners(owners: Sequence[Owner]) -> str:
    return ", ".join(
        f'{{"pid": {pid}, {_name_fields(name)}, "fd": {scalar(fd)}}}'
        for pid, name, fd in owners
    )


def _processes(batch: Batch, names: Names) -> Sequence[str] | None:
    values = batch.known("processes")
    if values is None:
        return None
    return ["null" if found is None else f"[{_owners(found)}]" for found in values]


def _objects(name: str) -> Callable[[Batch, Names], Sequence[str] | None]:
    """Make a filler for a column of dictionaries of numbers."""

    def fill(batch: Batch, names: Names) -> Sequence[str] | None:
        values = batch.known(name)
        if values is None:
            return None
        return ["null" if v is None else _object(v) for v in values]

    return fill


def _object(value: dict[str, int]) -> str:
    return "{" + ", ".join(f'"{key}": {number}' for key, number in value.items()) + "}"


def _truncated(batch: Batch, names: Names) -> Sequence[str] | None:
    """Encode which addresses of saved listings were cut off; live ones never are."""
    values = batch.known("truncated")
    if values is None:
        return None
    return [
        "null" if not sides else f"[{', '.join(string(side) for side in sides)}]"
        for sides in values
    ]


# Key and filler, in the order of the output. A filler returns None for a column that
# is all nulls. The schema may grow; nothing in it changes or is removed.
_FIELDS: tuple[tuple[str, Callable[[Batch, Names], Sequence[Any] | None]], ...] = (
    ("protocol", lambda b, _: [f'"{b.protocol}"'] * len(b)),
    ("family", lambda b, _: [f'"{b.family}"'] * len(b)),
    ("state", _strings("state")),
    ("raw_state", _strings("raw_state")),
    ("local_address", _strings("local_address")),
    ("local_port", _numbers("local_port")),
    ("remote_address", _strings("remote_address")),
    ("remote_port", _numbers("remote_port")),
    ("recv_q", _numbers("recv_q")),
    ("send_q", _numbers("send_q")),
    ("backlog", _backlog("recv_q")),
    ("backlog_limit", _backlog("send_q")),
    ("uid", _numbers("uid")),
    ("user", _named("uid", "user_name", lambda names, uid: names.user(uid))),
    ("inode", _numbers("inode")),
    ("cookie", _numbers("cookie")),
    (
        "interface",
        _named(
            "interface_index", "interface_name", lambda names, i: names.interface(i)
        ),
    ),
    ("timer", _timers),
    ("processes", _processes),
    ("no_process_reason", _strings("no_process_reason")),
    ("truncated", _truncated),
)
_TIME_FIELDS = (
    ("age_ms", _numbers_of(time_cells.age_min)),
    ("age_max_ms", _numbers_of(time_cells.age_max)),
    ("idle_ms", _numbers_of(time_cells.idle)),
)
_EXTENDED_FIELDS = (
    ("mark", _numbers("mark")),
    (
        "cgroup",
        _named("cgroup_id", "cgroup_name", lambda names, number: names.cgroup(number)),
    ),
    ("v6only", _truths("v6only")),
    ("shutdown", _numbers("shutdown")),
)
_INFO_FIELDS = (("congestion", _strings("congestion")), ("info", _objects("info")))
_MEMORY_FIELDS = (("memory", _objects("memory")),)


def row_maker(
    names: Names, *, times: bool, extended: bool, info: bool, memory: bool
) -> Callable[[Batch], list[str]]:
    """Make a function that turns each socket of a batch into an object."""
    fields = list(_FIELDS)
    fields += _TIME_FIELDS if times else ()
    fields += _EXTENDED_FIELDS if extended else ()
    fields += _INFO_FIELDS if info else ()
    fields += _MEMORY_FIELDS if memory else ()

    def rows(batch: Batch) -> list[str]:
        parts, columns = [], []
        for key, fill in fields:
            values = fill(batch, names)
            if values is None:
                parts.append(f'"{key}": null')
            else:
                parts.append(f'"{key}": %s')
                columns.append(values)
        row = "{" + ", ".join(parts) + "}"
        return list(map(row.__mod__, zip(*columns, strict=True)))

    return rows


def render_json(listing: Listing, portions: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield one JSON object, one line per socket; limitations come last."""
    yield opening(listing) + '  "sockets": ['
    separator = "\n    "
    for rows in portions:
        if rows:
            yield separator + ",\n    ".join(rows)
            separator = ",\n    "
    yield "\n  ],\n" + limitations(listing) + "}\n"


def render_jsonl(portions: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield one JSON object per line."""
    for rows in portions:
        if rows:
            yield "\n".join(rows) + "\n"


def opening(listing: Listing) -> str:
    """Encode the first members of every document."""
    taken_at = datetime.fromtimestamp(listing.taken_at, timezone.utc)
    text = taken_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return (
        f'{{\n  "schema": {SCHEMA},\n  "source": {string(listing.source)},\n'
        f'  "taken_at": {string(text)},\n  "filter": {string(listing.filter)},\n'
    )


def limitations(listing: Listing) -> str:
    """Encode the last member of every document."""
    found = ", ".join(
        f'{{"kind": {string(limit.kind)}, "text": {string(limit.text)}}}'
        for limit in listing.limitations
    )
    return f'  "limitations": [{found}]\n'
