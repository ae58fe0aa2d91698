"""Report every change of a TCP state of every network namespace, by a BPF program.

It runs at the tracepoint sock:inet_sock_set_state, with the socket at hand: so it knows
the namespace and the cookie, and the error that ends a connection. It misses nothing
that a timer does. The kernel removes everything when the process ends.
"""

from __future__ import annotations

import errno
import mmap
import os
import time
from struct import pack_into, unpack_from
from typing import Any

from tcpstates.collect.bpf.btf import (
    STRUCT,
    TYPEDEF,
    VMLINUX,
    KernelTypes,
    MissingType,
)
from tcpstates.collect.bpf.instructions import (
    CURRENT_NAME,
    CURRENT_PID_TGID,
    FRAME,
    MONOTONIC_NS,
    R0,
    R1,
    R2,
    R3,
    R4,
    R6,
    R7,
    R8,
    R9,
    RING_OUTPUT,
    SOCKET_COOKIE,
    TO_TCP_SOCK,
    add,
    call,
    count_in_memory,
    jump_if_equal,
    jump_if_zero,
    jump_unless_equal,
    leave,
    load16,
    load32,
    load64,
    load_map,
    load_map_value,
    move,
    number,
    shift_right,
    store16,
    store32,
    store64,
    zero64,
)
from tcpstates.collect.bpf.program import attach, create_numbers, create_ring
from tcpstates.collect.tracepoint import Traced
from tcpstates.errors import SourceUnavailable
from tcpstates.parse.bpf_record import RECORD, read_records, whole_records

_PAGE = mmap.PAGESIZE
_SIZE = 4 << 20  # bytes of the ring, some 37,000 records
_TCP = 6
_PROT_READ = 1  # asm-generic/mman-common.h
_SYN_RECV, _LISTEN = 3, 10  # net/tcp_states.h
_NO_WAKEUP = 1  # BPF_RB_NO_WAKEUP: we look by ourselves
_PATIENCE = 0.5  # seconds for programs that still run when we stop
# Where the fields of RECORD are in the frame.
_BASE = -RECORD.size
_NS, _COOKIE, _PID, _NETNS, _OLD, _NEW, _ERROR, _OWNED = (
    _BASE + offset for offset in (0, 8, 16, 20, 24, 28, 32, 36)
)
_FAMILY, _PORT, _DPORT, _SPORT, _V4, _V4_PEER, _V6, _V6_PEER, _NAME = (
    _BASE + offset for offset in (40, 42, 44, 46, 48, 52, 56, 72, 88)
)


class BpfTracer:
    """Traces every network namespace of this host."""

    name = "bpf"

    def __init__(self, *, size: int = _SIZE) -> None:
        """Begin to trace; raise SourceUnavailable with the reason if that fails."""
        self._size = size
        self._tail = 0
        self._told = self._told_lost = 0
        self._descriptors: list[int] = []
        self._link = -1
        try:
            ring = self._keep(create_ring(size))
            numbers = self._keep(create_numbers(2))
            self._consumer = mmap.mmap(ring, _PAGE)
            self._data = _map(ring, _PAGE + 2 * size, offset=_PAGE)
            self._numbers = _map(numbers, _PAGE)
            with open(VMLINUX, "rb") as file:
                types = KernelTypes(file.read())
            tracepoint = types.find(TYPEDEF, b"btf_trace_inet_sock_set_state")
            self._link = attach(_program(types, ring, numbers), tracepoint)
        except (OSError, MissingType, IndexError, ValueError) as error:
            self.close()
            raise SourceUnavailable("bpf", _refusal(error)) from error

    def _keep(self, descriptor: int) -> int:
        self._descriptors.append(descriptor)
        return descriptor

    def wait(self, seconds: float) -> None:
        """Wait until it is worth while to read."""
        time.sleep(seconds)

    def read(self) -> Traced:
        """Take what the ring holds."""
        head: int = unpack_from("=Q", self._data, 0)[0]
        start = _PAGE + self._tail % self._size
        data = whole_records(self._data[start : start + head - self._tail])
        self._tail += len(data)
        pack_into("=Q", self._consumer, 0, self._tail)
        transitions = read_records(data)
        self._told += len(transitions)
        _, lost = self.kernel_counts()
        more, self._told_lost = lost - self._told_lost, lost
        return Traced(transitions, more)

    def finish(self) -> Traced:
        """Stop tracing; take what is left, and count what the ring has lost."""
        os.close(self._link)
        self._link = -1
        end = time.monotonic() + _PATIENCE
        traced = self.read()
        while self.kernel_counts()[0] > self._told + self._told_lost:
            if time.monotonic() > end:
                missing = self.kernel_counts()[0] - self._told - self._told_lost
                return traced._replace(lost=traced.lost + missing)
            time.sleep(0.001)
            more = self.read()
            traced.transitions.extend(more.transitions)
            traced = traced._replace(lost=traced.lost + more.lost)
        return traced

    def kernel_counts(self) -> tuple[int, int]:
        """Return how many events the program has counted, and how many did not fit."""
        counted, lost = unpack_from("=QQ", self._numbers, 0)
        return counted, lost

    def close(self) -> None:
        """Stop tracing."""
        if self._link >= 0:
            self._descriptors.append(self._link)
            self._link = -1
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []


