"""How the values of each key of the filter language become conditions."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence

from tcpstates.capabilities import Capability
from tcpstates.fields import ColumnName, Side
from tcpstates.filters.conditions import (
    Autobound,
    Cgroup,
    Condition,
    Device,
    InStates,
    Mark,
    Ranges,
)
from tcpstates.filters.endpoints import (
    read_endpoints,
    read_interface,
    read_port_ranges,
    read_ports,
)
from tcpstates.filters.listeners import ListenerCondition
from tcpstates.filters.named_places import Netns, OnHost
from tcpstates.filters.numeric_conditions import (
    Age,
    Number,
    Timer,
    User,
)
from tcpstates.filters.process_conditions import (
    PlaceCondition,
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

Reader = Callable[[str, Sequence[str], Lookup], Expression]


def reduce_name(text: str) -> str:
    """Normalise a spelling: lower case, without hyphens and underscores."""
    return text.lower().replace("-", "").replace("_", "")


def states(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read states and groups."""
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


def endpoints(*sides: Side) -> Reader:
    """Return what reads hosts and networks, with ports, of these sides."""

    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        return AnyOf(tuple(read_endpoints(side, texts, lookup) for side in sides))

    return read


def ports(*sides: Side) -> Reader:
    """Return what reads ports of these sides."""

    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        return AnyOf(tuple(read_ports(side, operator, texts, lookup) for side in sides))

    return read


def whole_number(make: Callable[[Ranges], Condition]) -> Reader:
    """Return what reads whole numbers."""

    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        return make(read_ranges(operator, texts))

    return read


def inode(ranges: Ranges) -> Condition:
    """Compare the inode."""
    return Number("inode", ranges, Capability.INODE)


def size(column: ColumnName) -> Reader:
    """Return what reads a size in bytes, for a column."""

    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        ranges = compared(operator, read_size(texts[0]), whole=True)
        return Number(column, ranges, Capability.QUEUES)

    return read


def duration(make: Callable[[Ranges], Condition]) -> Reader:
    """Return what reads a duration."""

    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        return make(compared(operator, read_time(texts[0])))

    return read


def age(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read the age of a state."""
    return Age(compared(operator, read_time(texts[0])), lookup.fin_timeout_ms())


def device(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read interfaces."""
    indexes = frozenset(read_interface(text, lookup) for text in texts)
    return Device(indexes, frozenset(texts))


def mark(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read a firewall mark, with or without a mask."""
    mark, slash, mask = texts[0].partition("/")
    numbers = read_number(mark), read_number(mask) if slash else 0xFFFFFFFF
    if max(numbers) > 0xFFFFFFFF:
        raise BadValue("a firewall mark has 32 bits; the highest is 0xffffffff")
    return Mark(*numbers)


def cgroup(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read the path of a cgroup."""
    number = lookup.cgroup(texts[0])
    if number is None:
        raise BadValue(
            f"unknown cgroup '{texts[0]}'; option -e shows the cgroups of sockets"
        )
    return Cgroup(number)


def netns(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read names of network namespaces."""
    return Netns(frozenset(texts))


def on_host(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read names of hosts, as --host has named them."""
    return OnHost(frozenset(texts))


def place(column: ColumnName) -> Reader:
    """Return what reads names of containers, pods or units."""

    def read(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
        return PlaceCondition(column, frozenset(texts))

    return read


def user(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read login names and uids."""
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


def timer(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read names of timers."""
    kinds = set()
    for text in texts:
        kind = _TIMER_WORDS.get(reduce_name(text))
        if kind is None:
            raise BadValue(f"unknown timer '{text}'; the timers are {' '.join(TIMERS)}")
        kinds.add(kind)
    return Timer(frozenset(kinds))


def process(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read names of programs, or a pattern."""
    if operator != "~":
        return ProcessName(map(os.fsencode, texts))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about future changes of `re` syntax
            return ProcessPattern(re.compile(texts[0]))
    except (re.error, OverflowError, RecursionError) as error:
        raise BadValue(f"invalid regular expression '{texts[0]}': {error}") from error


def listener(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Read ports of listeners; none: any port."""
    return ListenerCondition(read_port_ranges(operator, texts or ("*",), lookup))


def autobound(operator: str, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Select local ports of the ephemeral range."""
    return Autobound("local", (lookup.port_range(),))
