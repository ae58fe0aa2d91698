"""The kernel's side of inet_diag bytecode, after `net/ipv4/inet_diag.c`, for tests."""

from __future__ import annotations

import socket
import struct
from typing import Any

Socket = dict[str, Any]


def audit(program: bytes, *, net_admin: bool = True) -> bool:
    """Tell whether the kernel would take a program."""
    sizes = {0: 4, 1: 4, 6: 4, 9: 8, 10: 12, 13: 12}
    sizes |= dict.fromkeys((2, 3, 4, 5, 11, 12), 8)
    starts, place = set(), 0
    while place < len(program):
        starts.add(place)
        place += max(4, program[place + 1])
    place = 0
    while place < len(program):
        code, yes, no = struct.unpack_from("=BBH", program, place)
        left = len(program) - place
        if code in (7, 8):
            family, bits = program[place + 4 : place + 6]
            length = {0: 0, 2: 4, 10: 16}[family]
            size = 12 + length
            if bits > 8 * length:
                return False
        elif code in sizes:
            size = sizes[code]
        else:
            return False
        if code == 10 and not net_admin:
            return False
        ways = [yes] if code == 0 else [yes, no]
        if any(way < size or way > left + 4 or way % 4 for way in ways):
            return False
        if code and no < left and place + no not in starts:
            return False
        place += yes
    return bool(program) and place == len(program)


def run(program: bytes, found: Socket) -> bool:
    """Tell whether the kernel would tell of a socket."""
    place = 0
    while place < len(program):
        code, yes, no = struct.unpack_from("=BBH", program, place)
        place += yes if _holds(program, place, code, found) else no
    return place == len(program)


def _holds(program: bytes, place: int, code: int, found: Socket) -> bool:
    side = "local" if code in (2, 3, 7) else "remote"
    port = found[f"{side}_port"]
    if code in (2, 4):
        return bool(port >= struct.unpack_from("=H", program, place + 6)[0])
    if code in (3, 5):
        return bool(port <= struct.unpack_from("=H", program, place + 6)[0])
    if code in (7, 8):
        return _host(program, place + 4, found, found[f"{side}_address"], port)
    if code == 9:
        index = struct.unpack_from("=I", program, place + 4)[0]
        return bool(index == found["interface_index"])
    if code == 10:
        mark, mask = struct.unpack_from("=II", program, place + 4)
        return bool(found["mark"] & mask == mark)
    if code == 13:
        number = struct.unpack_from("=Q", program, place + 4)[0]
        return bool(number == found["cgroup_id"])
    return code == 0  # NOP; JMP is always "no"


def _host(program: bytes, place: int, found: Socket, text: str, port: int) -> bool:
    family, bits, wanted = struct.unpack_from("=BBxxi", program, place)
    if wanted not in (-1, port):
        return False
    own = socket.AF_INET6 if found["family"] == "ipv6" else socket.AF_INET
    address = socket.inet_pton(own, text)
    if family and family != own:
        if own != socket.AF_INET6 or address[:12] != bytes(10) + b"\xff\xff":
            return False
        address = address[12:]
    rule = program[place + 8 : place + 8 + len(address)] if family else b""
    shift: int = 8 * len(rule) - bits
    ours, theirs = (int.from_bytes(a[: len(rule)], "big") for a in (address, rule))
    return ours >> shift == theirs >> shift
