"""Owners from the BPF iterator are those that /proc shows, socket by socket."""

from __future__ import annotations

import os
import platform
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tcpstates.attribution import attribute
from tcpstates.batch import ColumnBatch
from tcpstates.collect import iterator_scan, owners
from tcpstates.collect.owner_table import OwnerTable
from tcpstates.collect.proc_scan import ProcScan
from tcpstates.model import OwnersBy

if sys.platform != "linux":
    pytest.skip("BPF is Linux's", allow_module_level=True)

from tcpstates.collect.bpf import btf
from tcpstates.collect.bpf.descriptors import Descriptors, read_descriptors

CLONE_FILES = 0x400


def is_allowed() -> bool:
    """Whether this machine's kernel, and its administrator, allow the iterator."""
    try:
        return any(read_descriptors(only_sockets=True))
    except OSError:
        return False


needs_iterator = pytest.mark.skipif(
    not is_allowed(), reason="the kernel does not allow BPF iterators here"
)


def pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def inodes_of(*sockets: socket.socket) -> list[int]:
    return [os.fstat(one.fileno()).st_ino for one in sockets]


@pytest.fixture
def held() -> Iterator[list[int]]:
    """Return the inodes of sockets with one, two and no owners, and of a thread's own."""
    import ctypes

    one, shared, gone, own = (socket.socket() for _ in range(4))
    found = inodes_of(one, shared, gone, own)
    ready, done = threading.Event(), threading.Event()

    def keep() -> None:
        ctypes.CDLL(None).unshare(CLONE_FILES)
        ready.set()
        done.wait()

    thread = threading.Thread(target=keep)
    thread.start()
    ready.wait()
    started, release = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        one.close()
        own.close()
        os.close(release[1])
        os.write(started[1], b"x")
        os.read(release[0], 1)
        os._exit(0)
    os.read(started[0], 1)
    gone.close()  # the child still has it, and the thread
    own.close()  # the thread alone has it
    try:
        yield [*found, 2**31 - 1]
    finally:
        for end in (*started, *release):
            os.close(end)
        os.waitpid(child, 0)
        done.set()
        thread.join()
        for each in (one, shared):
            each.close()


def tables(inodes: list[int], *, usage: bool) -> tuple[OwnerTable, OwnerTable]:
    by_proc, by_iterator = OwnerTable(inodes), OwnerTable(inodes)
    ProcScan(by_proc, "/proc", pids(), counts_usage=usage).run()
    assert iterator_scan.scan_by_iterator(by_iterator, pids(), counts_usage=usage)
    return by_proc, by_iterator


@needs_iterator
@pytest.mark.parametrize("usage", [False, True])
def test_owners_are_those_of_proc(held: list[int], usage: bool) -> None:
    by_proc, by_iterator = tables(held, usage=usage)
    assert by_iterator.owners(held) == by_proc.owners(held)
    # Threads are looked at because of the last two; one of them has the third, too.
    assert [len(found) for found in by_proc.owners(held)] == [1, 2, 2, 1, 0]
    assert by_iterator.names == by_proc.names
    assert by_iterator.unreadable == by_proc.unreadable
    for pid in by_proc.names:
        assert by_iterator.started[pid] == by_proc.started[pid]
        assert by_iterator.is_same(pid)


@needs_iterator
def test_a_socket_that_only_a_thread_has_is_found(held: list[int]) -> None:
    for table in tables(held[3:4], usage=False):
        assert [owner.pid for owner in table.of_inode(held[3])] == [os.getpid()]


@needs_iterator
def test_descriptors_are_counted_as_in_proc() -> None:
    by_proc, by_iterator = tables([], usage=True)
    waiting = [pid for pid in by_proc.usage if pid != os.getpid()]
    same = [pid for pid in waiting if by_iterator.usage.get(pid) == by_proc.usage[pid]]
    assert len(same) > len(waiting) * 0.8  # others open and close meanwhile


