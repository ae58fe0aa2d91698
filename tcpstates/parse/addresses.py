"""Convert binary addresses to text, cached: most sockets share few addresses.

The caches are bounded, so a million different peers cannot exhaust memory.
"""

from __future__ import annotations

import sys

_LIMIT = 20_000  # keeps each cache below 5 MB


class _Ipv4(dict[int, str]):
    """Keyed by the address as an integer of the host's byte order."""

    def __missing__(self, number: int) -> str:
        if len(self) >= _LIMIT:
            self.clear()
        packed = number.to_bytes(4, sys.byteorder)
        text = self[number] = ".".join(map(str, packed))
        return text


class _Ipv6(dict[bytes, str]):
    """Keyed by the 16 bytes of the address."""

    def __missing__(self, packed: bytes) -> str:
        from socket import AF_INET6, inet_ntop

        if len(self) >= _LIMIT:
            self.clear()
        text = self[packed] = inet_ntop(AF_INET6, packed)
        return text


IPV4 = _Ipv4()
IPV6 = _Ipv6()
