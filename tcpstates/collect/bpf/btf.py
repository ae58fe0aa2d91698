"""The types of the running kernel: BTF, `linux/btf.h`, from /sys/kernel/btf/vmlinux.

Members of structures move with every kernel and its configuration, so their offsets
are looked up in the kernel that runs, never in a table.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from struct import Struct, error, unpack_from

VMLINUX = "/sys/kernel/btf/vmlinux"
_MAGIC = 0xEB9F
STRUCT, TYPEDEF, FUNCTION = 4, 8, 12  # BTF_KIND_*
_UNION, _ENUM, _PROTOTYPE, _SECTION, _ENUM64 = 5, 6, 13, 15, 19
_INTEGER, _ARRAY, _VARIABLE, _TAG = 1, 3, 14, 17
# The bytes of a type by its kind: a fixed number, and some for each member.
_FIXED = [12] * 32
_FIXED[_ARRAY] = 24
for _kind in (_INTEGER, _VARIABLE, _TAG):
    _FIXED[_kind] = 16
_PER_MEMBER = [0] * 32
for _kind in (STRUCT, _UNION, _SECTION, _ENUM64):
    _PER_MEMBER[_kind] = 12
for _kind in (_ENUM, _PROTOTYPE):
    _PER_MEMBER[_kind] = 8
_AT_ONCE = 4096  # types
_HEAD = Struct("=II")  # name, info
_MEMBER, _WORD = Struct("=III"), Struct("=I")


def _member(packed: bytes, place: int) -> tuple[int, int, int]:
    """Decode a member: name, type, offset in bits."""
    name, kind, bits = _MEMBER.unpack_from(packed, place)
    return name, kind, bits


class MissingType(Exception):
    """The kernel lacks a type or member, or its BTF cannot be understood."""


class _Steps(dict[int, int]):
    """The words of a type by its second word: it has the kind and number of members."""

    def __missing__(self, info: int) -> int:
        kind = info >> 24 & 31
        size = _FIXED[kind] + _PER_MEMBER[kind] * (info & 0xFFFF)
        words = self[info] = size // _WORD.size
        return words


class KernelTypes:
    """The types of the kernel, numbered as far as they are needed.

    A type has no fixed length, so its number is found by a walk: 0.2 us per type, for
    some 60,000 of them.
    """

    def __init__(self, packed: bytes) -> None:
        """Take the contents of VMLINUX; MissingType if it is not BTF."""
        try:
            magic, _, _, header, types, length, names, names_length = unpack_from(
                "=HBBIIIII", packed
            )
        except error as reason:
            raise MissingType("no BTF") from reason
        if magic != _MAGIC:
            raise MissingType("no BTF")
        self._packed = packed
        self._names = header + names
        self._names_end = self._names + names_length
        self._begin = header + types
        self._end = min(self._begin + length, len(packed))
        whole = len(packed) // _WORD.size * _WORD.size
        self._words = array("I", packed[:whole])
        self._steps = _Steps()
        self._next: int = self._begin // _WORD.size  # where the walk goes on
        # In words, by number; type 0 is "void", and not in the data.
        self._starts = array("I", [0])

    def find(self, kind: int, name: bytes) -> int:
        """Return the number of a type; MissingType if there is none."""
        place = self._packed.find(b"\0" + name + b"\0", self._names, self._names_end)
        if place >= 0:
            # Only some of these bytes are where a type begins; the walk shows which.
            first = _WORD.pack(place + 1 - self._names)
            for start in self._places(first):
                if self._words[start + 1] >> 24 & 31 == kind:
                    while self._starts[-1] < start and self._walk():
                        pass
                    number = bisect_left(self._starts, start)
                    if start in self._starts[number : number + 1]:
                        return number
        raise MissingType(name.decode())

    def _places(self, first: bytes) -> Iterator[int]:
        """Yield where there are these four bytes, in words, and another word."""
        place = self._packed.find(first, self._begin, self._end - _WORD.size)
        while place >= 0:
            if place % _WORD.size == 0:
                yield place // _WORD.size
            place = self._packed.find(first, place + 1, self._end - _WORD.size)

    def offset(self, structure: int, *members: bytes) -> int:
        """Return where a structure has a member, in bytes; MissingType if nowhere.

        Further members are those of the structure that is the member before. Members of
        structures without a name belong to the structure around them.
        """
        place = 0
        for member in members:
            found = self._member(structure, member)
            if found is None:
                raise MissingType(member.decode())
            place, structure = place + found[0], found[1]
        return place

    def _member(self, structure: int, member: bytes) -> tuple[int, int] | None:
        """Find a member's place in bytes, and its type."""
        start = self._start(structure)
        _, info = _HEAD.unpack_from(self._packed, start)
        while info >> 24 & 31 == TYPEDEF:
            (referred,) = _WORD.unpack_from(self._packed, start + 8)
            start = self._start(referred)
            _, info = _HEAD.unpack_from(self._packed, start)
        if info >> 24 & 31 not in (STRUCT, _UNION):
            return None
        has_bit_fields = info >> 31
        for index in range(info & 0xFFFF):
            place = start + 12 * (index + 1)
            name, kind, bits = _member(self._packed, place)
            if has_bit_fields:
                bits &= 0xFFFFFF
            if name:
                if self._name(name) == member:
                    return bits // 8, kind
            else:
                inner = self._member(kind, member)
                if inner is not None:
                    return bits // 8 + inner[0], inner[1]
        return None

    def _name(self, place: int) -> bytes:
        start = self._names + place
        return self._packed[start : self._packed.index(0, start)]

    def _start(self, number: int) -> int:
        """Return where a type begins, in bytes; IndexError if there is no such type."""
        while number >= len(self._starts) and self._walk():
            pass
        return self._starts[number] * _WORD.size

    def _walk(self) -> bool:
        """Number some thousand more types; False if there are no more."""
        words, steps, add = self._words, self._steps, self._starts.append
        place, end = self._next, self._end // _WORD.size - 1
        for _ in range(_AT_ONCE):
            if place >= end:
                break
            add(place)
            place += steps[words[place + 1]]
        is_more = place > self._next
        self._next = place
        return is_more
