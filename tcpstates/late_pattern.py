"""Regular expressions that are compiled when they are first used.

Saved listings are read with 160 patterns, of which each listing needs some. To compile
them all took 22 ms, a fifth of the time that a short listing takes.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, Generic, cast

_ATTRIBUTES = (
    *("match", "search", "fullmatch", "findall", "finditer", "sub", "subn", "split"),
    *("pattern", "flags", "groups", "groupindex"),
)


class LatePattern(Generic[AnyStr]):
    """Stands for a pattern; compiled, it has the pattern's own methods."""

    def __init__(self, text: AnyStr, flags: int) -> None:
        self._source: tuple[AnyStr, int] = (text, flags)

    def __getattr__(self, name: str) -> Any:
        if name not in _ATTRIBUTES:
            raise AttributeError(name)
        compiled = re.compile(*self._source)
        for attribute in _ATTRIBUTES:
            setattr(self, attribute, getattr(compiled, attribute))
        return getattr(compiled, name)


def late(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a pattern for the top of a module; an error shows when it is used."""
    return cast("re.Pattern[AnyStr]", LatePattern(text, flags))