@needs_iterator
def test_every_process_is_examined_even_without_standard_streams() -> None:
    """The iterator says nothing of a process without descriptors; /proc is asked."""
    started, release = os.pipe(), os.pipe()
    made = socket.socket()
    inode = inodes_of(made)[0]
    child = os.fork()
    if not child:
        os.dup2(release[0], 500)
        os.dup2(made.fileno(), 501)
        os.dup2(started[1], 502)
        os.closerange(0, 500)
        os.write(502, b"x")
        os.close(502)
        os.read(500, 1)
        os._exit(0)
    os.read(started[0], 1)
    made.close()
    os.close(started[1])
    try:
        table = OwnerTable([inode])
        assert iterator_scan.scan_by_iterator(table, pids(), counts_usage=False)
        assert [(o.pid, o.fd) for o in table.of_inode(inode)] == [(child, 501)]
    finally:
        os.close(release[1])
        os.close(release[0])
        os.close(started[0])
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (iterator_scan, "may_trace_by_bpf", lambda: False),
        (iterator_scan, "sees_all_processes", lambda: False),
        (iterator_scan, "in_first_pid_namespace", lambda: False),
        (iterator_scan, "in_first_time_namespace", lambda: False),
        (platform, "machine", lambda: "pdp11"),
    ],
)
def test_where_it_cannot_be_used_proc_is_read(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: Any
) -> None:
    monkeypatch.setattr(module, name, value)
    with socket.socket() as made:
        (inode,) = inodes_of(made)
        table = OwnerTable([inode])
        assert not iterator_scan.scan_by_iterator(table, pids(), counts_usage=True)
        assert (table.names, table.usage, table.of_inode(inode)) == ({}, {}, ())
        monkeypatch.setattr(owners, "is_iterator_quicker", lambda pids: True)
        owners.scan(table)
        assert table.of_inode(inode)[0].pid == os.getpid()


def test_a_failure_in_the_middle_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import tcpstates.collect.bpf.descriptors as module

    def failing(*, only_sockets: bool) -> Iterator[module.Descriptors]:
        owner, pid = os.getpid() << 32 | 3, os.getpid()
        yield module.Descriptors(struct.pack("=QIxxxxQQ16s", owner, pid, 77, 0, b"me"))
        raise OSError("stopped")

    for check in ("may_trace_by_bpf", "sees_all_processes"):
        monkeypatch.setattr(iterator_scan, check, lambda: True)
    monkeypatch.setattr(iterator_scan, "in_first_pid_namespace", lambda: True)
    monkeypatch.setattr(iterator_scan, "in_first_time_namespace", lambda: True)
    monkeypatch.setattr(module, "read_descriptors", failing)
    table = OwnerTable([77])
    assert not iterator_scan.scan_by_iterator(table, pids(), counts_usage=True)
    assert (table.names, table.usage, table.of_inode(77)) == ({}, {}, ())


def test_it_is_used_where_there_are_many_descriptors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = tmp_path / "file-nr"
    monkeypatch.setattr(owners, "_FILES", str(files))
    number = 2  # descriptors of each process
    monkeypatch.setattr(owners, "count_descriptors", lambda pid: number)
    few, many = range(200), range(10_000)
    assert not owners.is_iterator_quicker(few)  # the kernel's number is not known
    files.write_text("1000\t0\t9223372036854775807\n")
    assert not owners.is_iterator_quicker(few)
    assert owners.is_iterator_quicker(many)
    files.write_text("100000\t0\t9223372036854775807\n")
    assert owners.is_iterator_quicker(few)
    files.write_text("1000\t0\t9223372036854775807\n")
    number = 200
    assert owners.is_iterator_quicker(few)


def test_few_processes_are_examined_alone(tmp_path: Path) -> None:
    with socket.socket() as made:
        (inode,) = inodes_of(made)
        table = OwnerTable([inode])
        assert owners.scan_only(table, [os.getpid()])
        assert table.of_inode(inode)[0].pid == os.getpid()
        other = OwnerTable([inode])
        assert owners.scan_only(other, [2**22 + 1])  # no such process
        assert other.of_inode(inode) == ()
        assert not owners.scan_only(OwnerTable([inode], str(tmp_path)), [1])


