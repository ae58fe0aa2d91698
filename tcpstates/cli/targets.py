"""A single word instead of a filter: nginx, 718, :443.

Where a command asks about a program or a port, people type just that. States, groups
and whatever else is a filter keep their meaning.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

import click

from tcpstates.errors import FilterSyntaxError
from tcpstates.filters.selection import read_selection
from tcpstates.model import Owner, Request
from tcpstates.origin import Origin

_LARGEST_PID = 4_194_304  # PID_MAX_LIMIT, linux/threads.h
_NAME = re.compile(r"[\w.+-]+")
_PORT = re.compile(r":(\w[\w-]*)")


def expand_target(words: Sequence[str], origin: Origin) -> Sequence[str]:
    """Return the filter that one word stands for; anything else is returned as it is.

    A number is the pid of a process with sockets, or else a port. A name is that of a
    process. Raise click's UsageError for a name that nothing has.
    """
    if len(words) != 1:
        return words
    (word,) = words
    if port := _PORT.fullmatch(word):
        return ("port", "=", port[1])
    if word.isascii() and word.isdecimal():
        is_pid = int(word) <= _LARGEST_PID and _owns_sockets(int(word), origin)
        return ("pid" if is_pid else "port", "=", word)
    try:
        read_selection(words, origin.lookup(Request().protocols), Request())
    except FilterSyntaxError as error:
        if _NAME.fullmatch(word) and _is_process_name(word, origin):
            return ("process", "=", word)
        if _NAME.fullmatch(word) and "did you mean" not in str(error):
            text = f"'{word}' is no state or key, and no process has that name"
            raise click.UsageError(text) from error
    return words


def _owns_sockets(pid: int, origin: Origin) -> bool:
    if origin.label:
        return any(owner.pid == pid for owner in _listed(origin))
    from tcpstates.collect.psutil_ import owns_sockets

    return owns_sockets(pid)


def _is_process_name(word: str, origin: Origin) -> bool:
    if origin.label:
        return any(owner.name == os.fsencode(word) for owner in _listed(origin))
    from tcpstates.collect.psutil_ import is_process_name

    return is_process_name(word)


def _listed(origin: Origin) -> Iterator[Owner]:
    """Yield the owners that a saved listing names."""
    for batch in origin.read(Request(reported_processes=True), []).batches:
        for owners in batch.get("processes") or ():
            yield from owners or ()
