"""The tools in whose place tcpstates is called: what it leaves to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import click

from tcpstates import __version__
from tcpstates.text import command_line

_PROGRAMS = ("ss", "netstat", "lsof")


class NotDone(click.UsageError):
    """What a tool does and tcpstates does not; the text has the command that does."""


class Told(Exception):
    """An answer that is no listing: the help or version of a tool's stand-in."""


def real_tool(name: str) -> str:
    """Find the program, not a link to tcpstates: by its path, if there is one."""
    ours = os.path.realpath(sys.argv[0])
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.realpath(path) != ours:
            return path
    return name


def left_to_tool(
    tool: str, what: str, arguments: Iterable[str], *, why: str = "is not done here"
) -> NotDone:
    """Make the refusal of what only the tool itself does."""
    if tool not in _PROGRAMS:
        return NotDone(f"{what} {why}; see tcpstates --help")
    command = " ".join(command_line("{}", word) for word in arguments)
    return NotDone(f"{what} {why}; run {real_tool(tool)} {command}".rstrip())


def tell_version(tool: str) -> Told:
    """Answer -V of a tool."""
    return Told(f"tcpstates {__version__} in the place of {tool}\n")


def tell_help(tool: str, flags: Iterable[str], refused: Iterable[str]) -> Told:
    """Answer -h of a tool: which of its options are understood."""
    own = f"The program itself: {real_tool(tool)}\n" if tool in _PROGRAMS else ""
    return Told(
        f"tcpstates {__version__} in the place of {tool}: TCP and UDP sockets in its"
        " layout.\n\n"
        f"It takes these options of {tool}: {' '.join(sorted(flags))}\n"
        f"Refused, with the command that does it: {' '.join(sorted(refused))}\n\n"
        f"{own}All that tcpstates can do: tcpstates --help\n"
    )