@pytest.mark.parametrize("cut", [0, 10, 24, 200])
def test_what_is_no_btf_is_a_missing_type(cut: int) -> None:
    whole = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, 24, 24, 8)
    whole += struct.pack("=III", 1, btf.STRUCT << 24, 8) + bytes(12) + b"\0abc\0\0\0\0"
    with pytest.raises((btf.MissingType, struct.error, IndexError)):
        btf.KernelTypes(whole[:cut]).find(btf.STRUCT, b"task_struct")


def test_a_number_is_found_by_where_types_begin() -> None:
    """The bytes of a type may also be those of another type's member."""
    names = b"\0outer\0inner\0"
    outer, inner = 1, 7  # places of the names
    types = struct.pack("=III", outer, btf.STRUCT << 24 | 2, 24)
    types += struct.pack("=III", inner, btf.STRUCT << 24, 0)  # a member, not a type
    types += struct.pack("=III", 0, 0, 0)
    types += struct.pack("=III", outer, btf.FUNCTION << 24, 0)
    types += struct.pack("=III", inner, btf.FUNCTION << 24 | 1, 0)
    types += struct.pack("=III", inner, btf.STRUCT << 24, 4)
    sizes = 24, 0, len(types), len(types), len(names)
    head = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, *sizes)
    found = btf.KernelTypes(head + types + names)
    assert found.find(btf.STRUCT, b"inner") == 4
    assert found.find(btf.FUNCTION, b"inner") == 3
    assert found.find(btf.STRUCT, b"outer") == 1
    with pytest.raises(btf.MissingType):
        found.find(btf.TYPEDEF, b"outer")


def test_columns_of_records() -> None:
    def record(pid: int, thread: int, fd: int) -> bytes:
        start, name = pid * 10**9, b"name %d" % pid
        return struct.pack("=QIxxxxQQ16s", pid << 32 | fd, thread, 5, start, name)

    def read(*records: bytes) -> Descriptors:
        return Descriptors(b"".join(records))

    one = read(record(70, 70, 3), record(70, 70, 4))
    assert (one.processes(), one.have_own_tables()) == ({70}, False)
    assert one.owners() == [70 << 32 | 3, 70 << 32 | 4]
    assert one.inodes() == [5, 5]
    several = read(record(70, 70, 3), record(71, 75, 3), record(70, 70, 4))
    assert (several.processes(), several.have_own_tables()) == ({70, 71}, True)
    assert (several.pids(), several.threads()) == ([70, 71, 70], [70, 75, 70])
    assert (several.started(1), several.name(1)) == (71 * 10**9, b"name 71")


@pytest.mark.parametrize(("sockets", "is_prepared"), [(19_998, False), (20_000, True)])
def test_the_scan_of_many_sockets_is_prepared_while_they_are_read(
    monkeypatch: pytest.MonkeyPatch, sockets: int, is_prepared: bool
) -> None:
    done: list[str] = []
    monkeypatch.setattr(owners, "prepare", lambda: done.append("prepared"))
    monkeypatch.setattr(owners, "scan", lambda table: done.append("scanned"))

    def read() -> Iterator[ColumnBatch]:
        yield ColumnBatch("tcp", "ipv4", sockets, {"inode": range(sockets)})
        yield ColumnBatch("tcp", "ipv4", 1, {"inode": [sockets]})
        done.append("read")

    found = attribute(read(), OwnersBy.INODE, [])
    assert sum(map(len, found)) == sockets + 1
    assert done == ["prepared"] * is_prepared + ["read", "scanned"]


@pytest.mark.skipif(not Path(btf.VMLINUX).exists(), reason="this kernel has no BTF")
def test_members_are_where_the_compiler_has_put_them() -> None:
    """`struct list_head` is two pointers, and `struct page` has unnamed members."""
    types = btf.KernelTypes(Path(btf.VMLINUX).read_bytes())
    pair = types.find(btf.STRUCT, b"list_head")
    size = struct.calcsize("P")
    assert [types.offset(pair, name) for name in (b"next", b"prev")] == [0, size]
    page = types.find(btf.STRUCT, b"page")
    assert types.offset(page, b"mapping") >= size
    with pytest.raises(btf.MissingType):
        types.offset(pair, b"no_such_member")
    with pytest.raises(btf.MissingType):
        types.find(btf.STRUCT, b"no_such_struct_anywhere")
