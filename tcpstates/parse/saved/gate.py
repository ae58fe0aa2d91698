"""Validate the rows of saved listings: the only path for untrusted text.

Rows of every layout are validated here: each field has its type, numbers fit into 64
bits, ports are in range, addresses contain only characters of addresses and host names,
and state names are short and printable. A row that fails is reported with its line
number.

Each check takes a whole column, which costs 0.3 us per row of a plain listing. Rows are
checked one by one only if the check of their column fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from string import ascii_letters, digits
from typing import Any

from tcpstates.fields import ColumnName
from tcpstates.late_pattern import late
from tcpstates.model import FAMILIES, Owner
from tcpstates.parse.saved.rows import FIXED, MALFORMED, Row
from tcpstates.protocols import PROTOCOLS

LONGEST_ADDRESS = 253  # characters of a host name (RFC 1035, 2.3.4)
LONGEST_WORD = 64  # of the name of a state, a timer, a service
LONGEST_NAME = 4096  # of a user, a program, a cgroup path (PATH_MAX)
_LAST_PORT = 65_535
_LAST_NUMBER = (1 << 64) - 1
_OF_ADDRESSES = (ascii_letters + digits + "_.:*-").encode()  # "*" is any address
_KEY = late(r"[a-z0-9_]{1,40}")  # of tcp_info and memory, in JSON output
_MOST_KEYS = 200
_TIMES = frozenset({"last_sent_ms", "last_received_ms", "last_ack_ms"})
_OF_ONE_BYTE = ("retransmits", "probes", "backoff")
_SIDES = frozenset({"local_address", "remote_address"})

Column = Sequence[Any]
Check = Callable[[Column], bool]


def _texts(values: Column) -> set[Any] | None:
    """Return the distinct texts; None if a value is not a text."""
    different = set(values)
    different.discard(None)
    return different if all(type(value) is str for value in different) else None


def _addresses(values: Column) -> bool:
    texts = _texts(values)
    if texts is None or None in values or "" in texts:
        return False
    joined = "".join(texts)
    return (
        joined.isascii()
        and not joined.encode().translate(None, _OF_ADDRESSES)
        and max(map(len, texts)) <= LONGEST_ADDRESS
        # Such a text could be taken for an option; no host name begins so (RFC 952).
        and not any(text.startswith("-") for text in texts)
    )


def _valid_labels(values: Column) -> bool:
    """Check that texts are short and printable; bytes that are not UTF-8 may occur."""
    texts = _texts(values)
    return texts is not None and all(
        len(text) <= LONGEST_WORD
        and all(c.isprintable() or "\udc80" <= c <= "\udcff" for c in text)
        for text in texts
    )


def _names(values: Column) -> bool:
    """Check the length of names; the kernel allows any character in them."""
    texts = _texts(values)
    return texts is not None and all(len(text) <= LONGEST_NAME for text in texts)


def _integers(most: int) -> Check:
    def check(values: Column) -> bool:
        # True equals 1, so types are checked before values.
        if not set(map(type, values)) <= {int, type(None)}:
            return False
        different = set(values)
        different.discard(None)
        return not different or (min(different) >= 0 and max(different) <= most)

    return check


_numbers, _ports = _integers(_LAST_NUMBER), _integers(_LAST_PORT)
_ids, _bytes, _bits = _integers((1 << 32) - 1), _integers(255), _integers(3)


def _truths(values: Column) -> bool:
    return set(map(type, values)) <= {bool, type(None)}


def _counters(values: Column) -> bool:
    """Check that the values are dictionaries of numbers, like tcp_info."""
    return all(value is None or _are_counters(value) for value in values)


def _are_counters(value: Any) -> bool:
    if type(value) is not dict or len(value) > _MOST_KEYS:
        return False
    names, numbers = _texts(list(value)), list(value.values())
    is_named = names is not None and all(map(_KEY.fullmatch, names))
    return is_named and None not in numbers and _numbers(numbers)


def _infos(values: Column) -> bool:
    """Check that the values have the form of tcp_info that ages and rules rely on.

    The kernel reports either all three times or none. Counters of one byte are limited,
    because they are used as exponents.
    """
    found = [value for value in values if value is not None]
    return _counters(found) and all(
        len(_TIMES & value.keys()) in (0, len(_TIMES))
        and _bytes([value.get(name) for name in _OF_ONE_BYTE])
        for value in found
    )


def _sides(values: Column) -> bool:
    return all(
        value is None or (type(value) is tuple and _SIDES.issuperset(value))
        for value in values
    )


def _owners(values: Column) -> bool:
    given = [value for value in values if value is not None]
    if not set(map(type, given)) <= {tuple}:
        return False
    owners = list(chain.from_iterable(given))
    if not owners:
        return True
    if set(map(type, owners)) != {Owner}:
        return False
    pids, names, descriptors = zip(*owners, strict=True)
    # A process has a pid or a name; the first check takes all of them at once.
    are_known = None not in pids or all(
        pid is not None or name for pid, name in zip(pids, names, strict=True)
    )
    return are_known and are_owners(pids, names, descriptors)


def are_owners(pids: Column, names: Column, descriptors: Column) -> bool:
    """Check the parts of owners by themselves; None is valid."""
    different = set(names)
    different.discard(None)
    are_names = all(type(n) is bytes and len(n) <= LONGEST_NAME for n in different)
    return are_names and _ids(pids) and _ids(descriptors)


_CHECKS: dict[ColumnName, Check] = {
    "raw_state": _valid_labels,
    "local_address": _addresses,
    "local_port": _ports,
    "remote_address": _addresses,
    "remote_port": _ports,
    "recv_q": _numbers,
    "send_q": _numbers,
    # What only some listings have.
    "state_label": _valid_labels,
    "uid": _ids,
    "user_name": _names,
    "inode": _numbers,
    "cookie": _numbers,
    "interface_name": _names,
    "cgroup_name": _names,
    "host": _names,
    "netns": _names,
    "netns_id": _numbers,
    "container": _names,
    "pod": _names,
    "unit": _names,
    "local_service": _valid_labels,
    "remote_service": _valid_labels,
    "timer": _valid_labels,
    "timer_ms": _numbers,
    "retransmits": _bytes,
    "mark": _ids,
    "v6only": _truths,
    "shutdown": _bits,
    "congestion": _valid_labels,
    "info": _infos,
    "congestion_info": _counters,
    "ulp": _valid_labels,
    "ulp_info": _counters,
    "memory": _counters,
    "pid": _ids,
    "processes": _owners,
    "no_process_reason": _valid_labels,
    "truncated": _sides,
}


def refused(rows: Sequence[Row]) -> list[int]:
    """Return the indexes of the rows that fail validation."""
    if not rows or _pass(rows):
        return []
    return [
        place for place, row in enumerate(rows) if row is MALFORMED or not _pass((row,))
    ]


def _pass(rows: Sequence[Row]) -> bool:
    """Check whether all rows are valid."""
    protocols, families, *fixed, more, _ = zip(*rows, strict=True)
    named: dict[ColumnName, list[Any]] = {}
    for each in filter(None, more):
        for name, value in each.items():
            named.setdefault(name, []).append(value)
    return (
        _is_subset(protocols, PROTOCOLS)
        and _is_subset(families, FAMILIES)
        and are_valid(dict(zip(FIXED, fixed, strict=True)))
        and are_valid(named)
    )


def _is_subset(values: Column, known: Collection[str]) -> bool:
    try:
        return set(values) <= set(known)
    except TypeError:  # a list or a dictionary where a text is expected
        return False


def are_valid(columns: Mapping[ColumnName, Column]) -> bool:
    """Check the columns of some rows; a column without a check is not valid."""
    try:
        return all(
            (check := _CHECKS.get(name)) is not None and check(values)
            for name, values in columns.items()
        )
    except TypeError:  # as above
        return False
