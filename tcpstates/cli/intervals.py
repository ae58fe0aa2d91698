"""The seconds after -w, which may be left out, as after the -c of netstat."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_EACH_SECOND = "1"
_SECONDS = r"\d+(?:\.\d*)?(?:ms|s|m|h)?|\.\d+s?"
# What follows the N of --netns is a name, whatever letters it has.
_GROUP = f"-([A-MO-Za-z0-9]*)w([A-Za-z]*?)({_SECONDS})?"


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
        # A pattern is compiled only for an option that may be -w.
        found = re.fullmatch(_GROUP, argument) if "w" in argument else None
        if found is None and argument != "--watch":
            yield argument
            continue
        before, after, attached = found.groups() if found else ("", "", None)
        if before or after:
            yield f"-{before}{after}"
        if attached:
            yield from ("--watch", attached)
            continue
        is_given = bool(waiting) and re.fullmatch(_SECONDS, waiting[0]) is not None
        yield from ("--watch", waiting.pop(0) if is_given else _EACH_SECOND)
