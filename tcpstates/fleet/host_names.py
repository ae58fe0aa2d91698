"""The names that --host takes: lists, files, and the parts of each name.

A name ends up in the arguments of ssh, and in the commands that ssh's own configuration
builds of it (ProxyCommand with %h). So it may only have the characters of names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

from tcpstates.errors import ArgumentError
from tcpstates.text import sanitise

MOST_HOSTS = 10_000
_LONGEST = 300  # characters of a name
_NAME = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][\w.+\\-]{0,63})@)?"
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]"
    r"|(?P<host>[A-Za-z0-9_](?:[\w.-]*\w)?)"
    r"|(?P<bare>[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?))"
    r"(?::(?P<port>\d{1,5}))?",
    re.ASCII,
)
_SSH_URL = "ssh://"


def shown_name(name: str) -> str:
    """Return a name as rows and messages have it."""
    return name.removeprefix(_SSH_URL).rstrip("/")


def host_names(hosts: Sequence[str]) -> Iterator[str]:
    """Yield the names in lists such as web1,web2 and in files such as @hosts."""
    for text in hosts:
        for part in text.split(","):
            name = part.strip()
            if name.startswith("@"):
                yield from _names_in(name[1:])
            elif name:
                yield name


def _names_in(path: str) -> Iterator[str]:
    """Yield the names in a file: one in each line, or several with commas between.

    A comment may follow. Several words without commas are refused: in a list of
    addresses and their names, each host would be asked twice.
    """
    most = MOST_HOSTS * _LONGEST
    try:
        if path == "-":
            text = "" if sys.stdin is None else sys.stdin.read(most + 1)
        else:
            with open(path, encoding="utf-8-sig", errors="surrogateescape") as stream:
                text = stream.read(most + 1)
    except OSError as error:
        problem = f"--host @{sanitise(path)}: cannot be read: {error.strerror}"
        raise ArgumentError(problem) from error
    if len(text) > most:
        raise ArgumentError(f"--host @{sanitise(path)}: too large for a list of hosts")
    for number, line in enumerate(text.splitlines(), 1):
        for part in line.partition("#")[0].split(","):
            name = part.strip()
            if not name:
                continue
            try:
                parts_of(name)
            except ArgumentError as error:
                raise ArgumentError(
                    f"{error} ({sanitise(path)}, line {number})"
                ) from error
            yield name


def parts_of(name: str) -> tuple[str, str, str]:
    """Return the user, the host and the port of a name; empty where there is none."""
    is_short = len(name) <= _LONGEST
    found = _NAME.fullmatch(shown_name(name)) if is_short else None
    if found is None:
        shown = sanitise(name if is_short else f"{name[:40]}...")
        hint = "; names begin with a letter or digit" if name[:1] == "-" else ""
        hint = "; separate names by commas or lines" if " " in name else hint
        raise ArgumentError(
            f"--host: '{shown}' is no host name{hint}; use [USER@]HOST[:PORT] or @FILE"
        )
    port = found["port"] or ""
    if port and not 0 < int(port) <= 65_535:
        raise ArgumentError(f"--host: port {port} of '{name}' is out of range")
    return found["user"] or "", found["ipv6"] or found["host"] or found["bare"], port
