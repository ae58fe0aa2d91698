"""The flags of ss, netstat and lsof, in tcpstates' own.

A flag keeps the meaning that it has in its tool, or is refused with the command that
does it. Words that are not flags are filters.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import click

_BOTH = ["--tcp", "--udp"]
_ROUTES = "for routes: ip route"
_INTERFACES = "for interfaces: ip -s link"
_STATISTICS = "for counters of the protocols: nstat -az"
_REPEAT = "to repeat it: watch -n 1, and the command without -c"
_GROUPS = "for multicast groups: ip maddress"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    """A tool's flags."""

    state_names: str
    # What a flag means here; "" if tcpstates does that anyway.
    letters: dict[str, str]
    words: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # and what does it
    with_value: dict[str, dict[str, str]] = field(default_factory=dict)


_COMMON = {
    "a": "--all",
    "l": "--listening",
    "n": "--numeric",
    "p": "--processes",
    "t": "--tcp",
    "u": "--udp",
    "4": "--ipv4",
    "6": "--ipv6",
}
# Tables of ss -A; its inet has IPv6, too.
_TABLES = {"inet": "--tcp --udp", "tcp": "--tcp", "udp": "--udp"}
_FAMILIES = {"inet": "--ipv4", "inet6": "--ipv6", "tcp": "--tcp", "udp": "--udp"}
_LONG = {
    "--all": "--all",
    "--listening": "--listening",
    "--numeric": "--numeric",
    "--numeric-hosts": "--numeric-hosts",
    "--numeric-ports": "--numeric-ports",
    "--numeric-users": "--numeric-users",
    "--processes": "--processes",
    "--program": "--processes",
    "--programs": "--processes",
    "--tcp": "--tcp",
    "--udp": "--udp",
    "--ipv4": "--ipv4",
    "--ipv6": "--ipv6",
    "--inet": "--ipv4",
    "--inet6": "--ipv6",
    "--extend": "--extended",
    "--extended": "--extended",
    "--timers": "--timers",
    "--options": "--timers",
    "--info": "--info",
    "--memory": "--memory",
    "--wide": "--wide",
    "--verbose": "",
    "--no-header": "--no-header",
    "--oneline": "--wide",
    "--threads": "--processes",
    "--resolve": "--resolve",
    "--summary": "--summary",
}
_SS = _Dialect(
    state_names="ss",
    letters=_COMMON
    | {
        "e": "--extended --timers",
        "o": "--timers",
        "i": "--info",
        "m": "--memory",
        "r": "--resolve",
        "s": "--summary",
        "H": "--no-header",
        "O": "--wide",
        "T": "--processes",
    },
    words=_LONG,
    refused={
        "K": "tcpstates changes nothing: {ss} -K closes sockets",
        "E": "for a stream of closed sockets: {ss} -E",
        "N": "run it in the namespace: ip netns exec NAME, and the command",
        "x": "for unix sockets: {ss} -x",
        "w": "for raw sockets: {ss} -w",
        "0": "for packet sockets: {ss} -0",
        "d": "for DCCP: {ss} -d",
        "S": "for SCTP: {ss} -S",
        "M": "for MPTCP: {ss} -M",
        "Z": "for security contexts: {ss} -Z",
        "b": "for socket filters: {ss} -b",
    },
    with_value={"f": _FAMILIES, "A": _TABLES},
)
_NETSTAT = _Dialect(
    state_names="netstat",
    letters=_COMMON
    | {"e": "--extended", "o": "--timers", "W": "--wide", "T": "--wide", "v": ""},
    words=_LONG,
    refused={
        "r": _ROUTES,
        "i": _INTERFACES,
        "s": _STATISTICS,
        "c": _REPEAT,
        "g": _GROUPS,
        "M": "for translated connections: conntrack -L",
        "x": "for unix sockets: {ss} -x",
        "w": "for raw sockets: {ss} -w",
        "S": "for SCTP: {ss} -S",
        "Z": "for security contexts: {ss} -Z",
    },
    with_value={"A": _FAMILIES},
)
_BSD = _Dialect(
    state_names="bsd",
    letters={"a": "--all", "n": "--numeric", "W": "--wide", "v": "", "l": "--wide"},
    refused={
        "r": _ROUTES,
        "i": _INTERFACES,
        "s": _STATISTICS,
        "w": _REPEAT,
        "g": _GROUPS,
        "m": "for buffers: tcpstates -tanm",
        "L": "for accept queues: tcpstates -ltn (Recv-Q and Send-Q)",
    },
    with_value={"p": _FAMILIES, "f": _FAMILIES},
)
_WINDOWS = _Dialect(
    state_names="windows",
    letters={
        "a": "--all",
        "n": "--numeric",
        "o": "--timers",
        "b": "--processes",
        "f": "",
        "q": "--all",
        "t": "",
    },
    refused={"r": _ROUTES, "e": _INTERFACES, "s": _STATISTICS},
    with_value={
        "p": {
            "tcp": "--tcp --ipv4",
            "udp": "--udp --ipv4",
            "tcpv6": "--tcp --ipv6",
            "udpv6": "--udp --ipv6",
        }
    },
)
_DIALECTS = {"ss": _SS, "netstat": _NETSTAT, "bsd": _BSD, "windows": _WINDOWS}
# Options of tcpstates that no other tool has; they can be combined with its flags.
_OURS = ("--source", "--from", "--by", "--output")


