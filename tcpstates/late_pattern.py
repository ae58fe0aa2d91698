"""Regular expressions that are compiled when they are first used.

The readers of saved listings have 160 patterns, and one listing needs some 30 of them.
To compile all of them took 22 ms of the 110 ms that a short listing took.
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