def _map(descriptor: int, size: int, offset: int = 0) -> mmap.mmap:
    """Map memory of the kernel, which may only be read."""
    protection: dict[str, Any] = {"prot": _PROT_READ}
    return mmap.mmap(descriptor, size, offset=offset, **protection)


def _refusal(error: Exception) -> str:
    """Say why it cannot be, and what would help."""
    if isinstance(error, OSError) and error.errno == errno.EPERM:
        return "run as root or with CAP_BPF and CAP_PERFMON"
    if isinstance(error, FileNotFoundError):
        return "the kernel has no BTF"
    text = getattr(error, "strerror", None) or str(error)
    return f"BTF lacks {text}" if isinstance(error, MissingType) else text


def _program(types: KernelTypes, ring: int, numbers: int) -> bytes:
    """Assemble the program; its arguments are the socket, the old and the new state."""
    sock, net, tcp = (types.find(STRUCT, it) for it in (b"sock", b"net", b"tcp_sock"))

    def of_sock(*members: bytes) -> int:
        return types.offset(sock, *members)

    def common(*members: bytes) -> int:
        return of_sock(b"__sk_common", *members)

    v6, v6_peer = common(b"skc_v6_rcv_saddr"), common(b"skc_v6_daddr")
    body = (
        load_map_value(R1, numbers),
        number(R2, 1),
        count_in_memory(R1, 0, R2),
        zero64(_FAMILY),  # and the ports
        store32(_OLD, R8),
        store32(_NEW, R9),
        load16(R1, R7, common(b"skc_family")),
        store16(_FAMILY, R1),
        load16(R1, R7, common(b"skc_num")),
        store16(_PORT, R1),
        load16(R1, R7, common(b"skc_dport")),
        store16(_DPORT, R1),
        load32(R1, R7, common(b"skc_rcv_saddr")),
        store32(_V4, R1),
        load32(R1, R7, common(b"skc_daddr")),
        store32(_V4_PEER, R1),
        *(
            part
            for word in range(0, 16, 4)
            for part in (
                load32(R1, R7, v6 + word),
                store32(_V6 + word, R1),
                load32(R1, R7, v6_peer + word),
                store32(_V6_PEER + word, R1),
            )
        ),
        load32(R1, R7, of_sock(b"sk_err")),
        store32(_ERROR, R1),
        load32(R1, R7, of_sock(b"sk_lock", b"owned")),
        store32(_OWNED, R1),
        load64(R1, R7, common(b"skc_net", b"net")),
        load32(R1, R1, types.offset(net, b"ns", b"inum")),
        store32(_NETNS, R1),
        # A socket that ends has given its port back, and keeps the source port.
        move(R1, R7),
        call(TO_TCP_SOCK),
        jump_if_zero(R0, 2),
        load16(R1, R0, types.offset(tcp, b"inet_conn", b"icsk_inet", b"inet_sport")),
        store16(_SPORT, R1),
        move(R1, R7),
        call(SOCKET_COOKIE),
        store64(_COOKIE, R0),
        call(CURRENT_PID_TGID),
        shift_right(R0, 32),
        store32(_PID, R0),
        move(R1, FRAME),
        add(R1, _NAME),
        number(R2, 16),
        call(CURRENT_NAME),
        call(MONOTONIC_NS),
        store64(_NS, R0),
        load_map(R1, ring),
        move(R2, FRAME),
        add(R2, _BASE),
        number(R3, RECORD.size),
        number(R4, _NO_WAKEUP),
        call(RING_OUTPUT),
        jump_if_zero(R0, 4),
        load_map_value(R1, numbers),
        number(R2, 1),
        count_in_memory(R1, 8, R2),
    )
    packed = b"".join(body)
    return b"".join(
        (
            move(R6, R1),
            load64(R7, R6, 0),
            load64(R8, R6, 8),
            load64(R9, R6, 16),
            load16(R1, R7, of_sock(b"sk_protocol")),
            jump_unless_equal(R1, _TCP, 2 + len(packed) // 8),
            # A handshake that completes is traced twice at once: see `changes.traced`.
            jump_unless_equal(R9, _SYN_RECV, 1),
            jump_if_equal(R8, _LISTEN, len(packed) // 8),
            packed,
            number(R0, 0),
            leave(),
        )
    )
