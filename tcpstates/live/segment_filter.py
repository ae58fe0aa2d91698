"""Let a socket receive only some segments, which makes its peer wait. Linux only.

A classic BPF program on a TCP socket (SO_ATTACH_FILTER, `linux/filter.h`) sees each
segment before the socket does, starting at the TCP header. A blocked segment is lost;
its sender resends it until it gets through.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection

from tcpstates.lifecycle.machine import Event

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_LOAD_BYTE, _AND, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
_FLAGS_AT = 13  # RFC 9293, 3.1: the byte of the control bits
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_ALL, _NOTHING = 0xFFFFFFFF, 0

# The control bits of the segments of an event, without PSH, URG and the like.
BITS: dict[Event, frozenset[int]] = {
    Event.SYN: frozenset({_SYN}),
    Event.SYN_ACK: frozenset({_SYN | _ACK}),
    Event.ACK_OF_SYN: frozenset({_ACK}),
    Event.FIN: frozenset({_FIN | _ACK}),
    Event.ACK_OF_FIN: frozenset({_ACK}),
    Event.FIN_AND_ACK_OF_FIN: frozenset({_FIN | _ACK}),
    Event.RST: frozenset({_RST, _RST | _ACK}),
}
DATA = frozenset({_ACK})
# In a simultaneous open, the ACK of the SYN arrives together with another SYN.
SYN_AGAIN = frozenset({_SYN | _ACK})


def let_through(gated: socket.socket, bits: Collection[int]) -> None:
    """From now on, let only segments with these control bits reach a socket.

    Raise OSError if the system has no such filters, or does not allow them.
    """
    import ctypes

    program = [
        (_LOAD_BYTE, 0, 0, _FLAGS_AT),
        (_AND, 0, 0, _FIN | _SYN | _RST | _ACK),
    ]
    for left, value in zip(range(len(bits), 0, -1), sorted(bits), strict=True):
        program.append((_JUMP_IF_EQUAL, left, 0, value))
    program += [(_RETURN, 0, 0, _NOTHING), (_RETURN, 0, 0, _ALL)]
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    held = ctypes.create_string_buffer(code, len(code))
    attached = struct.pack("HP", len(program), ctypes.addressof(held))
    gated.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)


def are_gates_allowed() -> bool:
    """Check whether this process may attach filters to TCP sockets in its namespace."""
    with socket.socket() as tried:
        try:
            let_through(tried, ())
        except PermissionError:
            return False
    return True
