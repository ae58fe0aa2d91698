"""Messages as the kernel's sock_diag sends them, for tests."""

from __future__ import annotations

import socket
import struct


def message(
    state: int = 1,
    *,
    family: int = socket.AF_INET,
    timer: int = 0,
    retransmits: int = 0,
    ports: tuple[int, int] = (80, 40000),
    addresses: tuple[str, str] = ("192.0.2.1", "192.0.2.2"),
    interface: int = 0,
    cookie: int = 1,
    expires: int = 0,
    queues: tuple[int, int] = (0, 0),
    uid: int = 0,
    inode: int = 1,
    attributes: tuple[tuple[int, bytes], ...] = (),
    sequence: int = 1,
    port_id: int = 77,
    kind: int = 20,
    flags: int = 2,
) -> bytes:
    """Return one socket's message with its netlink header."""
    source, target = (
        socket.inet_pton(family, address).ljust(16, b"\0") for address in addresses
    )
    body = struct.pack("=BBBB", family, state, timer, retransmits)
    body += struct.pack("!HH", *ports) + source + target
    body += struct.pack("=IQ", interface, cookie)
    body += struct.pack("=IIIII", expires, *queues, uid, inode)
    for number, value in attributes:
        body += struct.pack("=HH", 4 + len(value), number) + value
        body += b"\0" * (-len(body) % 4)
    return netlink(kind, body, flags=flags, sequence=sequence, port_id=port_id)


def netlink(
    kind: int, body: bytes, *, flags: int = 2, sequence: int = 1, port_id: int = 77
) -> bytes:
    """Return a netlink message, padded."""
    head = struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, port_id)
    return head + body + b"\0" * (-len(body) % 4)


def done(errno: int = 0) -> bytes:
    """Return the end of a dump; `errno` as the kernel's negative payload."""
    return netlink(3, struct.pack("=i", -errno))
