r"""Escape untrusted text; format sizes, rates and durations.

Process names, host names and paths may contain any byte. `sanitise` is the one place
that escapes characters which could move a cursor, break a row or reverse text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import inf
from typing import Any, TypeVar

_MOST_CHARACTERS = 4096  # PATH_MAX: the path of a cgroup may be long
_HARMLESS = bytes(range(0x20, 0x7F)).replace(b"\\", b"")
_MOST_TEXTS = 10_000  # in one cache
_SAME_AGE_MS = 100  # bounds closer than this are shown as one time
# Invisible characters that are not control characters in Unicode: fillers, the blank of
# Braille, joiners and variation selectors (Default_Ignorable_Code_Point).
_INVISIBLE = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0))
).union(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_MOST_MARKS = 2  # combining marks on one character; more can stall a terminal


@lru_cache(maxsize=4096)
def sanitise(text: str) -> str:
    r"""Escape everything except visible characters.

    Control characters, line ends, bidirectional and zero-width characters become
    `\x1b`, `\n`, `\u202e`; a byte that is not UTF-8 becomes `\xff`. A backslash is
    doubled, so the result is unambiguous.
    """
    if len(text) > _MOST_CHARACTERS:
        text = text[:_MOST_CHARACTERS] + "..."
    return sanitise_line(text.replace("\\", "\\\\"))


def sanitise_all(texts: Sequence[str]) -> Sequence[str]:
    """Apply `sanitise` to a column, at 15 ns per text that needs no escapes."""
    try:
        strange = "".join(texts).encode("ascii").translate(None, _HARMLESS)
    except UnicodeEncodeError:
        strange = b"?"
    return list(map(sanitise, texts)) if strange else texts


def sanitise_line(text: str) -> str:
    """Escape a message that quotes untrusted text, but leave its backslashes as is."""
    if text.isascii() and text.isprintable():
        return text
    from unicodedata import category

    out = []
    marks = 0
    for character in text:
        kind = category(character)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if "\udc80" <= character <= "\udcff":  # surrogateescape: a raw byte
            out.append(f"\\x{ord(character) - 0xDC00:02x}")
        elif (
            (kind[0] in "CZ" and character != " ")
            or character in _INVISIBLE
            or marks > _MOST_MARKS
        ):
            out.append(character.encode("unicode_escape").decode("ascii"))
        else:
            out.append(character)
    return "".join(out)


_ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_UNQUOTED = frozenset(_ALPHANUMERIC + "_@%+,./:-")


def quote_argument(text: str) -> str:
    """Quote a text as one word for bash, zsh and fish.

    In single quotes, a backslash is an escape in fish but not in the other shells. So
    backslashes and single quotes are put in double quotes, where all shells agree.
    """
    if text and _UNQUOTED.issuperset(text):
        return text
    parts = re.split(r"(['\\]+)", text)
    return (
        "".join(
            f'"{part.translate(_IN_DOUBLE_QUOTES)}"' if place % 2 else f"'{part}'"
            for place, part in enumerate(parts)
            if part
        )
        or "''"
    )


_IN_DOUBLE_QUOTES = {ord("\\"): "\\\\"}


def command_line(template: str, *arguments: object) -> str:
    """Format a command for copying into a shell: each {} becomes one quoted word."""
    return template.format(*(quote_argument(str(argument)) for argument in arguments))


# Our commands that read sockets, and so can read them elsewhere.
_READ_SOCKETS = frozenset({"doctor", "check", "kill"})


def with_option(command: str, option: str) -> str | None:
    """Insert an option into one of our commands; None: it is another program's."""
    program, _, rest = command.partition(" ")
    if program != "tcpstates":
        return None
    word, _, after = rest.partition(" ")
    if word in _READ_SOCKETS:
        program, rest = f"{program} {word}", after
    return " ".join(filter(None, (program, option, rest)))


