"""Check what another host has answered: the only path for its JSON.

Each value has its type, numbers fit into 64 bits, and texts are short. Every function
raises BadAnswer for anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tcpstates.model import Owner

T = TypeVar("T")
LAST_NUMBER = (1 << 64) - 1
_LONGEST = 4096  # characters of a text
_MOST = 200_000  # entries of a list


class BadAnswer(Exception):
    """An answer that does not have the expected form."""


def optional(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Return what reads a value that may be null."""
    return lambda data: None if data is None else read(data)


def member(data: Any, name: str) -> Any:
    """Return a member of an object."""
    if type(data) is not dict or name not in data:
        raise BadAnswer(name)
    return data[name]


def items(data: Any) -> Sequence[tuple[str, Any]]:
    """Return the members of an object."""
    if type(data) is not dict or len(data) > _MOST:
        raise BadAnswer("object")
    return list(data.items())


def by_number(data: Any, name: str, read: Callable[[Any], T]) -> dict[int, T]:
    """Read a member whose own members are named by numbers."""
    found = {}
    for key, value in items(member(data, name)):
        if not (key.isascii() and key.isdecimal() and len(key) < 21):
            raise BadAnswer(name)
        found[int(key)] = read(value)
    return found


def text(data: Any) -> str:
    """Return a text."""
    if type(data) is not str or len(data) > _LONGEST:
        raise BadAnswer("text")
    return data


def number(data: Any, least: int = 0) -> int:
    """Return a whole number."""
    if type(data) is not int or not least <= data <= LAST_NUMBER:
        raise BadAnswer("number")
    return data


def moment(data: Any) -> float:
    """Return seconds since the epoch."""
    if type(data) not in (int, float) or not 0 <= data < 1e11:
        raise BadAnswer("time")
    return float(data)


def packed(data: Any) -> bytes:
    """Return the bytes of a name, which are in hexadecimal digits."""
    try:
        return bytes.fromhex(text(data))
    except ValueError as error:
        raise BadAnswer("name") from error


def listed(data: Any, size: int | None = None) -> list[Any]:
    """Return a list, of so many entries."""
    if type(data) is not list or len(data) > _MOST or size not in (None, len(data)):
        raise BadAnswer("list")
    return data


def texts(data: Any) -> list[str]:
    """Return a list of texts."""
    return [text(each) for each in listed(data)]


def numbers(data: Any) -> list[int]:
    """Return a list of whole numbers."""
    return [number(each) for each in listed(data)]


def owners(data: Any) -> tuple[Owner, ...]:
    """Return the owners of a socket; see `batches.owners_to_json`."""
    count, name_of = optional(number), optional(packed)
    found = (listed(each, 3) for each in listed(data))
    return tuple(Owner(count(pid), name_of(name), count(fd)) for pid, name, fd in found)
