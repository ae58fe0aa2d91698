"""Conditions on numbers of sockets: the thresholds of `check`, and what --until awaits.

One grammar: `close_wait<1`, `total=10:5000`. A threshold raises an alert where a
condition is met by an operator, and where it is not met by a range.
"""

from __future__ import annotations

import re
from math import inf
from typing import NamedTuple

from tcpstates.states import find_group, find_state, find_states, nearest_states
from tcpstates.wording import did_you_mean


class Threshold(NamedTuple):
    """The numbers of sockets in some states for which the check alerts."""

    name: str
    states: frozenset[str] | None  # None: every socket
    low: float
    high: float
    inside: bool  # alert inside the range, not outside
    text: str  # the range, for performance data
    written: str = ""  # as the user gave it
    is_range: bool = False  # given by = and a range, not by an operator

    def is_met(self, number: int) -> bool:
        """Whether a number is as the condition says: in the range, or compares so."""
        return self.is_crossed(number) is not self.is_range

    def is_crossed(self, number: int) -> bool:
        """Whether a number raises an alert."""
        return (self.low <= number <= self.high) is self.inside

    def problem(self, number: int) -> str:
        """Describe how a number crosses the threshold."""
        if self.inside:
            is_open = self.high == inf
            return f"{self.low:g} or more" if is_open else f"in {self.text[1:]}"
        if number < self.low:
            return f"under {self.low:g}"
        return f"over {self.high:g}"


_SPEC = re.compile(r"\s*([^\s=<>]+)\s*(<=|>=|=|<|>)\s*(\S+)\s*")
_RANGE = re.compile(r"(@?)(?:(~|[0-9]{1,15}):)?([0-9]{1,15})?")


def parse_threshold(text: str) -> Threshold:
    """Parse `close_wait=500`, `listen<1`, `total=10:5000`; ValueError if invalid.

    A range of the monitoring plugins follows =: 10 is 0 to 10, 10: is 10 and more,
    ~:10 is 10 and less. Numbers outside the range alert; with @, numbers inside.
    """
    found = _SPEC.fullmatch(text)
    if not found:
        raise ValueError("expected NAME=RANGE, such as close_wait=500 or 'listen<1'")
    name, operator, value = found.groups()
    states, canonical = None, "total"
    if name.lower() != "total":
        chosen = find_states(name)
        if chosen is None:
            near = (word.lower() for word in nearest_states(name))
            hint = did_you_mean(near, "use a state, group or total")
            raise ValueError(f"unknown state '{name}'{hint}")
        states = frozenset(map(str, chosen))
        single = find_state(name)
        canonical = str(single).lower() if single else str(find_group(name))
    if operator != "=":
        if not re.fullmatch("[0-9]{1,15}", value):
            raise ValueError(f"expected a whole number after {operator}")
        value = _range_of(operator, int(value))
    low, high, inside = _parse_range(value)
    return Threshold(
        canonical, states, low, high, inside, value, text.strip(), operator == "="
    )


def _range_of(operator: str, bound: int) -> str:
    """Return the range outside which a number compares like this with a bound."""
    match operator:
        case "<":
            return f"{bound}:"
        case "<=":
            return f"{bound + 1}:"
        case ">":
            return f"~:{bound}"
        case _:
            return f"@{bound}:"


def _parse_range(text: str) -> tuple[float, float, bool]:
    found = _RANGE.fullmatch(text)
    if not found or (found[2] is None and found[3] is None):
        raise ValueError(f"invalid range '{text}'; use 10, 10:, ~:10, 10:20 or @10:20")
    low = -inf if found[2] == "~" else float(found[2] or 0)
    high = inf if found[3] is None else float(found[3])
    if low > high:
        raise ValueError(f"range '{text}' starts above its end")
    return low, high, bool(found[1])
