"""Recognise that a command line is another tool's: by --like, or by its name."""

from __future__ import annotations

import os

import click

TOOLS = ("ss", "netstat", "bsd", "windows", "lsof")
_BY_NAME = ("ss", "netstat", "lsof")  # links to tcpstates under these names
_OPTION = "--like"


class Unsupported(click.UsageError):
    """What a tool does and tcpstates does not; the text suggests a command."""


class Answered(Exception):
    """The help or the version that was asked for in place of a tool."""


def named_tool(program: str) -> list[str]:
    """Return the arguments that a program's name stands for: usually none."""
    name = os.path.basename(program)
    return [_OPTION, name] if name in _BY_NAME else []


def find_tool(arguments: list[str]) -> tuple[str, list[str]] | None:
    """Return the tool that --like names, and the other arguments; None: no tool.

    For a name that is not one of TOOLS, leave the error to click.
    """
    for index, argument in enumerate(arguments):
        name, equals, tool = argument.partition("=")
        if argument == "--":
            break
        if name != _OPTION:
            continue
        after = index + 1
        if not equals:
            tool = arguments[after] if after < len(arguments) else ""
            after += 1
        return (tool, arguments[:index] + arguments[after:]) if tool in TOOLS else None
    return None
