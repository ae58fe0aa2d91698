"""Check what another host has answered: the only path for its JSON.

Each value has its type, numbers fit into 64 bits, and texts are short. Every function
raises BadAnswer for anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
LAST_NUMBER = (1 << 64) - 1
_LONGEST = 4096  # characters of a text
_MOST = 200_000  # entries of a list


class BadAnswer(Exception):
    """An answer that does not have the expected form."""


def optional(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Return what reads a value that may be null."""
    return lambda told: None if told is None else read(told)


def member(told: Any, name: str) -> Any:
    """Return a member of an object."""
    if type(told) is not dict or name not in told:
        raise BadAnswer(name)
    return told[name]


def items(told: Any) -> Sequence[tuple[str, Any]]:
    """Return the members of an object."""
    if type(told) is not dict or len(told) > _MOST:
        raise BadAnswer("object")
    return list(told.items())


def by_number(told: Any, name: str, read: Callable[[Any], T]) -> dict[int, T]:
    """Read a member whose own members are named by numbers."""
    found = {}
    for key, value in items(member(told, name)):
        if not (key.isascii() and key.isdecimal() and len(key) < 21):
            raise BadAnswer(name)
        found[int(key)] = read(value)
    return found


def text(told: Any) -> str:
    """Return a text."""
    if type(told) is not str or len(told) > _LONGEST:
        raise BadAnswer("text")
    return told


def number(told: Any, least: int = 0) -> int:
    """Return a whole number."""
    if type(told) is not int or not least <= told <= LAST_NUMBER:
        raise BadAnswer("number")
    return told


def moment(told: Any) -> float:
    """Return seconds since the epoch."""
    if type(told) not in (int, float) or not 0 <= told < 1e11:
        raise BadAnswer("time")
    return float(told)


def packed(told: Any) -> bytes:
    """Return the bytes of a name, which are in hexadecimal digits."""
    try:
        return bytes.fromhex(text(told))
    except ValueError as error:
        raise BadAnswer("name") from error


def listed(told: Any, size: int | None = None) -> list[Any]:
    """Return a list, of so many entries."""
    if type(told) is not list or len(told) > _MOST or size not in (None, len(told)):
        raise BadAnswer("list")
    return told


def texts(told: Any) -> list[str]:
    """Return a list of texts."""
    return [text(each) for each in listed(told)]


def numbers(told: Any) -> list[int]:
    """Return a list of whole numbers."""
    return [number(each) for each in listed(told)]
