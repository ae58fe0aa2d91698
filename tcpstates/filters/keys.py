"""The keys of the filter language: their names, operators, values and meaning."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tcpstates.capabilities import Capability
from tcpstates.fields import ColumnName, Side
from tcpstates.filters.conditions import (
    Autobound,
    Cgroup,
    Condition,
    Device,
    InStates,
    Mark,
    Netns,
    Ranges,
)
from tcpstates.filters.endpoints import (
    read_endpoints,
    read_interface,
    read_port_ranges,
    read_ports,
)
from tcpstates.filters.listeners import ListenerCondition
from tcpstates.filters.numeric_conditions import (
    Age,
    Idle,
    Number,
    Retransmits,
    RoundTrip,
    Timer,
    User,
)
from tcpstates.filters.process_conditions import (
    PlaceCondition,
    ProcessId,
    ProcessName,
    ProcessPattern,
)
from tcpstates.filters.syntax import AnyOf, Expression
from tcpstates.filters.values import (
    BadValue,
    Lookup,
    compared,
    read_number,
    read_ranges,
    read_size,
    read_time,
)
from tcpstates.states import AnyState, find_states, joined_state_names, nearest_states
from tcpstates.wording import did_you_mean, nearest

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

Reader = Callable[[str, Sequence[str], Lookup], Expression]


class Key(NamedTuple):
    """A key: the operators that it takes, and the function that reads its values."""

    operators: tuple[str, ...]
    read: Reader  # the operator is never a negation
    value: str = ""  # describes a value, in messages and completion
    free_text: bool = False  # a value may contain any character
    may_stand_alone: bool = False
    # ss has no such key, and the shell may have taken `>= 1` for a redirection.
    needs_operator: bool = False


def _states(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    chosen: frozenset[AnyState] = frozenset()
    return InStates(chosen.union(*map(read_states, texts)), unknown=False)


def read_states(text: str) -> frozenset[AnyState]:
    """Return the states that a name selects; BadValue suggests the nearest ones."""
    found = find_states(text)
    if found is None:
        near = (name.lower() for name in nearest_states(text))
        hint = did_you_mean(near, f"the states are {joined_state_names()}")
        raise BadValue(f"unknown state '{text}'{hint}")
    return found


def _endpoints(*sides: Side) -> Reader:
    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        return AnyOf(tuple(read_endpoints(side, texts, lookup) for side in sides))

    return read


def _ports(*sides: Side) -> Reader:
    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        return AnyOf(tuple(read_ports(side, operator, texts, lookup) for side in sides))

    return read


def _number(make: Callable[[Ranges], Condition]) -> Reader:
    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        return make(read_ranges(operator, texts))

    return read


def _inode(ranges: Ranges) -> Condition:
    return Number("inode", ranges, Capability.INODE)


def _bytes(column: ColumnName) -> Reader:
    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        ranges = compared(operator, read_size(texts[0]), whole=True)
        return Number(column, ranges, Capability.QUEUES)

    return read


def _time(make: Callable[[Ranges], Condition]) -> Reader:
    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        return make(compared(operator, read_time(texts[0])))

    return read


def _age(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    return Age(compared(operator, read_time(texts[0])), lookup.fin_timeout_ms())


def _device(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    indexes = frozenset(read_interface(text, lookup) for text in texts)
    return Device(indexes, frozenset(texts))


def _mark(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    mark, slash, mask = texts[0].partition("/")
    numbers = read_number(mark), read_number(mask) if slash else 0xFFFFFFFF
    if max(numbers) > 0xFFFFFFFF:
        raise BadValue("a firewall mark has 32 bits; the highest is 0xffffffff")
    return Mark(*numbers)


def _cgroup(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    number = lookup.cgroup(texts[0])
    if number is None:
        raise BadValue(
            f"unknown cgroup '{texts[0]}'; option -e shows the cgroups of sockets"
        )
    return Cgroup(number)


def _netns(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    return Netns(frozenset(texts))


def _place(column: ColumnName) -> Reader:
    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        return PlaceCondition(column, frozenset(texts))

    return read


def _user(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    uids = set()
    for text in texts:
        uid = read_number(text) if text.isdecimal() else lookup.uid(text)
        if uid is None and lookup.compares_names:
            continue
        if uid is None or uid > 0xFFFFFFFF:
            near = did_you_mean(nearest(text, lookup.names("user")))
            raise BadValue(f"unknown user '{text}'{near}")
        uids.add(uid)
    return User(frozenset(uids), frozenset(texts))


_TIMER_WORDS = {
    "off": "off",
    "retransmit": "retransmit",
    "on": "retransmit",  # ss, net-tools
    "keepalive": "keepalive",
    "timewait": "time-wait",
    "probe": "probe",
    "persist": "probe",  # ss
    "delayedack": "delayed-ack",
    "delack": "delayed-ack",  # ss
}
TIMERS = tuple(dict.fromkeys(_TIMER_WORDS.values()))


def _timer(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    kinds = set()
    for text in texts:
        kind = _TIMER_WORDS.get(reduce_name(text))
        if kind is None:
            raise BadValue(f"unknown timer '{text}'; the timers are {' '.join(TIMERS)}")
        kinds.add(kind)
    return Timer(frozenset(kinds))


def _process(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    if operator != "~":
        return ProcessName(map(os.fsencode, texts))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about future changes of `re` syntax
            return ProcessPattern(re.compile(texts[0]))
    except (re.error, OverflowError, RecursionError) as error:
        raise BadValue(f"invalid regular expression '{texts[0]}': {error}") from error


def _listener(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    return ListenerCondition(read_port_ranges(operator, texts or ("*",), lookup))


def _autobound(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    return Autobound("local", (lookup.port_range(),))


_HOST = "a host or network, optionally with :port"
_PORT = "a port or service"
_NUMBER_TEXT = "a whole number"
_BYTES = "a size such as 64k or 1M"
_DURATION = "a time such as 20ms, 5s or 5m"

KEYS: dict[str, Key] = {
    "state": Key(_EQUAL, _states, "a state or group"),
    "src": Key(_EQUAL, _endpoints("local"), _HOST),
    "dst": Key(_EQUAL, _endpoints("remote"), _HOST),
    "host": Key(_EQUAL, _endpoints("local", "remote"), _HOST),
    "sport": Key((*_EQUAL, *_ORDER), _ports("local"), _PORT),
    "dport": Key((*_EQUAL, *_ORDER), _ports("remote"), _PORT),
    "port": Key(_EQUAL, _ports("local", "remote"), _PORT),
    "listener": Key(_EQUAL, _listener, _PORT, may_stand_alone=True),
    "autobound": Key((), _autobound, may_stand_alone=True),
    "dev": Key(_EQUAL, _device, "an interface"),
    "fwmark": Key(("=", "!="), _mark, "a number or number/mask"),
    "cgroup": Key(("=", "!="), _cgroup, "a path in the cgroup v2 tree", free_text=True),
    "process": Key((*_EQUAL, "~", "!~"), _process, "a name", free_text=True),
    "netns": Key(_EQUAL, _netns, "a network namespace", free_text=True),
    "container": Key(_EQUAL, _place("container"), "a name", free_text=True),
    "pod": Key(_EQUAL, _place("pod"), "NAMESPACE/NAME", free_text=True),
    "unit": Key(_EQUAL, _place("unit"), "a systemd unit", free_text=True),
    "pid": Key((*_EQUAL, *_ORDER), _number(ProcessId), _NUMBER_TEXT),
    "user": Key(_EQUAL, _user, "a login name or a uid"),
    "inode": Key(
        (*_EQUAL, *_ORDER), _number(_inode), _NUMBER_TEXT, needs_operator=True
    ),
    "recv-q": Key(("=", "!=", *_ORDER), _bytes("recv_q"), _BYTES, needs_operator=True),
    "send-q": Key(("=", "!=", *_ORDER), _bytes("send_q"), _BYTES, needs_operator=True),
    "retrans": Key(
        (*_EQUAL, *_ORDER), _number(Retransmits), _NUMBER_TEXT, needs_operator=True
    ),
    "timer": Key(_EQUAL, _timer, "a timer"),
    "age": Key(_ORDER, _age, _DURATION),
    "idle": Key(_ORDER, _time(Idle), _DURATION),
    "rtt": Key(_ORDER, _time(RoundTrip), _DURATION),
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


def reduce_name(text: str) -> str:
    """Normalise a spelling: lower case, without hyphens and underscores."""
    return text.lower().replace("-", "").replace("_", "")


_BY_SPELLING = {reduce_name(name): name for name in KEYS}
_BY_SPELLING |= {reduce_name(alias): name for alias, name in ALIASES.items()}


def find_key(text: str) -> str | None:
    """Look up a key by any of its spellings; None if there is none."""
    return _BY_SPELLING.get(reduce_name(text))
