"""Who holds a socket is read from any /proc, whatever is odd about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tcpstates.collect import owners, proc_scan
from tcpstates.collect.forked_scan import ForkedScan
from tcpstates.collect.owner_table import OwnerTable
from tcpstates.collect.proc_files import sees_all_processes
from tcpstates.model import Owner


class FakeProc:
    """A folder that looks like /proc as far as owners are concerned."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, pid: int, name: bytes = b"prog\n", **fds: str) -> Path:
        folder = self.root / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_bytes(name)
        self.links(folder / "fd", fds)
        return folder

    def thread(self, pid: int, tid: int, **fds: str) -> None:
        folder = self.root / str(pid) / "task" / str(tid) / "fd"
        folder.mkdir(parents=True)
        self.links(folder, fds)

    def links(self, folder: Path, fds: dict[str, str]) -> None:
        for fd, target in fds.items():
            (folder / fd.removeprefix("fd")).symlink_to(target)


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path)


def scan(proc: FakeProc, *inodes: int) -> OwnerTable:
    table = OwnerTable(inodes, str(proc.root))
    owners.scan(table)
    return table


@pytest.mark.skipif(os.name != "posix", reason="/proc is opened with dir_fd")
def test_every_holder_is_listed_by_pid(proc: FakeProc) -> None:
    proc.process(20, b"worker\n", fd7="socket:[5]")
    proc.process(3, b"master\n", fd4="socket:[5]", fd9="socket:[5]", fd1="/dev/null")
    proc.process(100, b"other\n", fd3="socket:[6]")
    assert scan(proc, 5, 7).owners([5])[0] == (
        Owner(3, b"master", 4),
        Owner(3, b"master", 9),
        Owner(20, b"worker", 7),
    )
    assert scan(proc, 5).owners([7])[0] == ()


@pytest.mark.parametrize(
    "link",
    [
        "/tmp/socket:[5]",
        "socket:[5] (deleted)",
        "socket:5",
        "socket:[x]",
        "anon_inode:[5]",
    ],
)
def test_only_a_sockets_own_link_counts(proc: FakeProc, link: str) -> None:
    proc.process(3, fd4=link)
    assert scan(proc, 5).owners([5])[0] == ()


@pytest.mark.skipif(os.name != "posix", reason="/proc is opened with dir_fd")
def test_a_thread_with_its_own_table_is_found(proc: FakeProc) -> None:
    proc.process(3, b"threaded\n", fd4="socket:[5]")
    proc.thread(3, 3, fd4="socket:[5]")
    proc.thread(3, 4, fd11="socket:[6]")
    table = scan(proc, 5, 6)
    assert table.owners([6])[0] == (Owner(3, b"threaded", 11),)
    assert table.owners([5])[0] == (Owner(3, b"threaded", 4),)


@pytest.mark.skipif(os.name != "posix", reason="/proc is opened with dir_fd")
def test_a_name_is_taken_whole(proc: FakeProc) -> None:
    proc.process(3, b"a) R 1 (\nx\n\n", fd4="socket:[5]")
    assert scan(proc, 5).owners([5])[0] == (Owner(3, b"a) R 1 (\nx\n", 4),)


@pytest.mark.skipif(os.name != "posix", reason="/proc is opened with dir_fd")
def test_a_process_without_a_name_went_away(proc: FakeProc) -> None:
    (proc.process(3, fd4="socket:[5]") / "comm").unlink()
    assert scan(proc, 5).owners([5])[0] == (Owner(3, None, 4),)


@pytest.mark.skipif(os.name != "posix", reason="/proc is opened with dir_fd")
def test_a_holder_whose_name_nobody_read_is_still_listed(proc: FakeProc) -> None:
    proc.process(3, fd4="socket:[5]")
    table = scan(proc, 5)
    table.names.clear()  # as after a helper that ended in the middle of its answer
    assert table.owners([5])[0] == (Owner(3, None, 4),)


@pytest.mark.skipif(os.name != "posix", reason="/proc is opened with dir_fd")
def test_a_broken_table_does_not_stop_the_others(proc: FakeProc) -> None:
    (proc.root / "7").mkdir()
    (proc.root / "8").write_text("no folder")
    proc.process(9, fd4="socket:[5]")
    assert len(scan(proc, 5).owners([5])[0]) == 1


def test_without_proc_nothing_is_claimed(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "missing"):
        table = OwnerTable([5], str(root))
        owners.scan(table)
        assert not table.available
        assert table.owners([5])[0] == ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("dies", [False, True])
def test_a_helper_changes_nothing(
    proc: FakeProc, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    for pid in range(1, 200):
        shared = {f"fd{n}": f"socket:[{n}]" for n in range(3, 6)}
        proc.process(pid, b"p%d\n" % pid, fd9=f"socket:[{1000 + pid}]", **shared)
    inodes = [3, 4, 5, 77, *range(1001, 1200)]
    alone = scan(proc, *inodes).owners(inodes)
    monkeypatch.setattr(proc_scan, "_WORTH_HELP", 0)
    if dies:
        monkeypatch.setattr(ForkedScan, "answer", lambda *_: os._exit(1))
    started: list[ForkedScan | None] = []
    start = ForkedScan.start

    def start_and_note(pids: list[int]) -> ForkedScan | None:
        started.append(start(pids))
        return started[-1]

    monkeypatch.setattr(ForkedScan, "start", start_and_note)
    assert scan(proc, *inodes).owners(inodes) == alone
    assert len(alone[0]) == 199
    assert len(started) == 1
    assert started[0] is not None


def test_no_wanted_socket_needs_no_scan(tmp_path: Path) -> None:
    table = OwnerTable([0, 0], str(tmp_path / "missing"))
    owners.scan(table)
    assert table.available


@pytest.mark.parametrize(
    ("capabilities", "all_seen"),
    [(0x80004, True), (0x80000, False), (0x4, False), (0, False), (2**41 - 1, True)],
)
def test_it_takes_both_capabilities(
    tmp_path: Path, capabilities: int, all_seen: bool
) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text(f"Name:\tx\nCapEff:\t{capabilities:016x}\n")
    assert sees_all_processes(str(tmp_path)) is all_seen
