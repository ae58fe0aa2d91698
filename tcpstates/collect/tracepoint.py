"""Trace changes of TCP states with perf_event_open(2): CAP_PERFMON, and nothing left.

Measured on Linux 6.18: what happens while a processor is idle, such as a timer, is
counted and not written to its ring. Each reading compares with the kernel's own count,
so these changes are known to be lost, too.

One ring buffer for each processor. The kernel ends everything with the process, however
that ends. The tracepoint's number and format are read from tracefs; where that is not
mounted, a child mounts it in a mount namespace of its own, for which it has to be root.
"""

from __future__ import annotations

import errno
import mmap
import os
import select
import struct
import sys
from contextlib import suppress
from typing import NamedTuple

from tcpstates.errors import ParseError, SourceUnavailable
from tcpstates.parse.tracepoint import SampleReader
from tcpstates.parse.transition import Transition

_NAME = "events/sock/inet_sock_set_state"
_FOLDERS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_PAGE = mmap.PAGESIZE
_PAGES = 512  # of each ring: 2 MiB, some 14,000 records
# perf_event_open's numbers, linux/perf_event.h.
_SYSCALL = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}
_TYPE_TRACEPOINT, _SIZE = 2, 128
_SAMPLE_TID, _SAMPLE_TIME, _SAMPLE_CPU, _SAMPLE_RAW = 2, 4, 128, 1024
_DISABLE = 0x2401  # PERF_EVENT_IOC_DISABLE
_FORMAT_LOST = 1 << 4
_USE_CLOCK_ID, _WATERMARK = 1 << 25, 1 << 14
_CLOCK_MONOTONIC, _FD_CLOEXEC = 1, 8
_HEAD, _TAIL = 1024, 1032  # in the first page of a ring
_CLONE_NEWNS, _MS_REC_PRIVATE = 0x00020000, 0x4000 | 0x40000


class Traced(NamedTuple):
    """What has been read, ring by ring, and how many events are missing."""

    transitions: list[Transition]
    lost: int


