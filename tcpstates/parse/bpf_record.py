"""The records that our BPF program writes for each change of a TCP state."""

from __future__ import annotations

import sys
from socket import AF_INET
from struct import Struct, pack

from tcpstates.parse.transition import ADDRESSES, LABELS, Transition

# ns, cookie; pid, namespace; states; errno, whether a program holds the socket's lock;
# family, local port, and in network byte order the remote and the source port;
# addresses of IPv4 and of IPv6; the name of the thread that runs.
RECORD = Struct("=QQIIIIIIHHHH4s4s16s16s16s")
_HEADER = 8  # bytes that the ring puts before each record: its length, and flags
_STRIDE = Struct("=8x" + RECORD.format[1:])
_IS_LITTLE = sys.byteorder == "little"


def whole_records(data: bytes) -> bytes:
    """Cut off what the kernel has not finished writing."""
    heads = memoryview(data).cast("I")[:: _STRIDE.size // 4].tobytes()
    finished = pack("=I", RECORD.size)
    if heads == finished * (len(heads) // 4):
        return data
    for number in range(len(heads) // 4):
        if heads[4 * number : 4 * number + 4] != finished:
            return data[: number * _STRIDE.size]
    return data


def read_records(data: bytes) -> list[Transition]:
    """Decode whole records."""
    addresses, labels = ADDRESSES, LABELS
    make, kind = tuple.__new__, Transition  # 0.3 us less each than calling Transition
    swapped = _SWAPPED if _IS_LITTLE else range(1 << 16)
    return [
        make(kind, (
            ns,
            cookie,
            labels[old & 255],
            labels[new & 255],
            "ipv4" if family == AF_INET else "ipv6",
            addresses[v4 if family == AF_INET else v6],
            port or swapped[sport],
            addresses[v4_peer if family == AF_INET else v6_peer],
            swapped[dport],
            pid if owned else None,
            cookie,
            netns,
            error,
            name.partition(b"\0")[0] if owned else None,
        ))
        for (
            ns, cookie, pid, netns, old, new, error, owned,
            family, port, dport, sport, v4, v4_peer, v6, v6_peer, name,
        ) in _STRIDE.iter_unpack(data)
    ]  # fmt: skip


class _Swap(dict[int, int]):
    """Ports in network byte order, turned round when they are first met."""

    def __missing__(self, port: int) -> int:
        self[port] = found = port >> 8 | (port & 255) << 8
        return found


_SWAPPED = _Swap()
