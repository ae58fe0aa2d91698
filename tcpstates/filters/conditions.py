"""What a filter can ask of sockets, answered for a batch at once.

Here is what a condition is, and those that the kernel understands (`bytecode`); those
of `measures` and `holders` are answered only here.

An answer is one of three: True, False, or None where nobody can tell (the process
of a socket may be hidden; an age may be known as bounds only). What a socket does
not have at all, as a TIME_WAIT socket no round-trip time, is False, not None.

Addresses, ports, users and the like repeat, so their verdicts are remembered: 0.04 us
per socket, however long the condition.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

from tcpstates.capabilities import Capability
from tcpstates.model import Batch
from tcpstates.states import AnyState

Answer = Sequence["bool | None"]
Ranges = tuple[tuple[float, float], ...]  # both ends included

LAST_PORT = 65535
_MOST_REMEMBERED = 65_536


class Undecidable(Exception):
    """The source has not told what a condition asks for; the text says why."""


class Condition:
    """One question; `needs` is what a source has to provide for an answer."""

    needs: ClassVar[tuple[Capability, ...]] = ()

    def test(self, batch: Batch) -> Answer:
        """Return an answer for each socket."""
        raise NotImplementedError


class AnswerCache(dict[Any, "bool | None"]):
    """Answers by value, remembered up to a bound."""

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

    column: ClassVar[str]

    def __init__(self) -> None:
        self._verdicts = AnswerCache(self.judge)

    def judge(self, value: Any) -> bool | None:
        """Answer for one value of the column."""
        raise NotImplementedError

    def test(self, batch: Batch) -> Answer:
        """Return an answer for each socket."""
        return list(map(self._verdicts.__getitem__, batch.column(self.column)))


class InStates(ColumnCondition):
    """Whether the state is one of these."""

    column = "state_label"

    def __init__(self, states: frozenset[AnyState], *, unknown: bool) -> None:
        """Take the states; `unknown`: also those that have no word."""
        super().__init__()
        self.states = states
        self.unknown = unknown

    def judge(self, value: str) -> bool:
        """Answer for what is shown as the state."""
        return self.unknown if value.startswith("UNKNOWN") else value in self.states


def in_ranges(value: float, ranges: Ranges) -> bool:
    """Tell whether a number is in one of the ranges."""
    return any(low <= value <= high for low, high in ranges)


def joined_ranges(numbers: Iterable[int]) -> Ranges:
    """Return numbers as ranges, neighbours in one."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges)


class Ports(ColumnCondition):
    """Whether one side's port is in one of the ranges; 0 is the wildcard."""

    def __init__(self, side: str, ranges: Ranges) -> None:
        super().__init__()
        self.side = side
        self.ranges = ranges
        self.column = f"{side}_port"  # type: ignore[misc]  # it is an instance's
        merged: list[tuple[float, float]] = []
        for low, high in sorted(ranges):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        self._lows = [low for low, _ in merged]
        self._highs = [high for _, high in merged]

    def judge(self, value: int | None) -> bool | None:
        """Answer for one port; None: a saved listing's service, unknown here."""
        if value is None:
            return None
        place = bisect_right(self._lows, value) - 1
        return place >= 0 and value <= self._highs[place]


class Autobound(Ports):
    """Whether the local port is one of those that the system hands out itself."""


class Prefix(NamedTuple):
    """A network: the first `bits` bits of `address`, of 4 or of 16 bytes.

    As in the kernel, an IPv4 network holds IPv4 addresses mapped into IPv6 too.
    """

    address: bytes
    bits: int

    @property
    def family(self) -> str:
        """Return the name of its address family."""
        return "ipv4" if len(self.address) == 4 else "ipv6"


_MAPPED = bytes(10) + b"\xff\xff"


class Hosts(ColumnCondition):
    """Whether one side's address is in one of the networks."""

    def __init__(self, side: str, prefixes: tuple[Prefix, ...]) -> None:
        super().__init__()
        self.side = side
        self.prefixes = prefixes
        self.column = f"{side}_address"  # type: ignore[misc]  # it is an instance's
        # By the length of addresses and what a network leaves of them, so that many
        # networks of one size are one look.
        self._networks: dict[tuple[int, int], set[int]] = {}
        for address, bits in prefixes:
            shift = 8 * len(address) - bits
            network = int.from_bytes(address, "big") >> shift
            self._networks.setdefault((len(address), shift), set()).add(network)

    def judge(self, value: str) -> bool | None:
        """Answer for one address, as text; None: it is none, but a name."""
        from socket import AF_INET, AF_INET6, inet_pton

        family = AF_INET6 if ":" in value else AF_INET
        try:
            packed = inet_pton(family, value.partition("%")[0])
        except (OSError, ValueError):  # a saved listing's name, or cut off
            return None
        forms = {len(packed): int.from_bytes(packed, "big")}
        if packed[:12] == _MAPPED:
            forms[4] = int.from_bytes(packed[12:], "big")
        return any(
            length in forms and forms[length] >> shift in networks
            for (length, shift), networks in self._networks.items()
        )


class FamilyCondition(Condition):
    """Whether it is a socket of that address family, mapped addresses or not."""

    def __init__(self, family: str) -> None:
        self.family = family

    def test(self, batch: Batch) -> Answer:
        """Return the same answer for each socket."""
        return [batch.family == self.family] * len(batch)


class Device(ColumnCondition):
    """Whether the socket is bound to one of these interfaces."""

    needs = (Capability.INTERFACE,)
    column = "interface_index"

    def __init__(
        self, indexes: frozenset[int], names: frozenset[str] = frozenset()
    ) -> None:
        """Take the interfaces' numbers; and names, as saved listings have them."""
        super().__init__()
        self.indexes = indexes
        self.names = names

    def judge(self, value: int | None) -> bool | None:
        """Answer for one interface's number."""
        return None if value is None else value in self.indexes

    def test(self, batch: Batch) -> Answer:
        """Return an answer for each socket."""
        told = batch.known("interface_name")
        if told is None:
            return super().test(batch)
        return [None if name is None else name in self.names for name in told]


class Mark(ColumnCondition):
    """Whether the firewall mark, as far as the mask goes, is this one."""

    needs = (Capability.MARK,)
    column = "mark"

    def __init__(self, mark: int, mask: int) -> None:
        super().__init__()
        self.mark = mark
        self.mask = mask

    def judge(self, value: int | None) -> bool | None:
        """Answer for one mark."""
        return None if value is None else value & self.mask == self.mark

    def test(self, batch: Batch) -> Answer:
        """Return an answer for each socket; CannotTell without the privilege."""
        answers = super().test(batch)
        is_known = batch.known(self.column) is not None
        if is_known and len(batch) and answers.count(None) == len(answers):
            raise Undecidable(
                "the kernel tells marks to who has the capability CAP_NET_ADMIN only:"
                " run as root"
            )
        return answers


class Cgroup(ColumnCondition):
    """Whether the socket was made in this cgroup."""

    needs = (Capability.CGROUP,)
    column = "cgroup_id"

    def __init__(self, number: int) -> None:
        """Take the cgroup's number, the inode of its directory."""
        super().__init__()
        self.number = number

    def judge(self, value: int | None) -> bool:
        """Answer for one number; half-open and TIME_WAIT sockets have none."""
        return value == self.number

    def test(self, batch: Batch) -> Answer:
        """Return an answer for each socket; None where the batch has no cgroups."""
        if batch.known(self.column) is None:
            return [None] * len(batch)
        return super().test(batch)