def translate_flags(tool: str, arguments: list[str]) -> list[str]:
    """Return our arguments for those of a tool; UsageError for what we do not do."""
    if tool == "lsof":
        from tcpstates.cli.like_lsof import translate_lsof

        return translate_lsof(arguments)
    dialect = _DIALECTS[tool]
    flags: list[str] = []
    words: list[str] = []
    prefixes = ("-", "/") if tool == "windows" else ("-",)
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            words += rest
        elif argument.startswith(_OURS) or argument in ("-h", "--help", "-V"):
            flags.append(argument)
            if argument in _OURS:
                flags += _next(rest, argument)
        elif argument.startswith("--"):
            flags += _long(dialect, argument, rest)
        elif argument.startswith(prefixes) and len(argument) > 1:
            flags += _letters(tool, dialect, argument[1:], rest)
        else:
            words.append(argument)
    if tool == "windows" and words and words[-1].isdecimal():
        raise click.UsageError(f"'{words[-1]}' is an interval; {_REPEAT}")
    if not {"--tcp", "--udp"} & set(flags):
        flags = _BOTH + flags
    names = ["--like", tool, "--state-names", dialect.state_names]
    return [*names, *flags, "--", *words]


def _letters(
    tool: str, dialect: _Dialect, letters: str, rest: Iterator[str]
) -> Iterator[str]:
    """Translate a group of letters such as the "antp" of -antp."""
    for place, letter in enumerate(letters):
        known = letter.lower() if tool == "windows" else letter
        values = dialect.with_value.get(known)
        if values is not None:
            given = letters[place + 1 :] or next(rest, "")
            yield from _values(f"-{letter}", values, given)
            return
        if known in dialect.refused:
            raise click.UsageError(f"{tool} -{letter}: {_refusal(dialect, known)}")
        if known not in dialect.letters:
            raise click.UsageError(f"unknown option '-{letter}' of {tool}")
        yield from dialect.letters[known].split()


def _refusal(dialect: _Dialect, letter: str) -> str:
    """Say what does it; ss itself by its path, as its name may lead back here."""
    return dialect.refused[letter].format(ss=_real_ss())


def _real_ss() -> str:
    """Find the program ss, not a link to tcpstates."""
    ours = os.path.realpath(sys.argv[0])
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, "ss")
        if os.access(path, os.X_OK) and os.path.realpath(path) != ours:
            return path
    return "ss"


def _long(dialect: _Dialect, argument: str, rest: Iterator[str]) -> Iterator[str]:
    """Translate a long option."""
    name, equals, value = argument.partition("=")
    if name in ("--protocol", "--family", "--query", "--socket") and dialect.with_value:
        given = value if equals else next(rest, "")
        is_table = name in ("--query", "--socket")  # the long forms of ss -A
        yield from _values(name, _TABLES if is_table else _FAMILIES, given)
        return
    if name not in dialect.words:
        raise click.UsageError(f"unknown option '{name}'")
    yield from dialect.words[name].split()


def _values(option: str, values: dict[str, str], given: str) -> Iterator[str]:
    """Translate a list of families or protocols."""
    for part in given.split(","):
        found = values.get(part.lower())
        if found is None:
            text = f"'{part}' for {option}: tcpstates shows {', '.join(values)} only"
            raise click.UsageError(text)
        yield from found.split()


def _next(rest: Iterator[str], option: str) -> list[str]:
    value = next(rest, None)
    if value is None:
        raise click.UsageError(f"option '{option}' requires an argument")
    return [value]
