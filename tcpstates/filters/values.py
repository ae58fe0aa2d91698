"""Read the values of a filter: numbers, sizes, times; and what names are for.

Whoever cannot read one raises BadValue, whose text says what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import inf, nextafter
from typing import Protocol

from tcpstates.filters.conditions import Ranges

_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]{1,16}|[1-9][0-9]{0,18}|0)")
RANGE = re.compile(r":?([0-9]{1,19})-:?([0-9]{1,19})")
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([kmgt]?)(?:i?b)?", re.IGNORECASE)
_TIME = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)(us|ms|s|min|m|h|d)", re.IGNORECASE)
_MS = {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4, "min": 6e4, "h": 36e5, "d": 864e5}


class BadValue(Exception):
    """A value that cannot be read; the text says what was expected."""


class Lookup(Protocol):
    """What this system knows by name; an empty answer: nothing of that name."""

    # Users and interfaces that have no number here are compared by their names.
    compares_names: bool

    def ports(self, service: str) -> frozenset[int]:
        """Return the ports of a service, of the protocols asked for."""

    def addresses(self, host: str) -> Sequence[str]:
        """Return the addresses of a host."""

    def interface(self, name: str) -> int | None:
        """Return the number of an interface."""

    def cgroup(self, path: str) -> int | None:
        """Return the number of a cgroup, by its path below the mount of cgroup v2."""

    def uid(self, user: str) -> int | None:
        """Return the number of a user."""

    def names(self, kind: str) -> Iterable[str]:
        """Return what there is of a kind: service, interface, user."""

    def fin_timeout_ms(self) -> float | None:
        """Return the system's tcp_fin_timeout in milliseconds; None: it has none."""

    def port_range(self) -> tuple[int, int]:
        """Return the first and the last port that the system hands out itself."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ", did you mean X?", or nothing where no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), list(known), n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def read_number(text: str) -> int:
    """Return a whole number, decimal or with 0x."""
    if not _NUMBER.fullmatch(text):
        raise BadValue(f"a whole number is expected, not '{text}'")
    return int(text, 0)


def read_size(text: str) -> int:
    """Return bytes: 1500, 64k, 1M, 2GiB; each unit is 1024 of the one before."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise BadValue(f"bytes are expected, as 1500, 64k or 1M, not '{text}'")
    return int(float(found[1]) * float(1024 ** " kmgt".index(found[2].lower() or " ")))


def read_time(text: str) -> float:
    """Return milliseconds: 300us, 20ms, 5s, 5m, 2h, 1d."""
    found = _TIME.fullmatch(text)
    if not found:
        if text.isdecimal():
            raise BadValue(f"a unit is missing: {text}ms, {text}s, {text}m?")
        raise BadValue(f"a time is expected, as 20ms, 5s or 5m, not '{text}'")
    return float(found[1]) * _MS[found[2].lower()]


def compared(operator: str, value: float, *, whole: bool = False) -> Ranges:
    """Return the numbers, or the whole numbers, that compare so with a value."""
    match operator:
        case "<":
            return ((-inf, value - 1 if whole else nextafter(value, -inf)),)
        case "<=":
            return ((-inf, value),)
        case ">":
            return ((value + 1 if whole else nextafter(value, inf), inf),)
        case ">=":
            return ((value, inf),)
        case _:
            return ((value, value),)


def read_ranges(operator: str, texts: Sequence[str]) -> Ranges:
    """Return ranges of whole numbers: compared with one, or one of a list."""
    if operator != "in":
        return compared(operator, read_number(texts[0]), whole=True)
    ranges = []
    for text in texts:
        found = RANGE.fullmatch(text)
        low, high = found.groups() if found else (text, text)
        ranges.append((read_number(low), read_number(high)))
    return checked(ranges)


def checked(ranges: Sequence[tuple[int, int]]) -> Ranges:
    """Return the ranges; BadValue for one that is upside down."""
    for low, high in ranges:
        if low > high:
            raise BadValue(f"a range goes upwards: {high}-{low}")
    return tuple(ranges)
