"""Stream a listing as JSON; the keys are a contract (schema 1).

Rows are built by formatting whole columns, as in `plain`, because `json.dumps` of one
dictionary per row takes five times as long. The text is always ASCII, whatever the
names contain, so it is the same in every locale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from tcpstates.batch import Batch
from tcpstates.columns.records import field_values, named_values
from tcpstates.fields import (
    COUNTERS,
    NUMBER,
    PROCESSES,
    SIDES,
    TEXT,
    TIMER,
    TRUTH,
    Field,
    InfoColumn,
    Kind,
)
from tcpstates.model import Listing, Names, Owner
from tcpstates.text import decode_name, texts_of_objects

SCHEMA = 1


def string(value: str | None) -> str:
    """Encode a text as JSON."""
    return "null" if value is None else encode_basestring_ascii(value)


def scalar(value: int | None) -> str:
    """Encode a number as JSON."""
    return "null" if value is None else str(value)


def _texts(values: Sequence[Any]) -> Sequence[Any]:
    """Encode texts of which a batch has few different ones."""
    encoded = {value: string(value) for value in set(values)}
    return list(map(encoded.__getitem__, values))


def _numbers(values: Sequence[Any]) -> Sequence[Any]:
    return ["null" if n is None else n for n in values] if None in values else values


def _truths(values: Sequence[Any]) -> Sequence[Any]:
    return list(map({None: "null", True: "true", False: "false"}.__getitem__, values))


def _timers(values: Sequence[Any]) -> Sequence[Any]:
    return ["null" if value is None else _timer(*value) for value in values]


def _timer(kind: str, ms: int | None, retransmits: int | None) -> str:
    return (
        f'{{"kind": {string(kind)}, "expires_ms": {scalar(ms)},'
        f' "retransmits": {scalar(retransmits)}}}'
    )


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
        f'{{"pid": {scalar(pid)}, {_name_fields(name)}, "fd": {scalar(fd)}}}'
        for pid, name, fd in owners
    )


def _processes(values: Sequence[Any]) -> Sequence[Any]:
    return ["null" if found is None else f"[{_owners(found)}]" for found in values]


def _objects(values: Sequence[Any]) -> Sequence[Any]:
    return texts_of_objects(counters, values)


def counters(value: Mapping[str, int] | None) -> str:
    """Encode numbers by name."""
    if value is None:
        return "null"
    return "{" + ", ".join(f'"{key}": {number}' for key, number in value.items()) + "}"


def _sides(values: Sequence[Any]) -> Sequence[Any]:
    """Encode which addresses of saved listings were cut off; live ones never are."""
    return [
        "null" if not sides else f"[{', '.join(map(string, sides))}]"
        for sides in values
    ]


_ENCODERS: dict[Kind, Callable[[Sequence[Any]], Sequence[Any]]] = {
    TEXT: _texts,
    NUMBER: _numbers,
    TRUTH: _truths,
    TIMER: _timers,
    PROCESSES: _processes,
    COUNTERS: _objects,
    SIDES: _sides,
}


Encoded = tuple[str, list[Sequence[Any]]]  # a template for `%`, and its columns


def _encoded(field: Field, batch: Batch, names: Names) -> Encoded:
    """Encode a field of each socket."""
    if field.column == "info":
        fields = batch.info_columns()
        if fields is not None:
            return _info(batch, fields)
    named = named_values(field, batch, names)
    if named is not None:  # each name is encoded once
        numbers, texts = named
        encoded = {number: string(text) for number, text in texts.items()}
        return _column(list(map(encoded.__getitem__, numbers)))
    values = field_values(field, batch, names)
    return ("null", []) if values is None else _column(_ENCODERS[field.kind](values))


def _column(values: Sequence[Any], label: str = "", end: str = "") -> Encoded:
    """Make the template of a column: many a column has one value in a whole batch.

    Finding that out takes 4 ns per socket, formatting a value 60 ns.
    """
    first = values[0]
    if first == values[-1] and values.count(first) == len(values):
        return f"{label}{first}{end}".replace("%", "%%"), []
    return f"{label}%s{end}", [values]


def _info(batch: Batch, fields: Sequence[InfoColumn]) -> Encoded:
    """Encode tcp_info without a dictionary per socket, which would take 15 us.

    A field that has no limit is left out. The last field always has a value.
    """
    if not fields:
        return "null", []
    template, columns = "", []
    for column in fields:
        values = batch.column(column)
        label = f'"{column.removeprefix("info.")}": '
        if None in values:
            texts = ["" if n is None else f"{label}{n}, " for n in values]
            text, varied = _column(texts)
        else:
            text, varied = _column(values, label, ", ")
        template += text
        columns += varied
    return "{" + template.removesuffix(", ") + "}", columns


def row_maker(fields: Sequence[Field], names: Names) -> Callable[[Batch], list[str]]:
    """Return a function that makes each socket of a batch a JSON object."""

    def rows(batch: Batch) -> list[str]:
        if not len(batch):
            return []
        parts: list[str] = []
        columns: list[Sequence[Any]] = []
        for field in fields:
            template, values = _encoded(field, batch, names)
            parts.append(f'"{field.name}": {template}')
            columns += values
        row = "{" + ", ".join(parts) + "}"
        if not columns:
            return [row % ()] * len(batch)
        return list(map(row.__mod__, zip(*columns, strict=True)))

    return rows


def joined_objects(rows: Sequence[str]) -> str:
    """Join objects to a part of an array, one line each."""
    return ",\n    ".join(rows)


def joined_lines(rows: Sequence[str]) -> str:
    """Join objects to lines, for JSONL."""
    return "\n".join(rows) + "\n" if rows else ""


def render_json(listing: Listing, portions: Iterable[str]) -> Iterator[str]:
    """Yield one JSON object; limitations come last.

    `portions` are the sockets, from `joined_objects`.
    """
    yield opening(listing) + '  "sockets": ['
    separator = "\n    "
    for objects in filter(None, portions):
        yield separator + objects
        separator = ",\n    "
    yield "\n  ],\n" + limitations(listing) + "}\n"


def iso(seconds: float) -> str:
    """Format a time of the clock as UTC, in milliseconds."""
    at = datetime.fromtimestamp(seconds, timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def opening(listing: Listing) -> str:
    """Encode the first members of every document."""
    return (
        f'{{\n  "schema": {SCHEMA},\n  "source": {string(listing.source)},\n'
        f'  "taken_at": {string(iso(listing.taken_at))},\n'
        f'  "filter": {string(listing.filter)},\n'
        f'  "boot_id": {string(listing.boot_id)},\n'
    )


def limitations(listing: Listing) -> str:
    """Encode the last member of every document."""
    found = ", ".join(
        f'{{"kind": {string(limit.kind)}, "text": {string(limit.text)}}}'
        for limit in listing.limitations
    )
    return f'  "limitations": [{found}]\n'
