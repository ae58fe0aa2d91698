"""Recognise that a command line is another tool's: by --like, or by its name."""

from __future__ import annotations

import os

TOOLS = ("ss", "netstat", "bsd", "windows", "lsof")
_BY_NAME = ("ss", "netstat", "lsof")  # links to tcpstates under these names
_OPTION = "--like"


def named_tool(program: str) -> list[str]:
    """Return the arguments that a program's name stands for: usually none."""
    name = os.path.basename(program)
    return [_OPTION, name] if name in _BY_NAME else []


def translate(arguments: list[str]) -> list[str]:
    """Turn another tool's arguments into ours; leave our own as they are.

    Raise click's UsageError for what tcpstates does not do, with the command that does.
    """
    for index, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == _OPTION and index + 1 < len(arguments):
            tool, rest = (
                arguments[index + 1],
                arguments[:index] + arguments[index + 2 :],
            )
        elif argument.startswith(f"{_OPTION}="):
            tool = argument.removeprefix(f"{_OPTION}=")
            rest = arguments[:index] + arguments[index + 1 :]
        else:
            continue
        if tool not in TOOLS:
            break  # click says which ones there are
        from tcpstates.cli.like_flags import translate_flags

        return translate_flags(tool, rest)
    return arguments
