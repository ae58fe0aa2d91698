"""Every descriptor of every process, by the BPF iterator `task_file`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache

from tcpstates.collect.bpf.btf import (
    FUNCTION,
    STRUCT,
    VMLINUX,
    KernelTypes,
    MissingType,
)
from tcpstates.collect.bpf.instructions import (
    FRAME,
    R0,
    R1,
    R2,
    R3,
    R6,
    R7,
    R8,
    R9,
    SEQ_WRITE,
    SOCK_FROM_FILE,
    add,
    call,
    jump,
    jump_if_less,
    jump_if_set,
    jump_if_zero,
    leave,
    load32,
    load64,
    move,
    number,
    store32,
    store64,
    zero64,
)
from tcpstates.collect.bpf.program import iterate

# A record: pid and descriptor, together an integer of 64 bits; the thread; the socket's
# inode, or 0; the start of the process in nanoseconds since boot; its name.
_SIZE = 48
# Where the record is built, below the frame's end.
_OWNER, _THREAD, _INODE, _START, _NAME = -48, -40, -32, -24, -16
_IS_LITTLE = sys.byteorder == "little"
_PID, _DESCRIPTOR = (_OWNER + 4, _OWNER) if _IS_LITTLE else (_OWNER, _OWNER + 4)
_STANDARD = 3  # descriptors that nearly every process has
# struct bpf_iter__task_file, kernel/bpf/task_iter.c; `meta` begins with the output.
_META, _TASK, _FD, _FILE = 0, 8, 16, 24


class Descriptors:
    """Some hundred descriptors as columns: a tuple of each would take 0.3 us more.

    Each column takes 60 ns per descriptor, so only those that are needed are made.
    """

    def __init__(self, printed: bytes) -> None:
        """Take whole records."""
        self._printed = printed
        self._words = memoryview(printed).cast("I")

    def owners(self) -> list[int]:
        """Return `pid << 32 | descriptor` of each."""
        return self._long_numbers(_OWNER)

    def inodes(self) -> list[int]:
        """Return the inode of each; 0: it is not a socket."""
        return self._long_numbers(_INODE)

    def pids(self) -> list[int]:
        """Return the process of each."""
        return self._numbers(_PID).tolist()

    def threads(self) -> list[int]:
        """Return the thread of each: the pid, unless it has a table of its own."""
        return self._numbers(_THREAD).tolist()

    def have_own_tables(self) -> bool:
        """Whether some of them are in the own table of a thread."""
        return self._numbers(_PID).tobytes() != self._numbers(_THREAD).tobytes()

    def processes(self) -> set[int]:
        """Return the different pids."""
        packed = self._numbers(_PID).tobytes()
        first = packed[: self._words.itemsize]
        if packed == first * (len(self._printed) // _SIZE):  # many have one process
            return {self._words[(_PID - _OWNER) // self._words.itemsize]}
        return set(self.pids())

    def started(self, index: int) -> int:
        """Return when the process of one of them started, in nanoseconds since boot."""
        return self._long_numbers(_START)[index]

    def name(self, index: int) -> bytes:
        """Return the name of the process of one of them."""
        start = index * _SIZE + _NAME - _OWNER
        return self._printed[start : start + 16].partition(b"\0")[0]

    def _numbers(self, place: int) -> memoryview:
        """Slice the column of 32-bit integers at a place."""
        size = self._words.itemsize
        return self._words[(place - _OWNER) // size :: _SIZE // size]

    def _long_numbers(self, place: int) -> list[int]:
        """Slice the column of 64-bit integers at a place."""
        numbers = memoryview(self._printed).cast("Q")
        size = numbers.itemsize
        column: list[int] = numbers[(place - _OWNER) // size :: _SIZE // size].tolist()
        return column


def read_descriptors(*, only_sockets: bool) -> Iterator[Descriptors]:
    """Yield the descriptors of all processes, some hundred at a time.

    With `only_sockets`, other files are reported only if their descriptor is below
    _STANDARD, which shows that the process has been visited. A descriptor of a thread
    is reported if the thread has a table of its own. Pids are those of the host.
    OSError if the kernel does not allow this or lacks something.
    """
    for printed in iterate(*prepare(only_sockets=only_sockets)):
        yield Descriptors(printed)


@lru_cache(maxsize=2)
def prepare(*, only_sockets: bool) -> tuple[bytes, int]:
    """Assemble the program for this kernel, and find the function it is written for.

    OSError if the kernel lacks something. It takes 0.03 s, once.
    """
    try:
        with open(VMLINUX, "rb") as file:
            types = KernelTypes(file.read())
        program = _program(types, only_sockets=only_sockets)
        return program, types.find(FUNCTION, b"bpf_iter_task_file")
    except (MissingType, IndexError, ValueError) as error:
        raise OSError(f"BTF: {error}") from error


def _program(types: KernelTypes, *, only_sockets: bool) -> bytes:
    """Assemble the program, which is called for each descriptor of each task."""
    task, file, inode = (
        types.find(STRUCT, name) for name in (b"task_struct", b"file", b"inode")
    )

    def of_task(member: bytes) -> int:
        return types.offset(task, member)

    find_inode = (
        load64(R1, R7, types.offset(file, b"f_inode")),
        load64(R1, R1, types.offset(inode, b"i_ino")),
        store64(_INODE, R1),
    )
    write = (
        load64(R9, R8, of_task(b"group_leader")),
        load32(R1, R8, of_task(b"tgid")),
        store32(_PID, R1),
        load32(R1, R8, of_task(b"pid")),
        store32(_THREAD, R1),
        load32(R1, R6, _FD),
        store32(_DESCRIPTOR, R1),
        load64(R1, R9, of_task(b"start_boottime")),
        store64(_START, R1),
        load64(R1, R9, of_task(b"comm")),
        store64(_NAME, R1),
        load64(R1, R9, of_task(b"comm") + 8),
        store64(_NAME + 8, R1),
        load64(R1, R6, _META),
        load64(R1, R1, 0),
        move(R2, FRAME),
        add(R2, _OWNER),
        number(R3, _SIZE),
        call(SEQ_WRITE),
    )
    if only_sockets:
        choose: tuple[bytes, ...] = (
            jump_if_set(R0, 3),
            load32(R1, R6, _FD),
            jump_if_less(R1, _STANDARD, 1 + len(find_inode)),
            jump(len(find_inode) + len(write)),
        )
    else:
        choose = (jump_if_zero(R0, len(find_inode)),)
    body = (
        zero64(_THREAD),
        zero64(_INODE),
        move(R1, R7),
        call(SOCK_FROM_FILE),
        *choose,
        *find_inode,
        *write,
    )
    return b"".join(
        (
            move(R6, R1),
            load64(R7, R6, _FILE),
            jump_if_zero(R7, len(body) + 2),
            load64(R8, R6, _TASK),
            jump_if_zero(R8, len(body)),
            *body,
            number(R0, 0),
            leave(),
        )
    )
