"""A host behind a TUN device that speaks as much TCP as a test wants it to.

The kernel's sockets cannot tell it from a real one. What it does depends on the port:
see the constants. It needs a private network namespace, root and /dev/net/tun.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import threading
from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import NamedTuple

HERE, THERE = "10.9.0.1", "10.9.0.2"  # the kernel, and this host
DEAD = 9  # no answer at all
MUTE = 7  # takes connections, and then acknowledges nothing
KIND = 80  # acknowledges everything, and says nothing

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 1, 0x1000
FIN, SYN, RST, ACK = 1, 2, 4, 16
_IP = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBBHHH")


class Segment(NamedTuple):
    """One TCP segment without options, from one endpoint to another."""

    source: str
    sport: int
    target: str
    dport: int
    seq: int
    ack: int
    flags: int
    data: bytes = b""
    window: int = 65535


class Peer:
    """The host: it answers in a thread of its own, until the process ends."""

    def __init__(self) -> None:
        self._tun = os.open("/dev/net/tun", os.O_RDWR)
        name = struct.pack("16sH22x", b"tun0", _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(self._tun, _TUNSETIFF, name)
        for words in (
            f"address add {HERE}/16 dev tun0",
            "link set tun0 up",
            "route add 10.10.0.0/16 dev tun0",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        threading.Thread(target=self._serve, daemon=True).start()

    def send(self, segment: Segment) -> None:
        """Let a segment arrive at the kernel."""
        os.write(self._tun, pack(segment))

    def flood(self, port: int, sources: Iterable[str]) -> None:
        """Send a SYN from each address, and never answer what comes back."""
        for number, source in enumerate(sources):
            self.send(Segment(source, 1024 + number, HERE, port, 1000, 0, SYN))

    def _serve(self) -> None:
        while packet := os.read(self._tun, 65536):
            segment = unpack(packet)
            if segment is not None and segment.target == THERE:
                answer = _answer(segment)
                if answer is not None:
                    self.send(answer)


def _answer(got: Segment) -> Segment | None:
    """Return what this host says to a segment."""
    if got.dport not in (MUTE, KIND) or got.flags & RST:
        return None
    length = len(got.data) + bool(got.flags & (SYN | FIN))
    if not length or (got.dport == MUTE and not got.flags & SYN):
        return None
    flags, seq = (SYN | ACK, 5000) if got.flags & SYN else (ACK, 5001)
    return Segment(
        got.target,
        got.dport,
        got.source,
        got.sport,
        seq,
        (got.seq + length) & 0xFFFFFFFF,
        flags,
    )


def _checksum(data: bytes) -> int:
    """Return the ones' complement sum of RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pack(segment: Segment) -> bytes:
    """Return an IPv4 packet."""
    source, target = (
        IPv4Address(address).packed for address in (segment.source, segment.target)
    )
    ports = (segment.sport, segment.dport, segment.seq, segment.ack)
    rest = (0x50, segment.flags, segment.window)
    body = _TCP.pack(*ports, *rest, 0, 0) + segment.data
    pseudo = source + target + struct.pack("!HH", 6, len(body))
    body = _TCP.pack(*ports, *rest, _checksum(pseudo + body), 0) + segment.data
    head = (0x45, 0, 20 + len(body), 0, 0, 64, 6)
    checksum = _checksum(_IP.pack(*head, 0, source, target))
    return _IP.pack(*head, checksum, source, target) + body


def unpack(packet: bytes) -> Segment | None:
    """Return the segment in a packet; None where there is none of TCP over IPv4."""
    if packet[0] >> 4 != 4 or packet[9] != 6:
        return None
    body = packet[(packet[0] & 15) * 4 :]
    sport, dport, seq, ack, offset, flags, window, _, _ = _TCP.unpack_from(body)
    source, target = (str(IPv4Address(packet[start : start + 4])) for start in (12, 16))
    data = body[(offset >> 4) * 4 :]
    return Segment(source, sport, target, dport, seq, ack, flags, data, window)
