"""The values of a record's fields, for the API and for JSON: see `fields.FIELDS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tcpstates.batch import Batch
from tcpstates.columns import times
from tcpstates.columns.saved_values import reported_users
from tcpstates.fields import Field
from tcpstates.model import Names

Maker = Callable[[Batch, Names], Sequence[Any] | None]


def field_values(field: Field, batch: Batch, names: Names) -> Sequence[Any] | None:
    """One value per socket; None: every value is None."""
    make = _MADE.get(field.name)
    if make is not None:
        return make(batch, names)
    if field.named is not None:
        named = named_values(field, batch, names)
        if named is None and field.named == "user_name":
            return reported_users(batch, names)
        if named is None:
            return batch.get(field.named)
        numbers, texts = named
        return list(map(texts.__getitem__, numbers))
    return None if field.column is None else batch.get(field.column)


def named_values(
    field: Field, batch: Batch, names: Names
) -> tuple[Sequence[int | None], dict[int | None, str | None]] | None:
    """The numbers of a field, and the name of each distinct one.

    None: the field has no numbers here, but maybe names, in the column `field.named`.
    """
    if field.named is None or field.column is None:
        return None
    numbers = batch.get(field.column)
    if numbers is None or batch.get(field.named) is not None:
        return None
    find = _LOOKUPS[field.name]
    return numbers, {n: None if n is None else find(names, n) for n in set(numbers)}


def _backlog(batch: Batch, names: Names) -> Sequence[Any] | None:
    return _of_listeners(batch, batch.get("recv_q"))


def _backlog_limit(batch: Batch, names: Names) -> Sequence[Any] | None:
    return _of_listeners(batch, batch.get("send_q"))


def _of_listeners(batch: Batch, queue: Sequence[Any] | None) -> Sequence[Any] | None:
    """What the number of a queue means for LISTEN sockets, None for others."""
    labels = batch.column("state_label")
    if queue is None or "LISTEN" not in labels:
        return None
    pairs = zip(labels, queue, strict=True)
    return [value if label == "LISTEN" else None for label, value in pairs]


_NO_TIMER = frozenset({"off", None})


def _timer(batch: Batch, names: Names) -> Sequence[Any] | None:
    """Kind, milliseconds and retransmissions of each timer that runs."""
    kinds = batch.get("timer")
    if kinds is None or _NO_TIMER.issuperset(kinds):
        return None
    rows = zip(
        kinds, batch.column("timer_ms"), batch.column("retransmits"), strict=True
    )
    return [None if row[0] in _NO_TIMER else row for row in rows]


_MADE: dict[str, Maker] = {
    "protocol": lambda batch, names: [batch.protocol] * len(batch),
    "family": lambda batch, names: [batch.family] * len(batch),
    "backlog": _backlog,
    "backlog_limit": _backlog_limit,
    "timer": _timer,
    "age_ms": times.age_min,
    "age_max_ms": times.age_max,
    "idle_ms": times.idle,
}
_LOOKUPS: dict[str, Callable[[Names, int], str | None]] = {
    "user": lambda names, number: names.user(number),
    "interface": lambda names, number: names.interface(number),
    "cgroup": lambda names, number: names.cgroup(number),
}
