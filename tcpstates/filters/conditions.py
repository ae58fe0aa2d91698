"""The conditions of a filter, each tested on a whole batch of sockets at once.

This module has the base classes and the conditions that the kernel supports too (see
`bytecode`). Those in `measures` and `holders` are tested in this process only.

The result for a socket is True, False, or None if it cannot be determined: its process
may be hidden, or its age known only within bounds. A value that a socket cannot have,
such as the round-trip time of a TIME_WAIT socket, gives False, not None.

Addresses, ports, users and the like repeat, so results are cached by value: 0.04 us
per socket, however long the condition is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.fields import ADDRESS, PORT, ColumnName, Side
from tcpstates.states import AnyState

Answer = Sequence["bool | None"]
Ranges = tuple[tuple[float, float], ...]  # both bounds are inclusive

LAST_PORT = 65535
_MOST_REMEMBERED = 65_536


class Undecidable(Exception):
    """The source did not report what a condition needs; the text gives the reason."""


class Condition:
    """A test on sockets; `needs` lists what the source must provide for it."""

    needs: ClassVar[tuple[Capability, ...]] = ()

    def test(self, batch: Batch) -> Answer:
        """Test each socket: True, False, or None if it cannot be determined."""
        raise NotImplementedError


class AnswerCache(dict[Any, "bool | None"]):
    """A bounded cache of results by value."""

    def __init__(self, judge: Callable[[Any], bool | None]) -> None:
        self._judge = judge
        super().__init__()

    def __missing__(self, value: Any) -> bool | None:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        verdict = self[value] = self._judge(value)
        return verdict


class ColumnCondition(Condition):
    """A condition on a column whose values repeat."""

    column: ColumnName

    def __init__(self) -> None:
        self._verdicts = AnswerCache(self.judge)

    def judge(self, value: Any) -> bool | None:
        """Test one value of the column."""
        raise NotImplementedError

    def test(self, batch: Batch) -> Answer:
        """Test each socket."""
        return list(map(self._verdicts.__getitem__, batch.column(self.column)))


class InStates(ColumnCondition):
    """Whether the socket is in one of these states."""

    column: ColumnName = "state_label"

    def __init__(self, states: frozenset[AnyState], *, unknown: bool) -> None:
        """Select `states`; if `unknown`, also states that have no name here."""
        super().__init__()
        self.states = states
        self.unknown = unknown

    def judge(self, value: str) -> bool:
        """Test a displayed state."""
        return self.unknown if value.startswith("UNKNOWN") else value in self.states


def in_ranges(value: float, ranges: Ranges) -> bool:
    """Check whether a number is in one of the ranges."""
    return any(low <= value <= high for low, high in ranges)


def each_in_ranges(values: Sequence[float | None], ranges: Ranges) -> list[bool]:
    """Check each number of a column; None, an unknown one, is in no range."""
    if len(ranges) == 1:  # nearly always; saves 0.5 us per number
        ((low, high),) = ranges
        return [n is not None and low <= n <= high for n in values]
    return [n is not None and in_ranges(n, ranges) for n in values]


def joined_ranges(numbers: Iterable[int]) -> Ranges:
    """Turn numbers into ranges, and merge consecutive numbers."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges)


class Ports(ColumnCondition):
    """Whether one side's port is in one of the ranges; 0 is the wildcard."""

    def __init__(self, side: Side, ranges: Ranges) -> None:
        super().__init__()
        self.side = side
        self.ranges = ranges
        self.column = PORT[side]
        merged: list[tuple[float, float]] = []
        for low, high in sorted(ranges):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        self._lows = [low for low, _ in merged]
        self._highs = [high for _, high in merged]

    def judge(self, value: int | None) -> bool | None:
        """Test one port; None is a service name of a saved listing, unknown here."""
        if value is None:
            return None
        place = bisect_right(self._lows, value) - 1
        return place >= 0 and value <= self._highs[place]


class Autobound(Ports):
    """Whether the local port is in the system's ephemeral port range."""


