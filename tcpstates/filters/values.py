"""Parse the values of a filter: numbers, sizes and times; define how names resolve.

An invalid value raises BadValue, whose text says what was expected.
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
    """An invalid value; the text says what was expected."""


class Lookup(Protocol):
    """Resolves names on this system; an empty result means that a name is unknown."""

    # Users and interfaces that have no number here are compared by their names.
    compares_names: bool

    def ports(self, service: str) -> frozenset[int]:
        """Return the ports of a service for the requested protocols."""

    def addresses(self, host: str) -> Sequence[str]:
        """Return the addresses of a host."""

    def interface(self, name: str) -> int | None:
        """Return the index of an interface."""

    def cgroup(self, path: str) -> int | None:
        """Return the ID of a cgroup, by its path below the mount point of cgroup v2."""

    def uid(self, user: str) -> int | None:
        """Return the uid of a user."""

    def names(self, kind: str) -> Iterable[str]:
        """Return all known names of a kind: service, interface, user."""

    def fin_timeout_ms(self) -> int | None:
        """Return the system's tcp_fin_timeout in milliseconds; None if it has none."""

    def port_range(self) -> tuple[int, int]:
        """Return the first and last port of the system's ephemeral port range."""


def read_number(text: str) -> int:
    """Parse a whole number, decimal or hexadecimal with 0x."""
    if not _NUMBER.fullmatch(text):
        raise BadValue(f"expected a whole number, not '{text}'")
    return int(text, 0)


def read_size(text: str) -> int:
    """Parse a size in bytes: 1500, 64k, 1M, 2GiB; units are powers of 1024."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise BadValue(f"expected a size such as 1500, 64k or 1M, not '{text}'")
    return int(float(found[1]) * float(1024 ** " kmgt".index(found[2].lower() or " ")))


def read_time(text: str) -> float:
    """Parse a time into milliseconds: 300us, 20ms, 5s, 5m, 2h, 1d."""
    found = _TIME.fullmatch(text)
    if not found:
        if text.isdecimal():
            raise BadValue(f"missing unit; write {text}ms, {text}s or {text}m")
        raise BadValue(f"expected a time such as 20ms, 5s or 5m, not '{text}'")
    return float(found[1]) * _MS[found[2].lower()]


def compared(operator: str, value: float, *, whole: bool = False) -> Ranges:
    """Return the range of numbers, or whole numbers, that satisfy a comparison."""
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
    """Parse a comparison with a whole number, or a list, into ranges."""
    if operator != "in":
        return compared(operator, read_number(texts[0]), whole=True)
    ranges = []
    for text in texts:
        found = RANGE.fullmatch(text)
        low, high = found.groups() if found else (text, text)
        ranges.append((read_number(low), read_number(high)))
    return checked(ranges)


def checked(ranges: Sequence[tuple[int, int]]) -> Ranges:
    """Raise BadValue for a range whose ends are reversed."""
    for low, high in ranges:
        if low > high:
            raise BadValue(f"reversed range; write {high}-{low}")
    return tuple(ranges)
