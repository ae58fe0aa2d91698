"""The cookies of sockets in the kernel's answers: idiag_cookie, linux/inet_diag.h."""

from __future__ import annotations

import sys
from struct import Struct

_IS_BIG = sys.byteorder == "big"


def read_cookies(rows: bytes, stride: int, place: int) -> list[tuple[int]]:
    """Read the cookie at a place in each row, as tuples of one.

    The first of its two numbers is the lower half, on every processor.
    """
    found = Struct(f"={place}xQ{stride - place - 8}x").iter_unpack(rows)
    return [(joined_halves(n),) for (n,) in found] if _IS_BIG else list(found)


def joined_halves(number: int) -> int:
    """Exchange the halves of a number that was read as a whole, from big-endian."""
    return (number & 0xFFFFFFFF) << 32 | number >> 32
