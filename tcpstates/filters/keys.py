"""The keys of the filter language: their names, operators, values and meaning."""

from __future__ import annotations

from typing import NamedTuple

from tcpstates.filters import key_readers as take
from tcpstates.filters.numeric_conditions import (
    Idle,
    Retransmits,
    RoundTrip,
)
from tcpstates.filters.process_conditions import (
    ProcessId,
)

# Every spelling of an operator, and its canonical spelling.
OPERATORS = {
    **dict.fromkeys(("=", "==", "eq"), "="),
    **dict.fromkeys(("!=", "ne", "neq"), "!="),
    **dict.fromkeys(("<", "lt"), "<"),
    **dict.fromkeys(("<=", "le", "leq"), "<="),
    **dict.fromkeys((">", "gt"), ">"),
    **dict.fromkeys((">=", "ge", "geq"), ">="),
    "~": "~",
    "!~": "!~",
    "in": "in",
}
# Each negated operator, and the operator that it negates.
NEGATIONS = {"!=": "=", "!~": "~", "not in": "in"}

_EQUAL = ("=", "!=", "in", "not in")
_ORDER = ("<", "<=", ">", ">=")


class Key(NamedTuple):
    """A key: the operators that it takes, and the function that reads its values."""

    operators: tuple[str, ...]
    read: take.Reader  # the operator is never a negation
    value: str = ""  # describes a value, in messages and completion
    free_text: bool = False  # a value may contain any character
    may_stand_alone: bool = False
    # ss has no such key, and the shell may have taken `>= 1` for a redirection.
    needs_operator: bool = False


_HOST = "a host or network, optionally with :port"
_PORT = "a port or service"
_NUMBER_TEXT = "a whole number"
_BYTES = "a size such as 64k or 1M"
_DURATION = "a time such as 20ms, 5s or 5m"

KEYS: dict[str, Key] = {
    "state": Key(_EQUAL, take.states, "a state or group"),
    "src": Key(_EQUAL, take.endpoints("local"), _HOST),
    "dst": Key(_EQUAL, take.endpoints("remote"), _HOST),
    "host": Key(_EQUAL, take.endpoints("local", "remote"), _HOST),
    "sport": Key((*_EQUAL, *_ORDER), take.ports("local"), _PORT),
    "dport": Key((*_EQUAL, *_ORDER), take.ports("remote"), _PORT),
    "port": Key(_EQUAL, take.ports("local", "remote"), _PORT),
    "listener": Key(_EQUAL, take.listener, _PORT, may_stand_alone=True),
    "autobound": Key((), take.autobound, may_stand_alone=True),
    "dev": Key(_EQUAL, take.device, "an interface"),
    "fwmark": Key(("=", "!="), take.mark, "a number or number/mask"),
    "cgroup": Key(
        ("=", "!="), take.cgroup, "a path in the cgroup v2 tree", free_text=True
    ),
    "process": Key((*_EQUAL, "~", "!~"), take.process, "a name", free_text=True),
    "on-host": Key(_EQUAL, take.on_host, "a host of --host", free_text=True),
    "netns": Key(_EQUAL, take.netns, "a network namespace", free_text=True),
    "container": Key(_EQUAL, take.place("container"), "a name", free_text=True),
    "pod": Key(_EQUAL, take.place("pod"), "NAMESPACE/NAME", free_text=True),
    "unit": Key(_EQUAL, take.place("unit"), "a systemd unit", free_text=True),
    "pid": Key((*_EQUAL, *_ORDER), take.whole_number(ProcessId), _NUMBER_TEXT),
    "user": Key(_EQUAL, take.user, "a login name or a uid"),
    "inode": Key(
        (*_EQUAL, *_ORDER),
        take.whole_number(take.inode),
        _NUMBER_TEXT,
        needs_operator=True,
    ),
    "recv-q": Key(
        ("=", "!=", *_ORDER), take.size("recv_q"), _BYTES, needs_operator=True
    ),
    "send-q": Key(
        ("=", "!=", *_ORDER), take.size("send_q"), _BYTES, needs_operator=True
    ),
    "retrans": Key(
        (*_EQUAL, *_ORDER),
        take.whole_number(Retransmits),
        _NUMBER_TEXT,
        needs_operator=True,
    ),
    "timer": Key(_EQUAL, take.timer, "a timer"),
    "age": Key(_ORDER, take.age, _DURATION),
    "idle": Key(_ORDER, take.duration(Idle), _DURATION),
    "rtt": Key(_ORDER, take.duration(RoundTrip), _DURATION),
}
# Aliases: column names, and spellings that people try first.
ALIASES = {
    "local": "src",
    "remote": "dst",
    "local-address": "src",
    "remote-address": "dst",
    "local-port": "sport",
    "remote-port": "dport",
    "proc": "process",
    "comm": "process",
    "command": "process",
    "program": "process",
    "uid": "user",
    "interface": "dev",
    "iface": "dev",
    "mark": "fwmark",
    "retransmits": "retrans",
}


_BY_SPELLING = {take.reduce_name(name): name for name in KEYS}
_BY_SPELLING |= {take.reduce_name(alias): name for alias, name in ALIASES.items()}


def find_key(text: str) -> str | None:
    """Look up a key by any of its spellings; None if there is none."""
    return _BY_SPELLING.get(take.reduce_name(text))
