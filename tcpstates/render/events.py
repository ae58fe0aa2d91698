"""Events as JSON, one object per line; the keys are a contract (schema 1).

An event of a socket has the keys of the event and then those of the socket, as in a
listing. Other objects tell how it is read, what was skipped, and what was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tcpstates.batch import Batch
from tcpstates.changes.model import Events, Resync
from tcpstates.fields import fields_shown
from tcpstates.model import Names
from tcpstates.render.json_ import SCHEMA, counters, iso, row_maker, scalar, string


def _line(told: Mapping[str, Any]) -> str:
    import json

    return json.dumps(told) + "\n"


RowMaker = Callable[[Batch], list[str]]


def event_rows(
    names: Names,
    *,
    times: bool = False,
    info: bool = False,
    memory: bool = False,
    places: bool = False,
    hosts: bool = False,
) -> RowMaker:
    """Return what encodes the sockets of events: what identifies them is included."""
    fields = fields_shown(
        times=times, extended=True, info=info, memory=memory, places=places, hosts=hosts
    )
    return row_maker(fields, names)


def start_object(
    time: float,
    *,
    source: str,
    reader: str,
    interval: float,
    filter_text: str | None,
    boot_id: str | None,
) -> str:
    """Encode the first line; `interval` is in seconds."""
    told = {
        "event": "start",
        "schema": SCHEMA,
        "time": iso(time),
        "source": source,
        "reader": reader,
        "interval_s": interval,
        "filter": filter_text,
        "boot_id": boot_id,
    }
    return _line(told)


def skipped_object(time: float, rounds: int) -> str:
    """Encode that rounds were skipped, because one took too long."""
    return _line({"event": "skipped", "time": iso(time), "rounds": rounds})


def event_objects(happened: Events | Resync, make: RowMaker) -> Iterator[str]:
    """Yield events as lines; `make` encodes the sockets of a batch as objects."""
    if isinstance(happened, Resync):
        told = {
            "event": "resync",
            "time": iso(happened.time),
            "monotonic": round(happened.monotonic, 6),
            "reason": happened.reason,
            "lost": happened.lost,
        }
        yield _line(told)
        return
    rows = zip(
        happened.kinds,
        happened.times,
        happened.monotonic,
        happened.old,
        happened.new,
        happened.former_ms,
        happened.former_kind,
        happened.traffic,
        happened.causes or [None] * len(happened),
        make(happened.batch),
        strict=True,
    )
    missed = "true" if happened.was_missed else "false"
    for event, time, monotonic, old, new, ms, kind, traffic, cause, row in rows:
        yield (
            f'{{"event": "{event}", "time": "{iso(time)}",'
            f' "monotonic": {monotonic:.6f}, "from": {string(old)},'
            f' "to": {string(new)}, "former_ms": {scalar(ms)},'
            f' "former_kind": {string(None if kind is None else str(kind))},'
            f' "missed": {missed}, "cause": {string(cause)},'
            f' "traffic": {counters(traffic)}, {row[1:]}\n'
        )
