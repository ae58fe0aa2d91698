"""The flags of ss, netstat and lsof, in tcpstates' own.

A flag keeps the meaning that it has in its tool, or is refused with the command that
does it. Words that are not flags are filters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tcpstates.cli.like import Unsupported
from tcpstates.cli.like_dialects import DIALECTS, FAMILIES, TABLES, Dialect
from tcpstates.cli.real_tools import help_for, left_to_tool, real_tool, version_for
from tcpstates.text import command_line

_LONGEST_FILTER = 1 << 16  # characters
# Options of tcpstates that no other tool has; they can be combined with its flags.
_OURS = ("--source", "--from", "--by", "--output")
_OTHER_HOSTS = {"--host", "--via"}


def translate_flags(tool: str, arguments: list[str]) -> list[str]:
    """Turn the arguments of a tool into ours.

    Raise Unsupported for what tcpstates does not do, and Answered for help and version.
    """
    for name in {argument.partition("=")[0] for argument in arguments} & _OTHER_HOSTS:
        text = "other hosts are listed in the layout of tcpstates only"
        raise Unsupported(f"{name} cannot be combined with --like {tool}; {text}")
    if tool == "lsof":
        from tcpstates.cli.like_lsof import translate_lsof

        return translate_lsof(arguments)
    return _translate(tool, DIALECTS[tool], arguments)


def _translate(tool: str, dialect: Dialect, arguments: list[str]) -> list[str]:
    """Turn the arguments of any tool but lsof into ours."""
    _answer(tool, dialect, arguments)
    flags: list[str] = []
    words: list[str] = []
    prefixes = ("-", "/") if tool == "windows" else ("-",)
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            words += rest
        elif argument.startswith(_OURS):
            flags.append(argument)
            if argument in _OURS:
                flags.append(_next(rest, argument))
        elif tool == "ss" and argument in ("-F", "--filter"):
            words.append(_read_filter(_next(rest, argument)))
        elif argument.startswith("--"):
            flags += _long(tool, dialect, argument, rest, arguments)
        elif argument.startswith(prefixes) and len(argument) > 1:
            flags += _letters(tool, dialect, argument[1:], rest, arguments)
        else:
            words.append(argument)
    if tool != "ss" and words and words[-1].isdecimal():
        once = " ".join(command_line("{}", word) for word in arguments[:-1])
        text = f"run watch -n {words[-1]} tcpstates --like {tool} {once}"
        raise Unsupported(f"the interval {words[-1]} is not supported; {text}")
    names = ["--like", tool, "--state-names", dialect.state_names]
    return [*names, *flags, "--", *words]


def _answer(tool: str, dialect: Dialect, arguments: list[str]) -> None:
    """Raise `Answered` if help or the version is asked for."""
    if not {"-h", "--help", "-?", "/?"}.isdisjoint(arguments):
        raise help_for(tool, (*dialect.letters, *dialect.with_value), dialect.refused)
    if not {"-V", "--version"}.isdisjoint(arguments):
        raise version_for(tool)


def _read_filter(name: str) -> str:
    """Read the filter that ss -F takes from a file; "-" is standard input."""
    try:
        if name == "-":
            return sys.stdin.read(_LONGEST_FILTER)
        with open(name, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_LONGEST_FILTER)
    except OSError as error:
        text = f"cannot read the filter in '{name}': {error.strerror}"
        raise Unsupported(text) from error


def _letters(
    tool: str,
    dialect: Dialect,
    letters: str,
    rest: Iterator[str],
    arguments: list[str],
) -> Iterator[str]:
    """Translate a group of letters such as the "antp" of -antp."""
    for place, letter in enumerate(letters):
        known = letter.lower() if tool == "windows" else letter
        values = dialect.with_value.get(known)
        if values is not None:
            given = letters[place + 1 :] or next(rest, "")
            yield from _values(f"-{letter}", values, given)
            return
        if known in dialect.passed_on:
            yield dialect.passed_on[known]
            yield letters[place + 1 :] or _next(rest, f"-{letter}")
            return
        if known in dialect.refused:
            refusal = dialect.refused[known].format_map(_RealTools())
            raise Unsupported(f"{tool} -{letter} is not supported; {refusal}")
        if known not in dialect.letters:
            raise left_to_tool(tool, f"{tool} -{letter}", arguments)
        yield from dialect.letters[known].split()


class _RealTools(dict[str, str]):
    """The paths of tools, as their names may lead back here."""

    def __missing__(self, name: str) -> str:
        return real_tool(name)


def _long(
    tool: str,
    dialect: Dialect,
    argument: str,
    rest: Iterator[str],
    arguments: list[str],
) -> Iterator[str]:
    """Translate a long option."""
    name, equals, value = argument.partition("=")
    if name in ("--protocol", "--family", "--query", "--socket") and dialect.with_value:
        given = value if equals else next(rest, "")
        is_table = name in ("--query", "--socket")  # the long forms of ss -A
        yield from _values(name, TABLES if is_table else FAMILIES, given)
        return
    if name in dialect.passed_on:
        yield from (dialect.passed_on[name], value if equals else _next(rest, name))
        return
    if name not in dialect.words:
        raise left_to_tool(tool, f"{tool} {name}", arguments)
    yield from dialect.words[name].split()


def _values(option: str, values: dict[str, str], given: str) -> Iterator[str]:
    """Translate a list of families or protocols."""
    for part in given.split(","):
        found = values.get(part.lower())
        if found is None:
            text = f"'{part}' for {option}: tcpstates shows {', '.join(values)} only"
            raise Unsupported(text)
        yield from found.split()


def _next(rest: Iterator[str], option: str) -> str:
    value = next(rest, None)
    if value is None:
        raise Unsupported(f"option '{option}' requires an argument")
    return value
