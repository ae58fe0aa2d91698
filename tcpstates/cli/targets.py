"""A single word instead of a filter: nginx, 718, :443.

Where a command asks about a program or a port, people type just that. States, groups
and whatever else is a filter keep their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tcpstates.errors import FilterSyntaxError
from tcpstates.filters.selection import read_selection
from tcpstates.model import Request
from tcpstates.origin import Origin

_PORT = re.compile(r":(\w[\w-]*)")


def expand_target(words: Sequence[str], origin: Origin) -> Sequence[str]:
    """Return the filter that one word stands for; anything else is returned as it is.

    A number is the pid of a process that runs on this host, or else a port. A name is
    that of a process, if one on this host has it.
    """
    if len(words) != 1:
        return words
    (word,) = words
    if port := _PORT.fullmatch(word):
        return ("port", "=", port[1])
    if word.isascii() and word.isdecimal():
        return ("pid", "=", word) if _runs(int(word), origin) else ("port", "=", word)
    try:
        read_selection(words, origin.lookup(Request().protocols), Request())
    except FilterSyntaxError:
        if _is_process_name(word, origin):
            return ("process", "=", word)
    return words


def _runs(pid: int, origin: Origin) -> bool:
    from tcpstates.collect.psutil_ import is_running

    return not origin.label and is_running(pid)


def _is_process_name(word: str, origin: Origin) -> bool:
    from tcpstates.collect.psutil_ import is_process_name

    return not origin.label and is_process_name(word)
