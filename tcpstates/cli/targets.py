"""Words instead of a filter: nginx, 718, :443, tcp:443, 22,80.

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
from tcpstates.protocols import PROTOCOLS

_LARGEST_PID = 4_194_304  # PID_MAX_LIMIT, linux/threads.h
_NAME = re.compile(r"[A-Za-z_][\w.+-]*")
_PORTS = r"\d+(?:[,-]\d+)*"
# tcp:443, :8080, 8080/tcp, 22,80, 1-1024; a number alone may be anything.
_PLACE = re.compile(
    rf"(?:(?P<before>tcp|udp):|:)(?P<ports>{_PORTS})"
    rf"|(?P<a>{_PORTS})/(?P<after>tcp|udp)"
    r"|(?P<list>\d+(?:[,-]\d+)+)"
)
_HOST = re.compile(r"@[\w.:\[\]-]+")
_PAIRS = {"port": "{1}port =", "host": "{0}", "net": "{0}"}
_PORT = re.compile(r":(\w[\w-]*)")


def expand_target(words: Sequence[str], origin: Origin) -> Sequence[str]:
    """Return the filter that one word stands for; anything else is returned as it is.

    A number is the pid of a process with sockets, or else a port. A name is that of a
    process. Raise click's UsageError for a name that nothing has.
    """
    if len(words) != 1:
        return _if_not_a_filter(words, origin)
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
        understood = understand_words(words, origin)
        if understood is not None:
            return understood[0]
        if _NAME.fullmatch(word) and "did you mean" not in str(error):
            text = f"'{word}' is no state or key, and no process has that name"
            raise click.UsageError(text) from error
    return words


def _if_not_a_filter(words: Sequence[str], origin: Origin) -> Sequence[str]:
    """Understand several words only where they are no filter."""
    try:
        read_selection(words, origin.lookup(Request().protocols), Request())
    except FilterSyntaxError:
        understood = understand_words(words, origin)
        return words if understood is None else understood[0]
    return words


def understand_words(
    words: Sequence[str], origin: Origin
) -> tuple[list[str], set[str]] | None:
    """Return a filter, and protocols, for words that are none; None: no idea.

    Each word has to have one meaning only: `:8080`, `tcp:443`, `8080/tcp`, `22,80`,
    `1-1024`, `@10.0.0.1:80`, `tcp`, and the name of a process. So do a few pairs of
    tcpdump: `src port 443`, `dst host 10.0.0.1`.
    """
    conditions: list[str] = []
    protocols: set[str] = set()
    rest = [part for word in words for part in word.split()]
    while rest:
        name, rest = rest[0], rest[1:]
        word = name.lower()
        if word in ("src", "dst") and rest[:1] and rest[0] in _PAIRS and rest[1:]:
            key = _PAIRS[rest[0]].format(word, word[0])
            conditions.append(f"{key} {rest[1]}")
            rest = rest[2:]
            continue
        if word in PROTOCOLS:
            protocols.add(word)
            continue
        if word == "port" and rest:
            conditions.append(f"port in {rest[0].removeprefix(':')}")
            rest = rest[1:]
            continue
        found = _PLACE.fullmatch(word)
        if found is not None:
            protocols |= {found["before"] or found["after"] or ""} - {""}
            ports = found["ports"] or found["a"] or found["list"]
            conditions.append(f"port in {ports}")
        elif _HOST.fullmatch(word) or _is_address(word):
            conditions.append(f"host {word.removeprefix('@')}")
        elif _NAME.fullmatch(name) and _is_process_name(name, origin):
            conditions.append(f"process = {name}")
        else:
            return None
    return [" and ".join(conditions)] if conditions else [], protocols


def _is_address(word: str) -> bool:
    """Check for an address without a port: 10.0.0.1, ::1."""
    from ipaddress import ip_address

    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def _owns_sockets(pid: int, origin: Origin) -> bool:
    if origin.label:
        return any(owner.pid == pid for owner in _listed(origin))
    from tcpstates.collect.process_details import owns_sockets

    return owns_sockets(pid)


def _is_process_name(word: str, origin: Origin) -> bool:
    if origin.label:
        return any(owner.name == os.fsencode(word) for owner in _listed(origin))
    from tcpstates.collect.process_details import is_process_name

    return is_process_name(word)


def _listed(origin: Origin) -> Iterator[Owner]:
    """Yield the owners that a saved listing names."""
    for batch in origin.read(Request(reported_processes=True), []).batches:
        for owners in batch.get("processes") or ():
            yield from owners or ()
