"""TCP segments as they are on the wire, over IPv4 (RFC 791) and IPv6 (RFC 8200)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_TCP = struct.Struct("!HHIIBBHHH")  # RFC 9293, 3.1
_NUMBER = 6  # of TCP


class Segment(NamedTuple):
    """One TCP segment, from one endpoint to another."""

    source: str
    sport: int
    target: str
    dport: int
    seq: int
    ack: int
    flags: int
    data: bytes = b""
    window: int = 65535

    @property
    def length(self) -> int:
        """Return how many sequence numbers it takes."""
        return len(self.data) + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def following(self) -> int:
        """Return the sequence number after it."""
        return (self.seq + self.length) & 0xFFFFFFFF


def _checksum(data: bytes) -> int:
    """Return the ones' complement sum of RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pack(segment: Segment) -> bytes:
    """Return a packet of the family of its addresses."""
    source, target = ip_address(segment.source), ip_address(segment.target)
    ends = source.packed + target.packed
    ports = (segment.sport, segment.dport, segment.seq, segment.ack)
    rest = (0x50, segment.flags, segment.window)
    body = _TCP.pack(*ports, *rest, 0, 0) + segment.data
    # The sum of IPv4 and that of IPv6 (RFC 8200, 8.1) add up the same words.
    checksum = _checksum(ends + struct.pack("!II", len(body), _NUMBER) + body)
    body = _TCP.pack(*ports, *rest, checksum, 0) + segment.data
    if source.version == 6:
        head = _IPV6.pack(6 << 28, len(body), _NUMBER, 64, source.packed, target.packed)
        return head + body
    fields = (0x45, 0, 20 + len(body), 0, 0, 64, _NUMBER)
    checksum = _checksum(_IPV4.pack(*fields, 0, source.packed, target.packed))
    return _IPV4.pack(*fields, checksum, source.packed, target.packed) + body


def unpack(packet: bytes) -> Segment | None:
    """Return the segment in a packet; None where there is none of TCP."""
    source: IPv4Address | IPv6Address
    target: IPv4Address | IPv6Address
    if packet[0] >> 4 == 4 and packet[9] == _NUMBER:
        body = packet[(packet[0] & 15) * 4 :]
        source, target = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    elif packet[0] >> 4 == 6 and packet[6] == _NUMBER:
        body = packet[_IPV6.size :]
        source, target = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
    else:
        return None
    sport, dport, seq, ack, offset, flags, window, _, _ = _TCP.unpack_from(body)
    data = body[(offset >> 4) * 4 :]
    ends = str(source), sport, str(target), dport
    return Segment(*ends, seq, ack, flags, data, window)