if sys.platform == "linux":

    class Tracer:
        """Traces every network namespace of this host."""

        name = "perf"

        def __init__(self, *, pages: int = _PAGES) -> None:
            """Begin to trace; raise SourceUnavailable with the reason if that fails."""
            number, text = _tracepoint()
            try:
                self._reader = SampleReader(text)
            except ParseError as error:
                raise SourceUnavailable("perf", str(error)) from error
            self._rings: list[tuple[int, mmap.mmap]] = []
            self._size = pages * _PAGE
            self._told = 0  # events: read, or told to be lost
            self._missing_before = 0
            try:
                for cpu in _processors():
                    descriptor = _open(number, cpu)
                    ring = mmap.mmap(descriptor, (1 + pages) * _PAGE)
                    self._rings.append((descriptor, ring))
            except (SourceUnavailable, OSError) as error:
                self.close()  # what other processors have begun
                reason = getattr(error, "reason", None) or str(error)
                raise SourceUnavailable("perf", reason) from error
            self._poll = select.poll()
            for descriptor, _ in self._rings:
                self._poll.register(descriptor, select.POLLIN)

        def wait(self, seconds: float) -> None:
            """Wait until a ring is well filled, or until the time is over."""
            self._poll.poll(1000 * seconds)

        def read(self) -> Traced:
            """Take what the rings hold."""
            counted, _ = self.kernel_counts()
            traced = self._read()
            missing = counted - self._told
            # An event may have been counted just before it is written.
            withheld = max(0, min(missing, self._missing_before))
            self._missing_before = missing - withheld
            self._told += withheld
            return traced._replace(lost=traced.lost + withheld)

        def finish(self) -> Traced:
            """Stop tracing; take what is left, and count whatever was not told."""
            import fcntl

            for descriptor, _ in self._rings:
                fcntl.ioctl(descriptor, _DISABLE, 0)
            traced = self._read()
            missing = max(0, self.kernel_counts()[0] - self._told)
            self._told += missing
            return traced._replace(lost=traced.lost + missing)

        def _read(self) -> Traced:
            found: list[Transition] = []
            lost = 0
            for _, ring in self._rings:
                samples = self._reader.samples(self._taken(ring))
                found += samples.transitions
                lost += samples.lost
                self._told += samples.number + samples.lost
            return Traced(found, lost)

        def kernel_counts(self) -> tuple[int, int]:
            """Return how many events the kernel counted, and how many did not fit."""
            counted = lost = 0
            for descriptor, _ in self._rings:
                words = os.read(descriptor, 16)
                number, missing = struct.unpack("=QQ", words)
                counted, lost = counted + number, lost + missing
            return counted, lost

        def close(self) -> None:
            """Stop tracing."""
            for descriptor, ring in self._rings:
                ring.close()
                os.close(descriptor)
            self._rings = []

        def _taken(self, ring: mmap.mmap) -> bytes:
            """Copy what is new in a ring, and give its room back."""
            head = struct.unpack_from("=Q", ring, _HEAD)[0]
            tail = struct.unpack_from("=Q", ring, _TAIL)[0]
            if head == tail:
                return b""
            start, end = tail % self._size, head % self._size
            if start < end:
                data = ring[_PAGE + start : _PAGE + end]
            else:
                data = (
                    ring[_PAGE + start : _PAGE + self._size] + ring[_PAGE : _PAGE + end]
                )
            struct.pack_into("=Q", ring, _TAIL, head)
            return data

    def _processors() -> list[int]:
        """List the processors that are online."""
        found: list[int] = []
        path = "/sys/devices/system/cpu/online"
        with suppress(OSError, ValueError), open(path) as file:
            for part in file.read().strip().split(","):
                first, _, last = part.partition("-")
                found += range(int(first), int(last or first) + 1)
        return found or list(range(os.cpu_count() or 1))

    def _open(number: int, cpu: int) -> int:
        """Open the tracepoint on a processor."""
        import ctypes

        call = _SYSCALL.get(os.uname().machine)
        if call is None:
            raise SourceUnavailable("perf", f"not known on {os.uname().machine}")
        attributes = bytearray(_SIZE)
        kind = _SAMPLE_TID | _SAMPLE_TIME | _SAMPLE_CPU | _SAMPLE_RAW
        struct.pack_into(
            "=IIQQQQQ", attributes, 0, _TYPE_TRACEPOINT, _SIZE, number, 1, kind,
            _FORMAT_LOST, _USE_CLOCK_ID | _WATERMARK,
        )  # fmt: skip
        struct.pack_into("=I", attributes, 48, _PAGES * _PAGE // 8)  # wakeup_watermark
        struct.pack_into("=i", attributes, 92, _CLOCK_MONOTONIC)
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = (ctypes.c_char * _SIZE).from_buffer(attributes)
        descriptor = libc.syscall(call, buffer, -1, cpu, -1, _FD_CLOEXEC)
        if descriptor < 0:
            raise SourceUnavailable("perf", _refusal(ctypes.get_errno()))
        return int(descriptor)

    def _refusal(code: int) -> str:
        """Say why the kernel does not let us trace, and what would help."""
        if code not in (errno.EACCES, errno.EPERM):
            return f"perf_event_open: {os.strerror(code)}"
        with suppress(OSError), open("/sys/kernel/security/lockdown") as file:
            if "[none]" not in file.read():
                return "the kernel is locked down: it lets nobody trace"
        level = "?"
        with suppress(OSError), open("/proc/sys/kernel/perf_event_paranoid") as file:
            level = file.read().strip()
        return f"run as root or with CAP_PERFMON (perf_event_paranoid is {level})"

    def _tracepoint() -> tuple[int, str]:
        """Read the number and the format of the tracepoint."""
        for folder in _FOLDERS:
            with suppress(OSError, ValueError):
                return _read(folder)
        told = _in_a_child()
        number, _, text = told.partition("\n")
        if not number.isdigit():
            reason = "tracefs cannot be read; run as root"
            raise SourceUnavailable("perf", reason)
        return int(number), text

    def _read(folder: str) -> tuple[int, str]:
        with open(f"{folder}/{_NAME}/id") as file:
            number = int(file.read())
        with open(f"{folder}/{_NAME}/format") as file:
            return number, file.read()

    def _in_a_child() -> str:
        """Let a child mount tracefs where nobody else sees it, and read from there."""
        import ctypes

        ours, theirs = os.pipe()
        pid = os.fork()
        if not pid:
            with suppress(BaseException):
                libc = ctypes.CDLL(None, use_errno=True)
                folder = _FOLDERS[0].encode()
                if not (
                    libc.unshare(_CLONE_NEWNS)
                    or libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None)
                    or libc.mount(b"nodev", folder, b"tracefs", 0, None)
                ):
                    number, text = _read(_FOLDERS[0])
                    os.write(theirs, f"{number}\n{text}".encode())
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as stream:
            told = stream.read()
        os.waitpid(pid, 0)
        return told

else:

    class Tracer:
        """There is no such tracepoint elsewhere."""

        name = "perf"

        def __init__(self, *, pages: int = _PAGES) -> None:
            """Raise SourceUnavailable."""
            raise SourceUnavailable("perf", "available on Linux only")

        def wait(self, seconds: float) -> None:
            """Do nothing."""

        def read(self) -> Traced:
            """Return nothing."""
            return Traced([], 0)

        finish = read

        def close(self) -> None:
            """Do nothing."""
