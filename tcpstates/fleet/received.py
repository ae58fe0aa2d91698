"""Read the batches of sockets that another host has sent; see `batches`.

Every column passes the `gate` of saved rows, and addresses have to be addresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any

from tcpstates.batch import ColumnBatch
from tcpstates.fields import ColumnName
from tcpstates.fleet.batches import REQUIRED, SAME, SENT
from tcpstates.fleet.checks import (
    BadAnswer,
    items,
    member,
    number,
    owners,
)
from tcpstates.model import FAMILIES
from tcpstates.parse.saved.gate import are_valid
from tcpstates.parse.saved.rows import label_columns
from tcpstates.protocols import PROTOCOLS

_MOST = 100_000  # sockets of a batch


def batch_from_json(data: Any) -> ColumnBatch:
    """Decode a batch; raise BadAnswer for one that a kernel could not have sent."""
    protocol, family = member(data, "protocol"), member(data, "family")
    count = number(member(data, "count"))
    is_known = type(protocol) is type(family) is str
    if not is_known or protocol not in PROTOCOLS or family not in FAMILIES:
        raise BadAnswer("batch")
    if count > _MOST:
        raise BadAnswer("batch")
    columns = {
        name: _column(name, value, count)
        for name, value in items(member(data, "columns"))
    }
    is_whole = SENT >= columns.keys() >= set(REQUIRED)
    if not (is_whole and are_valid(columns)):  # type: ignore[arg-type]
        raise BadAnswer("columns")
    _check_addresses(columns, family)
    processes = columns.get("processes", [None] * count)
    known: Mapping[ColumnName, Any] = {
        **label_columns(protocol, columns["raw_state"], processes),
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
        return [None if each is None else owners(each) for each in values]
    return values


def _check_addresses(columns: Mapping[str, Sequence[Any]], family: str) -> None:
    """Raise BadAnswer for what is no address of that family, such as a host name."""
    kind = AF_INET6 if family == "ipv6" else AF_INET
    for side in ("local_address", "remote_address"):
        for text in set(columns[side]):
            try:
                inet_pton(kind, text)
            except (OSError, ValueError, TypeError) as error:
                raise BadAnswer(side) from error
