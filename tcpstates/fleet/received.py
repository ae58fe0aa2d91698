"""Read the batches of sockets that another host has sent; see `batches`.

Every column passes the `gate` of saved rows, and addresses have to be addresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any

from tcpstates.batch import ColumnBatch
from tcpstates.fields import ColumnName
from tcpstates.fleet.batches import REQUIRED, SAME
from tcpstates.fleet.checks import (
    BadAnswer,
    items,
    listed,
    member,
    number,
    optional,
    packed,
)
from tcpstates.model import FAMILIES, Owner
from tcpstates.parse.saved.gate import are_valid
from tcpstates.parse.saved.rows import label_columns
from tcpstates.protocols import PROTOCOLS

_MOST = 100_000  # sockets of a batch


def batch_from_json(told: Any) -> ColumnBatch:
    """Decode a batch; raise BadAnswer for one that a kernel could not have sent."""
    protocol, family = member(told, "protocol"), member(told, "family")
    count = number(member(told, "count"))
    is_known = type(protocol) is type(family) is str
    if not is_known or protocol not in PROTOCOLS or family not in FAMILIES:
        raise BadAnswer("batch")
    if count > _MOST:
        raise BadAnswer("batch")
    columns = {
        name: _column(name, value, count)
        for name, value in items(member(told, "columns"))
    }
    if not (columns.keys() >= set(REQUIRED) and are_valid(columns)):  # type: ignore[arg-type]
        raise BadAnswer("columns")
    _check_addresses(columns, family)
    owners = columns.get("processes", [None] * count)
    known: Mapping[ColumnName, Any] = {
        **label_columns(protocol, columns["raw_state"], owners),
        **columns,  # type: ignore[dict-item]
    }
    return ColumnBatch(protocol, family, count, known)


def _column(name: str, value: Any, count: int) -> Sequence[Any]:
    if type(value) is dict:
        return [member(value, SAME)] * count
    values = value if type(value) is list else []
    if len(values) != count:
        raise BadAnswer(name)
    if name == "processes":
        return [None if each is None else _owners(each) for each in values]
    return values


def _owners(told: Any) -> tuple[Owner, ...]:
    count, name = optional(number), optional(packed)
    found = (listed(each, 3) for each in listed(told))
    return tuple(Owner(count(p), name(n), count(fd)) for p, n, fd in found)


def _check_addresses(columns: Mapping[str, Sequence[Any]], family: str) -> None:
    """Raise BadAnswer for what is no address of that family, such as a host name."""
    kind = AF_INET6 if family == "ipv6" else AF_INET
    for side in ("local_address", "remote_address"):
        for text in set(columns[side]):
            try:
                inet_pton(kind, text)
            except (OSError, ValueError, TypeError) as error:
                raise BadAnswer(side) from error
