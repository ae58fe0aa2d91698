"""The options of lsof for internet sockets, in tcpstates' own."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import click

# [46][protocol][@host][:service or port, ...], as lsof(8) has it.
_ADDRESS = re.compile(
    r"(?P<family>[46]?)(?P<protocol>(?i:tcp|udp)?)(?:@(?P<host>[^:]+|\[[^]]*\]))?"
    r"(?::(?P<ports>.+))?"
)
_CONDITIONS = "pcus"  # letters with a value that selects sockets
_KEYS = {"p": "pid", "u": "user"}
_FLAGS = {"n": "--numeric", "t": "--count"}
_PLAIN = "PalRVwbOX"  # what tcpstates does anyway, or what is not about sockets


def translate_lsof(arguments: list[str]) -> list[str]:
    """Return our arguments for those of lsof; UsageError for what we do not do."""
    found = _Found()
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        if argument in ("-h", "-?", "--help"):
            return ["--help"]
        if not argument.startswith("-"):
            text = "tcpstates knows no files; use lsof or fuser"
            raise click.UsageError(f"'{argument}': {text}")
        _read_letters(argument[1:], rest, found)
    if not found.asks_sockets:
        raise click.UsageError("lsof without -i lists files; tcpstates knows sockets")
    flags = found.flags + [f"--{p}" for p in sorted(found.protocols or {"tcp", "udp"})]
    joined = " and ".join(f"({each})" for each in found.conditions)
    names = ["--like", "lsof", "--state-names", "netstat"]
    return [*names, *flags, "--", *([joined] if joined else [])]


@dataclass(slots=True)
class _Found:
    """What the options have asked for so far."""

    flags: list[str] = field(default_factory=lambda: ["--all", "--processes"])
    conditions: list[str] = field(default_factory=list)
    protocols: set[str] = field(default_factory=set)
    asks_sockets: bool = False


def _read_letters(letters: str, rest: deque[str], found: _Found) -> None:
    """Read a group of letters, such as the "nPi:80" of -nPi:80."""
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter == "i":
            found.asks_sockets = True
            if not letters and rest and not rest[0].startswith("-"):
                letters = rest.popleft()  # -i :8080
            found.conditions += _address(letters, found)
            return
        if letter in _CONDITIONS and (letters or letter != "s"):
            found.conditions.append(_condition(letter, letters or _next(rest)))
            return
        if letter in _FLAGS:
            found.flags.append(_FLAGS[letter])
        elif letter not in _PLAIN:
            raise click.UsageError(f"lsof -{letter}: tcpstates knows sockets only")


def _next(rest: deque[str]) -> str:
    return rest.popleft() if rest else ""


def _address(text: str, so_far: _Found) -> Iterator[str]:
    """Translate what follows -i."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise click.UsageError(f"invalid address '{text}' for lsof -i; example: :8080")
    if found["family"]:
        so_far.flags.append(f"--ipv{found['family']}")
    if found["protocol"]:
        so_far.protocols.add(found["protocol"].lower())
    if found["host"]:
        yield f"host {found['host']}"
    if found["ports"]:
        yield f"port in {found['ports']}"


def _condition(letter: str, given: str) -> str:
    """Translate -p, -c, -u and -s to a condition."""
    if letter == "s":
        states = given.partition(":")[2] or given
        return " or ".join(f"state {name}" for name in states.split(","))
    if letter == "c":
        pattern = given.strip("/") if given.startswith("/") else f"^{re.escape(given)}"
        return f"process ~ '{pattern}'"
    key = _KEYS[letter]
    negated = [value[1:] for value in given.split(",") if value.startswith("^")]
    wanted = [value for value in given.split(",") if not value.startswith("^")]
    parts = [f"{key} in {','.join(wanted)}"] if wanted else []
    parts += [f"not {key} = {value}" for value in negated]
    return " and ".join(parts)
