"""Load BPF programs, and create their maps, with bpf(2): `linux/bpf.h`."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack
from struct import pack_into

# bpf(2) by machine, from the kernel's system call tables; libc has no function for it.
_SYSTEM_CALLS = {
    "x86_64": 321,
    "aarch64": 280,
    "riscv64": 280,
    "loongarch64": 280,
    "ppc64le": 361,
    "s390x": 351,
}
_MAP_CREATE, _PROG_LOAD, _TRACEPOINT_OPEN = 0, 5, 17  # commands
_LINK_CREATE, _ITER_CREATE = 28, 33
_TRACING, _TRACE_TRACEPOINT, _TRACE_ITER = 26, 23, 28  # a type, and where it attaches
_ARRAY, _RING = 2, 27  # types of maps
_MAPPABLE = 1 << 10
# Bytes of union bpf_attr; the kernel takes zeros beyond what it knows.
_ATTRIBUTES = 128
_AT_ONCE = 1 << 20  # bytes to read; the kernel gives up to 32 KiB
# The helpers are for programs whose licence is compatible with the GPL.
_LICENCE = b"Dual MIT/GPL"


def _bpf(command: int, *attributes: tuple[int, str, int]) -> int:
    """Call bpf(2) with attributes (offset, format, value); OSError if it fails."""
    if platform.system() != "Linux":
        raise OSError("available on Linux only")
    call = _SYSTEM_CALLS.get(platform.machine())
    if call is None:
        raise OSError(f"bpf(2) has no known number on {platform.machine()}")
    packed = ctypes.create_string_buffer(_ATTRIBUTES)
    for offset, code, value in attributes:
        pack_into(f"={code}", packed, offset, value)
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(call, command, packed, _ATTRIBUTES)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def load(program: bytes, place: int, kind: int) -> int:
    """Load a program for a BTF type, by its number; return the descriptor.

    OSError if the kernel refuses it.
    """
    text = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(_LICENCE)
    return _bpf(
        _PROG_LOAD,
        (0, "I", _TRACING),
        (4, "I", len(program) // 8),
        (8, "Q", ctypes.addressof(text)),
        (16, "Q", ctypes.addressof(licence)),
        (68, "I", kind),  # expected_attach_type
        (108, "I", place),  # attach_btf_id
    )


def attach(program: bytes, tracepoint: int) -> int:
    """Run a program at a tracepoint until the descriptor is closed; OSError."""
    loaded = load(program, tracepoint, _TRACE_TRACEPOINT)
    try:
        return _bpf(_TRACEPOINT_OPEN, (8, "I", loaded))
    finally:
        os.close(loaded)


def create_ring(size: int) -> int:
    """Create a ring buffer; the size in bytes is a power of two. OSError."""
    return _bpf(_MAP_CREATE, (0, "I", _RING), (12, "I", size))


def create_numbers(count: int) -> int:
    """Create numbers of 8 bytes that can be mapped into memory. OSError."""
    return _bpf(
        _MAP_CREATE,
        (0, "I", _ARRAY),
        (4, "I", 4),  # bytes of a key
        (8, "I", 8 * count),
        (12, "I", 1),
        (16, "I", _MAPPABLE),
    )


def iterate(program: bytes, function: int) -> Iterator[bytes]:
    """Run an iterator, and yield what it prints, in whole records.

    `function` is the number of the BTF function that the program is written for.
    OSError if the kernel refuses the program, or stops it.
    """
    with ExitStack() as opened:

        def keep(descriptor: int) -> int:
            opened.callback(os.close, descriptor)
            return descriptor

        loaded = keep(load(program, function, _TRACE_ITER))
        link = keep(_bpf(_LINK_CREATE, (0, "I", loaded), (8, "I", _TRACE_ITER)))
        reading = keep(_bpf(_ITER_CREATE, (0, "I", link)))
        while True:
            try:
                printed = os.read(reading, _AT_ONCE)
            except BlockingIOError:  # a million objects without a record
                continue
            if not printed:
                return
            yield printed
