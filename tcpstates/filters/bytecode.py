"""Compile a filter to the kernel's inet_diag bytecode (`linux/inet_diag.h`).

An operation tests a socket and goes on `yes` or `no` bytes further. Who lands on the
end of the program is told of, who lands four bytes behind it is not. `yes` has eight
bits, so it only ever leads to the next operation; `no` has sixteen.

The kernel may hand out more than is selected, for the filter is applied to its answer
again, but never less. So the part that it decides is the weakened filter, and where
that is too long for it, nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack, pack_into, unpack_from

from tcpstates.filters.conditions import (
    Cgroup,
    Condition,
    Device,
    Hosts,
    Mark,
    OfFamily,
    Ports,
    Prefix,
    ServerSide,
)
from tcpstates.filters.syntax import (
    AllOf,
    AnyOf,
    Expression,
    Not,
    is_everything,
    replace,
    weaken,
)

# INET_DIAG_BC_*; DEV_COND since Linux 4.8, MARK_COND 4.9, CGROUP_COND 5.8
_NOP, _JMP, _S_GE, _S_LE, _D_GE, _D_LE = 0, 1, 2, 3, 4, 5
_S_COND, _D_COND, _DEV_COND, _MARK_COND, _CGROUP_COND = 7, 8, 9, 10, 13
_AF_UNSPEC, _AF_INET, _AF_INET6 = 0, 2, 10
_ANY_PORT, _LAST_PORT = -1, 65535
_JUMP = 4
_LONGEST = 60_000  # bytes: an attribute has a length of 16 bits
_EVERY_IPV6 = Prefix(bytes(16), 0)
_DECIDED = (Ports, Hosts, OfFamily, Device, Mark, Cgroup)


class _TooLongError(Exception):
    """More than the kernel takes."""


def compile_filter(expression: Expression) -> bytes:
    """Return the program for what the kernel can decide; empty: nothing."""
    expression = replace(expression, _in_the_kernels_words)
    weakened = weaken(expression, lambda condition: isinstance(condition, _DECIDED))
    if is_everything(weakened):
        return b""
    try:
        return _compile(weakened)
    except _TooLongError:
        return b""


def _in_the_kernels_words(condition: Condition) -> Expression:
    """Return what the kernel knows that comes nearest to a condition."""
    if isinstance(condition, ServerSide):
        # What has been made by a listener has its port.
        ports = sorted({listener.port for listener in condition.listeners})
        asked = Ports("local", tuple((port, port) for port in ports))
        return AllOf((asked, condition))
    return condition


# Below, a program's ways out are marked by its length (true) and by its length and
# four more bytes (false), wherever it will stand.


def _compile(expression: Expression) -> bytes:
    match expression:
        case Not(part):
            return _not(_compile(part))
        case AllOf(parts):
            program = b""
            for part in parts:
                program = _and(program, _compile(part))
            return program
        case AnyOf(parts):
            return _any(map(_compile, parts))
        case Condition():
            return _compile_condition(expression)
        case _:
            raise TypeError("a weakened filter has no terms")


def _compile_condition(condition: Condition) -> bytes:
    match condition:
        case Ports(side=side, ranges=ranges):
            return _any(_port(side, low, high) for low, high in ranges)
        case Hosts(side=side, prefixes=prefixes):
            return _any(_host(side, prefix) for prefix in prefixes)
        case OfFamily(family=family):
            is_ipv6 = _host("local", _EVERY_IPV6)
            return is_ipv6 if family == "ipv6" else _not(is_ipv6)
        case Device(indexes=indexes):
            return _any(_operation(_DEV_COND, pack("=I", n)) for n in sorted(indexes))
        case Mark(mark=mark, mask=mask):
            return _operation(_MARK_COND, pack("=II", mark, mask))
        case Cgroup(number=number):
            return _operation(_CGROUP_COND, pack("=Q", number))
        case _:
            raise TypeError("a weakened filter has only what the kernel decides")


def _not(program: bytes) -> bytes:
    """Return what ends the other way: true falls on a jump to false, false behind."""
    return program + _jump(2 * _JUMP)


def _and(first: bytes, second: bytes) -> bytes:
    """Return one program behind the other, the first one's way to false lengthened."""
    patched = bytearray(first)
    place, end = 0, len(first)
    while place < end:
        code, yes, no = unpack_from("=BBH", first, place)
        if no == end - place + _JUMP and code != _NOP:
            pack_into("=H", patched, place + 2, no + len(second))
        place += yes
    return _checked(bytes(patched) + second)


def _any(programs: Iterable[bytes]) -> bytes:
    """Return programs in turn, between them jumps to true that false skips."""
    *others, whole = *programs, _jump(2 * _JUMP)
    if others:
        whole = others.pop()
    for program in reversed(others):
        whole = _checked(program + _jump(_JUMP + len(whole)) + whole)
    return whole


def _checked(program: bytes) -> bytes:
    if len(program) > _LONGEST:
        raise _TooLongError
    return program


def _operation(code: int, operand: bytes) -> bytes:
    size = 4 + len(operand)
    return pack("=BBH", code, size, size + _JUMP) + operand


def _jump(distance: int) -> bytes:
    return pack("=BBH", _JMP, _JUMP, distance)


def _port(side: str, low: float, high: float) -> bytes:
    """Return what tests for a range of ports."""
    first, last = int(max(0, low)), int(min(_LAST_PORT, high))
    if first > last:
        return _jump(2 * _JUMP)  # no port is in it
    if first == last:  # S_EQ and D_EQ are shorter, but only Linux 4.16 has them
        return _endpoint(side, _AF_UNSPEC, 0, first, b"")
    at_least, at_most = (_S_GE, _S_LE) if side == "local" else (_D_GE, _D_LE)
    program = b""
    if first > 0:
        program = _operation(at_least, pack("=BBH", 0, 0, first))
    if last < _LAST_PORT:
        program = _and(program, _operation(at_most, pack("=BBH", 0, 0, last)))
    return program or pack("=BBH", _NOP, _JUMP, 0)  # any port


def _host(side: str, prefix: Prefix) -> bytes:
    """Return what tests for a network."""
    family = _AF_INET if prefix.family == "ipv4" else _AF_INET6
    return _endpoint(side, family, prefix.bits, _ANY_PORT, prefix.address)


def _endpoint(side: str, family: int, bits: int, port: int, address: bytes) -> bytes:
    """Return an operation with a `struct inet_diag_hostcond`."""
    operand = pack("=BBxxi", family, bits, port) + address
    return _operation(_S_COND if side == "local" else _D_COND, operand)
