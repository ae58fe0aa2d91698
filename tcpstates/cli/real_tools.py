"""The programs in whose place tcpstates runs, for what it leaves to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from tcpstates import __version__
from tcpstates.cli.like import Answered, Unsupported
from tcpstates.text import command_line

_PROGRAMS = ("ss", "netstat", "lsof")


def real_tool(name: str) -> str:
    """Return the path of the program, not that of a link to tcpstates.

    Without such a program, return its name.
    """
    ours = os.path.realpath(sys.argv[0])
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.realpath(path) != ours:
            return path
    return name


def left_to_tool(
    tool: str, what: str, arguments: Iterable[str], *, why: str = "is not supported"
) -> Unsupported:
    """Reject what only the tool itself does, and suggest to run it."""
    if tool not in _PROGRAMS:
        return Unsupported(f"{what} {why}; see tcpstates --help")
    command = " ".join(command_line("{}", word) for word in arguments)
    return Unsupported(f"{what} {why}; run {real_tool(tool)} {command}".rstrip())


def version_for(tool: str) -> Answered:
    """Answer the option of a tool that prints its version."""
    return Answered(f"tcpstates {__version__}, in place of {tool}\n")


def help_for(tool: str, letters: Iterable[str], rejected: Iterable[str]) -> Answered:
    """Answer the option of a tool that prints its help: list the supported letters."""
    known = " ".join(f"-{letter}" for letter in sorted(letters))
    others = " ".join(f"-{letter}" for letter in sorted(rejected))
    program = f"The program itself: {real_tool(tool)}\n" if tool in _PROGRAMS else ""
    return Answered(
        f"tcpstates {__version__}, in place of {tool}: TCP and UDP sockets in its"
        " layout.\n\n"
        f"Supported options of {tool}: {known}\n"
        f"Rejected, with a suggestion: {others}\n\n"
        f"{program}All options of tcpstates: tcpstates --help\n"
    )
