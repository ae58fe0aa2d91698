"""The seconds after -w, which may be left out, as after the -c of netstat."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_EACH_SECOND = "1"
_GROUP = re.compile("-([A-Za-z0-9]*)w([A-Za-z]*)")
_TIME = re.compile(r"\d+(\.\d*)?(ms|s|m|h)?|\.\d+s?")


def complete_intervals(arguments: Sequence[str]) -> list[str]:
    """Give every -w its seconds: those that follow it, else one."""
    return list(_completed(arguments))


def _completed(arguments: Sequence[str]) -> Iterator[str]:
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            yield argument
            yield from waiting
            return
        found = _GROUP.fullmatch(argument)
        if found is None and argument != "--watch":
            yield argument
            continue
        letters = "".join(found.groups()) if found else ""
        if letters:
            yield f"-{letters}"
        is_given = bool(waiting) and _TIME.fullmatch(waiting[0]) is not None
        yield from ("--watch", waiting.pop(0) if is_given else _EACH_SECOND)