class Prefix(NamedTuple):
    """A network: the first `bits` bits of `address`, of 4 or of 16 bytes.

    As in the kernel, an IPv4 network also contains IPv4-mapped IPv6 addresses.
    """

    address: bytes
    bits: int

    @property
    def family(self) -> str:
        """The address family: `ipv4` or `ipv6`."""
        return "ipv4" if len(self.address) == 4 else "ipv6"


_MAPPED = bytes(10) + b"\xff\xff"


class Hosts(ColumnCondition):
    """Whether one side's address is in one of the networks."""

    def __init__(self, side: Side, prefixes: tuple[Prefix, ...]) -> None:
        super().__init__()
        self.side = side
        self.prefixes = prefixes
        self.column = ADDRESS[side]
        # Keyed by address length and shift: all networks of one size take one lookup.
        self._networks: dict[tuple[int, int], set[int]] = {}
        for address, bits in prefixes:
            shift = 8 * len(address) - bits
            network = int.from_bytes(address, "big") >> shift
            self._networks.setdefault((len(address), shift), set()).add(network)

    def judge(self, value: str) -> bool | None:
        """Test one address given as text; None if it is a host name instead."""
        from socket import AF_INET, AF_INET6, inet_pton

        family = AF_INET6 if ":" in value else AF_INET
        try:
            packed = inet_pton(family, value.partition("%")[0])
        except (OSError, ValueError):  # a saved listing's host name, or truncated
            return None
        forms = {len(packed): int.from_bytes(packed, "big")}
        if packed[:12] == _MAPPED:
            forms[4] = int.from_bytes(packed[12:], "big")
        return any(
            length in forms and forms[length] >> shift in networks
            for (length, shift), networks in self._networks.items()
        )


class FamilyCondition(Condition):
    """Whether the socket has this address family, even if its addresses are mapped."""

    def __init__(self, family: str) -> None:
        self.family = family

    def test(self, batch: Batch) -> Answer:
        """Return one result for all: the sockets of a batch share their family."""
        return [batch.family == self.family] * len(batch)


class Device(ColumnCondition):
    """Whether the socket is bound to one of these interfaces."""

    needs = (Capability.INTERFACE,)
    column: ColumnName = "interface_index"

    def __init__(
        self, indexes: frozenset[int], names: frozenset[str] = frozenset()
    ) -> None:
        """Take interface indexes, and the names that saved listings have instead."""
        super().__init__()
        self.indexes = indexes
        self.names = names

    def judge(self, value: int | None) -> bool | None:
        """Test one interface index."""
        return None if value is None else value in self.indexes

    def test(self, batch: Batch) -> Answer:
        """Test each socket."""
        reported = batch.get("interface_name")
        if reported is None:
            return super().test(batch)
        return [None if name is None else name in self.names for name in reported]


class Mark(ColumnCondition):
    """Whether the firewall mark, masked, is this one."""

    needs = (Capability.MARK,)
    column: ColumnName = "mark"

    def __init__(self, mark: int, mask: int) -> None:
        super().__init__()
        self.mark = mark
        self.mask = mask

    def judge(self, value: int | None) -> bool | None:
        """Test one mark."""
        return None if value is None else value & self.mask == self.mark

    def test(self, batch: Batch) -> Answer:
        """Test each socket; Undecidable if the kernel hides the marks."""
        answers = super().test(batch)
        is_known = batch.get(self.column) is not None
        if is_known and len(batch) and answers.count(None) == len(answers):
            raise Undecidable(
                "firewall marks are visible only with CAP_NET_ADMIN; run as root"
            )
        return answers


class Cgroup(ColumnCondition):
    """Whether the socket was created in this cgroup."""

    needs = (Capability.CGROUP,)
    column: ColumnName = "cgroup_id"

    def __init__(self, number: int) -> None:
        """Take the cgroup's ID, which is the inode of its directory."""
        super().__init__()
        self.number = number

    def judge(self, value: int | None) -> bool:
        """Test one cgroup ID; half-open and TIME_WAIT sockets have none."""
        return value == self.number

    def test(self, batch: Batch) -> Answer:
        """Test each socket; None if the batch has no cgroups."""
        if batch.get(self.column) is None:
            return [None] * len(batch)
        return super().test(batch)
