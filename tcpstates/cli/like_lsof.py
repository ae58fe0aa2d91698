"""The options of lsof for internet sockets, in tcpstates' own.

As in lsof, several -i select the sockets of any of them, and so do -i, -p, -c and -u
together unless there is -a. -s restricts all, and so does a value that begins with ^.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from tcpstates.cli.like import Unsupported
from tcpstates.cli.real_tools import help_for, left_to_tool, version_for

# [46][protocol][@host][:service or port, ...], as lsof(8) has it.
_ADDRESS = re.compile(
    r"(?P<family>[46]?)(?P<protocol>(?i:tcp|udp)?)(?:@(?P<host>\[[^]]*\]|[^:]+))?"
    r"(?::(?P<ports>.+))?"
)
_CONDITIONS = "pcus"  # letters with a value that selects sockets
_KEYS = {"p": "pid", "u": "user"}
_FLAGS = {
    "n": "--numeric-hosts",
    "P": "--numeric-ports",
    "l": "--numeric-users",
    "t": "--count",
}
_FILES = "tcpstates knows sockets, not files"
_PLAIN = "VwbOXTEMo"  # what is not about sockets, or adds nothing here
_REFUSED = {
    "R": "for parents: ps -o pid,ppid,args -p PID",
    "g": "for process groups: ps -o pid,pgid,args -p PID",
    "F": "for output to parse: tcpstates -tuap --json",
    "r": "to repeat it: watch -n 1 'lsof -i'",
    "d": "for one descriptor: tcpstates -tuape",
    "U": "for unix sockets: ss -x",
}


def translate_lsof(arguments: list[str]) -> list[str]:
    """Return our arguments for those of lsof; UsageError for what we do not do."""
    found = _Found()
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        if argument in ("-h", "-?", "--help"):
            letters = (*_CONDITIONS, *_FLAGS, *_PLAIN, "a", "i")
            raise help_for("lsof", letters, _REFUSED)
        if argument == "-v":
            raise version_for("lsof")
        if argument.startswith("+"):
            continue  # +c, +M and the like change columns that are not ours
        if not argument.startswith("-"):
            raise left_to_tool("lsof", f"'{argument}':", arguments, why=_FILES)
        _read_letters(argument[1:], rest, found, arguments)
    if not found.kinds:
        raise left_to_tool("lsof", "lsof without -i:", arguments, why=_FILES)
    if len(found.kinds) > 1 and any(found.places):
        text = "-i with several protocols or families and an address: ask one by one"
        raise Unsupported(text)
    expression = found.expression()
    names = ["--like", "lsof", "--state-names", "netstat", "--all", "--processes"]
    return [*names, *found.flags, *_kind_flags(found.kinds), "--", *expression]


def _kind_flags(kinds: set[tuple[str, str]]) -> list[str]:
    """Return the flags for families and protocols, such as ("4", "tcp")."""
    families = {family for family, _ in kinds}
    protocols = {protocol for _, protocol in kinds}
    flags = [f"--ipv{f}" for f in sorted(families)] if "" not in families else []
    chosen = {"tcp", "udp"} if "" in protocols else protocols
    return flags + [f"--{protocol}" for protocol in sorted(chosen)]


@dataclass(slots=True)
class _Found:
    """What the options have asked for so far."""

    flags: list[str] = field(default_factory=list)
    kinds: set[tuple[str, str]] = field(default_factory=set)  # family, protocol
    places: list[str] = field(default_factory=list)  # conditions of -i; "": any
    chosen: list[str] = field(default_factory=list)  # those of -p, -c and -u
    required: list[str] = field(default_factory=list)
    is_and: bool = False

    def expression(self) -> list[str]:
        """Return the filter, as one argument or none."""
        some = [] if "" in self.places else [" or ".join(map(_inside, self.places))]
        if self.is_and:
            parts = [*some, *self.chosen]
        else:
            parts = [" or ".join(map(_inside, [*some, *self.chosen]))] if some else []
        joined = " and ".join(map(_inside, [*parts, *self.required]))
        return [joined] if joined else []


def _inside(condition: str) -> str:
    return f"({condition})"


def _read_letters(
    letters: str, rest: deque[str], found: _Found, arguments: list[str]
) -> None:
    """Read a group of letters, such as the "nPi:80" of -nPi:80."""
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter == "i":
            if not letters and rest and not rest[0].startswith(("-", "+")):
                letters = rest.popleft()  # -i :8080
            found.places.append(_address(letters, found))
            return
        if letter in _CONDITIONS:
            if letter == "s" and not letters and not (rest and ":" in rest[0]):
                continue  # the size column
            _condition(letter, letters or (rest.popleft() if rest else ""), found)
            return
        if letter == "a":
            found.is_and = True
        elif letter in _FLAGS:
            found.flags.append(_FLAGS[letter])
        elif letter in _REFUSED:
            raise Unsupported(f"lsof -{letter} is not supported; {_REFUSED[letter]}")
        elif letter not in _PLAIN:
            raise left_to_tool("lsof", f"lsof -{letter}", arguments)


def _address(text: str, found: _Found) -> str:
    """Translate what follows -i to a condition."""
    parts = _ADDRESS.fullmatch(text)
    if parts is None:
        raise Unsupported(f"invalid address '{text}' for lsof -i; example: :8080")
    found.kinds.add((parts["family"], parts["protocol"].lower()))
    conditions = []
    if parts["host"]:
        conditions.append(f"host {parts['host']}")
    if parts["ports"]:
        conditions.append(f"port in {parts['ports']}")
    return " and ".join(conditions)


def _condition(letter: str, given: str, found: _Found) -> None:
    """Translate -p, -c, -u and -s."""
    if letter == "c":
        pattern = given.strip("/") if given.startswith("/") else f"^{re.escape(given)}"
        found.chosen.append(f"process ~ '{pattern}'")
        return
    if letter == "s":
        names = (given.partition(":")[2] or given).split(",")
        wanted = [f"state {name}" for name in names if not name.startswith("^")]
        unwanted = [f"not state {name[1:]}" for name in names if name.startswith("^")]
    else:
        key, values = _KEYS[letter], given.split(",")
        listed = ",".join(value for value in values if not value.startswith("^"))
        wanted = [f"{key} in {listed}"] if listed else []
        unwanted = [f"not {key} = {v[1:]}" for v in values if v.startswith("^")]
    joined = [" or ".join(wanted)] if wanted else []
    if letter == "s":
        found.required += joined
    else:
        found.chosen += joined
    found.required += unwanted
