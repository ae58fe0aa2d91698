"""Write batches of sockets as JSON, a line each; see `received` for the other end.

Columns cost a tenth of what rows cost, and a host may have a million sockets. A column
in which all values are equal is sent as that value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tcpstates.fields import ColumnName
from tcpstates.model import Names, Owner

if TYPE_CHECKING:
    from tcpstates.batch import Batch

BEGIN = '{"batch": '
SAME = "same"  # the name of the only member, where all values are equal
# The columns that are sent as they are.
_PLAIN: tuple[ColumnName, ...] = (
    *("raw_state", "local_address", "local_port", "remote_address", "remote_port"),
    *("recv_q", "send_q", "uid", "inode", "cookie", "timer", "timer_ms"),
    *("retransmits", "mark", "v6only", "shutdown", "congestion", "info"),
    *("congestion_info", "ulp", "ulp_info", "memory", "netns", "netns_id"),
    *("container", "pod", "unit", "no_process_reason"),
)
REQUIRED = _PLAIN[:5]
SENT = frozenset((*_PLAIN, "user_name", "interface_name", "cgroup_name", "processes"))


def batch_to_json(batch: Batch, names: Names) -> dict[str, Any]:
    """Encode a batch; users, interfaces and cgroups by name, as only that host can."""
    columns: dict[str, Any] = {}
    for name in _PLAIN:
        values = batch.get(name)
        if values is not None:
            columns[name] = _packed(values)
    for name, numbers, find in _named(names):
        reported = batch.get(name)
        if reported is None:
            found = batch.get(numbers)
            texts = {n: None if n is None else find(n) for n in set(found or ())}
            reported = None if found is None else [texts[n] for n in found]
        if reported is not None:
            columns[name] = _packed(reported)
    owners = batch.get("processes")
    if owners is not None:
        columns["processes"] = [
            None if each is None else owners_to_json(each) for each in owners
        ]
    return {
        "protocol": batch.protocol,
        "family": batch.family,
        "count": len(batch),
        "columns": columns,
    }


def _named(
    names: Names,
) -> Iterable[tuple[ColumnName, ColumnName, Callable[[int], str | None]]]:
    yield "user_name", "uid", names.user
    yield "interface_name", "interface_index", names.interface
    yield "cgroup_name", "cgroup_id", names.cgroup


def _packed(values: Sequence[Any]) -> Any:
    first = values[0] if len(values) else None
    is_same = not isinstance(first, dict) and values.count(first) == len(values)
    return {SAME: first} if is_same else list(values)


def owners_to_json(owners: Iterable[Owner]) -> list[Any]:
    """Encode the owners of a socket; see `checks.owners`."""
    return [[owner.pid, to_hex(owner.name), owner.fd] for owner in owners]


def to_hex(name: bytes | None) -> str | None:
    """Encode a name, which can be any bytes."""
    return None if name is None else name.hex()