def mark_part(text: str, span: tuple[int, int], width: int) -> tuple[str, str]:
    """Return a text as one line, and a line of carets that mark a part of it.

    A text wider than `width` is shortened around that part.
    """
    start, end = span
    before, part, after = (
        sanitise_line(piece) for piece in (text[:start], text[start:end], text[end:])
    )
    part = part[:width]
    room = max(0, width - len(part))
    if len(before) + len(after) > room:
        shown = max(room // 2, room - len(after))
        if len(before) > shown:
            before = "..." + before[len(before) - max(0, shown - 3) :]
        left = max(0, room - len(before))
        if len(after) > left:
            after = after[: max(0, left - 3)] + "..."
    carets = "^" * max(1, _cells(part))
    return before + part + after, " " * _cells(before) + carets


def _cells(text: str) -> int:
    """Return the number of terminal cells that a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    wide = sum(east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(combining(character) > 0 for character in text)


def decode_name(name: bytes) -> str:
    """Decode bytes without loss (surrogateescape)."""
    return name.decode("utf-8", "surrogateescape")


_PLAIN_NAME = frozenset(_ALPHANUMERIC + "_.:/@+-")


@lru_cache(maxsize=4096)
def format_name(name: bytes | None) -> str:
    """Format a process name; quote it if it is not a plain word.

    None, for a process that exited before its name was read, becomes a question mark.
    """
    if name is None:
        return "?"
    text = sanitise(decode_name(name))
    if text and _PLAIN_NAME.issuperset(text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


_ROUNDED_UP = 999.5  # from here on, three digits become 1e+03
T = TypeVar("T")


class Texts(dict[Any, T]):
    """What is made of a value, usually its text; a bounded cache.

    `map(texts.__getitem__, column)` takes 30 ns per value that is already known.
    """

    def __init__(self, make: Callable[[Any], T], most: int = _MOST_TEXTS) -> None:
        self._make = make
        self._most = most
        super().__init__()

    def __missing__(self, value: Any) -> T:
        """Make it for a new value."""
        if len(self) >= self._most:
            self.clear()
        made = self[value] = self._make(value)
        return made


def texts_of_objects(make: Callable[[Any], str], objects: Sequence[Any]) -> list[str]:
    """Make the text of each object, once if it occurs more than once.

    Dictionaries, which sockets may share, cannot be the keys of `Texts`.
    """
    places = list(map(id, objects))
    distinct = dict(zip(places, objects, strict=True))
    texts = {place: make(found) for place, found in distinct.items()}
    return list(map(texts.__getitem__, places))


def format_ms(milliseconds: float) -> str:
    """Format a time in a suitable unit: 12ms, 4.2s, 3m20s, 2h05m, 4d03h."""
    if milliseconds < 1000:
        return f"{milliseconds:g}ms"
    tenths = int(milliseconds + 50) // 100
    if tenths < 600:
        return f"{tenths // 10}.{tenths % 10}s"
    whole = int(milliseconds + 500) // 1000
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def shown_ms(milliseconds: Sequence[int]) -> list[int]:
    """Replace times by others that `format_ms` formats alike: by few distinct ones.

    The limits are where a time is rounded up to the next unit.
    """
    return [
        ms
        if ms < 1000
        else (ms + 50) // 100 * 100
        if ms < 59_950
        else (ms + 500) // 1000 * 1000
        if ms < 3_599_500
        else (ms + 500) // 60_000 * 60_000
        if ms < 86_399_500
        else (ms + 500) // 3_600_000 * 3_600_000
        for ms in milliseconds
    ]


def format_age(least: float, most: float) -> str | None:
    """Format an age between two bounds: 5.2s, >=5.2s, <=5.2s, 5.2s..3m20s.

    None if the bounds are 0 and infinity, because then nothing is known.
    """
    if most == inf:
        return f">={format_ms(least)}" if least else None
    low, high = format_ms(least), format_ms(most)
    if most - least < _SAME_AGE_MS or low == high:
        return low
    return f"{low}..{high}" if least else f"<={high}"


def format_rate(bytes_per_second: int) -> str:
    """Format a rate in bits per second, as is usual for networks: 1.2Gbit/s."""
    bits = bytes_per_second * 8.0
    for unit in ("", "K", "M", "G"):
        if bits < _ROUNDED_UP:
            return f"{bits:.3g}{unit}bit/s"
        bits /= 1000
    return f"{bits:.3g}Tbit/s"


def format_bytes(number: int) -> str:
    """Format a number of bytes in a suitable unit: 512 B, 3.8 MiB."""
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1023.5:  # it is printed as 1024 otherwise
            return f"{size:.{3 if size < _ROUNDED_UP else 4}g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"
