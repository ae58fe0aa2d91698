"""Compile a filter to the kernel's inet_diag bytecode (`linux/inet_diag.h`).

An operation tests a socket, then jumps `yes` or `no` bytes ahead. The kernel reports a
socket if the program jumps to its end, and skips it on a jump to four bytes behind the
end. `yes` has 8 bits, so it only ever leads to the next operation; `no` has 16.

The kernel may report more sockets than the filter selects, because the filter is
applied to the reply again, but never fewer. So the kernel gets a weakened filter, and
none if the program would be too long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import pack

from tcpstates.filters.conditions import (
    LAST_PORT,
    Cgroup,
    Condition,
    Device,
    FamilyCondition,
    Hosts,
    Mark,
    Ports,
    Prefix,
    joined_ranges,
)
from tcpstates.filters.listeners import ListenerCondition
from tcpstates.filters.syntax import (
    AllOf,
    AnyOf,
    Expression,
    Not,
    is_everything,
    relax,
    replace,
)

# INET_DIAG_BC_*; DEV_COND since Linux 4.8, MARK_COND 4.9, CGROUP_COND 5.8
_JMP, _S_GE, _S_LE, _D_GE, _D_LE = 1, 2, 3, 4, 5
_S_COND, _D_COND, _DEV_COND, _MARK_COND, _CGROUP_COND = 7, 8, 9, 10, 13
_AF_UNSPEC, _AF_INET, _AF_INET6 = 0, 2, 10
_ANY_PORT = -1
_JUMP = 4
# The kernel runs the whole program for each socket, at 1.1 ns per operation. Testing a
# socket here takes 1.1 us, however long the list of values is.
_MOST_OPERATIONS = 500
_EVERY_IPV6 = Prefix(bytes(16), 0)
_DECIDED = (Ports, Hosts, FamilyCondition, Device, Mark, Cgroup)


class _TooLongError(Exception):
    """The program is longer than is worth running in the kernel."""


def compile_filter(expression: Expression) -> bytes:
    """Compile the part that the kernel can decide; empty if there is none."""
    expression = replace(expression, _as_the_kernel_compares)
    weakened = relax(expression, lambda condition: isinstance(condition, _DECIDED))
    if is_everything(weakened):
        return b""
    program = _Program()
    try:
        program.add(weakened, program.accept, program.reject, program.accept)
    except _TooLongError:
        return b""
    return program.to_bytes()


def _as_the_kernel_compares(condition: Condition) -> Expression:
    """Return the nearest weaker condition that the kernel supports."""
    if isinstance(condition, ListenerCondition):
        # An accepted connection has the local port of its listener.
        ports = {listener.port for listener in condition.listeners}
        return AllOf((Ports("local", joined_ranges(ports)), condition))
    return condition


class _Label:
    """A jump target, whose position is known once the program is complete."""

    place = -1


class _Program:
    """A list of operations; a test that passes continues with the next one."""

    def __init__(self) -> None:
        self.accept = _Label()
        self.reject = _Label()
        self._operations: list[tuple[int, bytes, _Label]] = []
        self._size = 0

    def to_bytes(self) -> bytes:
        """Resolve the labels and encode the operations."""
        self.accept.place, self.reject.place = self._size, self._size + _JUMP
        parts, place = [], 0
        for code, operand, no in self._operations:
            size = 4 + len(operand)
            parts.append(pack("=BBH", code, size, no.place - place) + operand)
            place += size
        return b"".join(parts)

    def add(self, wanted: Expression, yes: _Label, no: _Label, after: _Label) -> None:
        """Add code that ends at `yes` or `no`; `after` is the label that follows it."""
        match wanted:
            case Not(part):
                self.add(part, no, yes, after)
            case AllOf(parts) if parts:
                for part in parts[:-1]:
                    following = _Label()
                    self.add(part, following, no, following)
                    following.place = self._size
                self.add(parts[-1], yes, no, after)
            case AnyOf(parts) if parts:
                for part in parts[:-1]:
                    following = _Label()
                    self.add(part, yes, following, following)
                    following.place = self._size
                self.add(parts[-1], yes, no, after)
            case AllOf():
                self._jump(yes, after)
            case AnyOf():
                self._jump(no, after)
            case Condition():
                self._add_condition(wanted, yes, no, after)
            case _:
                raise TypeError("a weakened filter has no terms")

    def _add_condition(
        self, condition: Condition, yes: _Label, no: _Label, after: _Label
    ) -> None:
        tests = list(_tests(condition))
        for alternative in tests[:-1]:
            following = _Label()
            self._add_tests(alternative, yes, following, following)
            following.place = self._size
        self._add_tests(tests[-1] if tests else None, yes, no, after)

    def _add_tests(
        self, tests: _Tests | None, yes: _Label, no: _Label, after: _Label
    ) -> None:
        """Add tests that must all pass; None stands for a test that always fails."""
        if tests is None:
            self._jump(no, after)
            return
        is_denied = isinstance(tests, _NegatedTest)
        for code, operand in tests:
            self._operation(code, operand, yes if is_denied else no)
        self._jump(no if is_denied else yes, after)

    def _operation(self, code: int, operand: bytes, no: _Label) -> None:
        self._operations.append((code, operand, no))
        self._size += 4 + len(operand)
        if len(self._operations) > _MOST_OPERATIONS:
            raise _TooLongError

    def _jump(self, target: _Label, after: _Label) -> None:
        if target is not after:
            self._operation(_JMP, b"", target)


_Tests = Sequence[tuple[int, bytes]]


class _NegatedTest(tuple[tuple[int, bytes], ...]):
    """A single test that must fail."""

    __slots__ = ()


def _tests(condition: Condition) -> Iterator[_Tests]:
    """Yield alternatives; a socket matches if it passes every test of one of them."""
    match condition:
        case Ports(side=side, ranges=ranges):
            for low, high in ranges:
                yield from _port(side, low, high)
        case Hosts(side=side, prefixes=prefixes):
            for prefix in prefixes:
                yield [_host(side, prefix)]
        case FamilyCondition(family=family):
            is_ipv6 = _host("local", _EVERY_IPV6)
            yield [is_ipv6] if family == "ipv6" else _NegatedTest((is_ipv6,))
        case Device(indexes=indexes):
            for index in sorted(indexes):
                yield [(_DEV_COND, pack("=I", index))]
        case Mark(mark=mark, mask=mask):
            yield [(_MARK_COND, pack("=II", mark, mask))]
        case Cgroup(number=number):
            yield [(_CGROUP_COND, pack("=Q", number))]
        case _:
            raise TypeError("a weakened filter has only conditions the kernel supports")


def _port(side: str, low: float, high: float) -> Iterator[_Tests]:
    """Yield the tests for a range of ports; nothing for an empty range."""
    first, last = int(max(0, low)), int(min(LAST_PORT, high))
    if first > last:
        return
    if first == last:  # S_EQ and D_EQ are shorter, but require Linux 4.16
        yield [_endpoint(side, _AF_UNSPEC, 0, first, b"")]
        return
    at_least, at_most = (_S_GE, _S_LE) if side == "local" else (_D_GE, _D_LE)
    tests = []
    if first > 0:
        tests.append((at_least, pack("=BBH", 0, 0, first)))
    if last < LAST_PORT:
        tests.append((at_most, pack("=BBH", 0, 0, last)))
    yield tests


def _host(side: str, prefix: Prefix) -> tuple[int, bytes]:
    """Encode the test for a network."""
    family = _AF_INET if prefix.family == "ipv4" else _AF_INET6
    return _endpoint(side, family, prefix.bits, _ANY_PORT, prefix.address)


def _endpoint(
    side: str, family: int, bits: int, port: int, address: bytes
) -> tuple[int, bytes]:
    """Encode an operation with a `struct inet_diag_hostcond`."""
    operand = pack("=BBxxi", family, bits, port) + address
    return (_S_COND if side == "local" else _D_COND), operand
