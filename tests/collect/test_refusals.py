"""What a source cannot read is an error or a note, never an empty or partial table."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fakes import diag
from tcpstates.batch import Batch, ColumnBatch
from tcpstates.collect import netlink, owners, process_details, psutil_
from tcpstates.collect import sources as choosing
from tcpstates.collect.netlink import NetlinkSource
from tcpstates.collect.netstat import parse_listing
from tcpstates.collect.owner_table import OwnerTable
from tcpstates.collect.proc_files import in_first_pid_namespace
from tcpstates.collect.procfs import ProcfsSource
from tcpstates.collect.psutil_ import PsutilSource, _kind
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, Owner, OwnersBy, Reason, Request
from tcpstates.states import AnyState, OtherState, TcpState

TCP4 = Request(families=frozenset({"ipv4"}))


class Kernel:
    """A netlink socket whose kernel answers with these datagrams."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.closed = False

    def sendto(self, message: bytes, address: tuple[int, int]) -> None:
        assert address == (0, 0)

    def getsockname(self) -> tuple[int, int]:
        return (77, 0)

    def recvmsg(self, size: int) -> tuple[bytes, list[Any], int, tuple[int, int]]:
        return self.answers.pop(0), [], 0, (0, 0)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what lets a made-up kernel answer, in Linux's and this host's order."""
    if sys.platform != "linux":
        pytest.skip("netlink is Linux's")

    def answer(*answers: bytes) -> Kernel:
        kernel = Kernel(*answers)
        monkeypatch.setattr(netlink, "open_channel", lambda: kernel)
        return kernel

    return answer


def test_a_kernel_that_refuses_is_no_empty_table(answering: Any) -> None:
    kernel = answering(diag.done(errno.ENOENT))
    with pytest.raises(SourceUnavailable, match="No such file or directory"):
        list(NetlinkSource().read(TCP4, []))
    assert kernel.closed


def test_tables_that_changed_while_they_were_read_are_noted(answering: Any) -> None:
    answering(diag.message(flags=2 | 0x10), diag.done())
    limitations: list[Limitation] = []
    assert sum(map(len, NetlinkSource().read(TCP4, limitations))) == 1
    text = "the kernel's tables changed while they were read"
    assert limitations == [Limitation("changed-while-read", text)]
    answering(diag.message(), diag.done())
    limitations.clear()
    assert sum(map(len, NetlinkSource().read(TCP4, limitations))) == 1
    assert limitations == []


def test_answers_to_others_are_passed_over(answering: Any) -> None:
    others = diag.message(cookie=9, port_id=78) + diag.message(cookie=8, sequence=2)
    answering(others + diag.message(cookie=7) + diag.message(cookie=6), diag.done())
    (batch,) = NetlinkSource().read(TCP4, [])
    assert list(batch.column("cookie")) == [7, 6]


def test_a_message_of_no_length_is_an_error(answering: Any) -> None:
    answering(b"\3\0\0\0" + bytes(12))
    with pytest.raises(SourceUnavailable) as raised:
        list(NetlinkSource().read(TCP4, []))
    assert raised.value.reason == "netlink: invalid message length: 3 bytes"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("allow_fallback", [True, False])
def test_only_udp_is_read_elsewhere_and_only_if_it_may(
    monkeypatch: pytest.MonkeyPatch, protocol: str, allow_fallback: bool
) -> None:
    def refuse(*_: object) -> Iterator[Batch]:
        yield from ()
        raise netlink._Refused("netlink", "why not")

    def read(
        self: object, request: Request, limitations: list[Limitation]
    ) -> Iterator[Batch]:
        assert request.protocols == {"udp"}
        yield ColumnBatch("udp", "ipv4", 1, {"state_label": ["UNCONN"]})

    monkeypatch.setattr(netlink._Reading, "_dump", refuse)
    monkeypatch.setattr(ProcfsSource, "read", read)
    request = Request(
        frozenset({protocol}), frozenset({"ipv4"}), allow_fallback=allow_fallback
    )
    limitations: list[Limitation] = []
    if protocol == "udp" and allow_fallback:
        assert sum(map(len, NetlinkSource().read(request, limitations))) == 1
        text = "no UDP from netlink (why not); using /proc/net instead"
        assert limitations == [Limitation("udp-from-procfs", text)]
    else:
        with pytest.raises(SourceUnavailable, match="source netlink: why not"):
            list(NetlinkSource().read(request, limitations))


# procfs


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    return tmp_path


def heading(path: Path, *lines: str) -> None:
    path.write_text("\n".join(("  sl  local_address", *lines, "")))


@pytest.mark.skipif(os.name != "posix", reason="about Linux")
def test_a_table_that_cannot_be_read_is_an_error(proc: Path) -> None:
    (proc / "net/tcp").mkdir()
    with pytest.raises(SourceUnavailable, match="net/tcp: Is a directory"):
        list(ProcfsSource(str(proc)).read(TCP4, []))


def test_a_table_of_ipv4_is_never_left_out(proc: Path) -> None:
    heading(proc / "net/tcp")
    udp = Request(protocols=frozenset({"udp"}))
    with pytest.raises(SourceUnavailable, match="net/udp: No such file"):
        list(ProcfsSource(str(proc)).read(udp, []))
    assert list(ProcfsSource(str(proc)).read(Request(), [])) == []  # without IPv6


@pytest.mark.parametrize(("number", "noun"), [(1, "line"), (2, "lines")])
def test_unreadable_lines_are_counted(proc: Path, number: int, noun: str) -> None:
    heading(proc / "net/tcp", *["   9: garbage"] * number)
    limitations: list[Limitation] = []
    list(ProcfsSource(str(proc)).read(TCP4, limitations))
    text = f"skipped {number} unreadable {noun} of {proc}/net"
    assert limitations == [Limitation("rows-skipped", text)]


def test_lines_of_netstat_that_cannot_be_read_are_counted() -> None:
    limitations: list[Limitation] = []
    row = "  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING       912"
    bad = "tcp        0      0 0.0.0.0:99999           0.0.0.0:*               LISTEN"
    found = list(parse_listing(f"{row}\r\n{bad}\r\n", Request(), limitations))
    assert sum(map(len, found)) == 1
    assert [limit.kind for limit in limitations] == ["rows-skipped"]
    assert limitations[0].text == "skipped 1 unreadable line of netstat"


# psutil


@pytest.mark.parametrize(
    ("protocols", "families", "kind"),
    [
        ("tcp", "ipv4", "tcp4"),
        ("udp", "ipv6", "udp6"),
        ("tcp", "ipv4 ipv6", "tcp"),
        ("tcp udp", "ipv4", "inet4"),
        ("tcp udp", "ipv4 ipv6", "inet"),
    ],
)
def test_psutil_is_asked_for_no_more(protocols: str, families: str, kind: str) -> None:
    request = Request(frozenset(protocols.split()), frozenset(families.split()))
    assert _kind(request) == kind


class Row:
    """A socket as psutil has it."""

    def __init__(self, *, pid: int | None, raddr: tuple[str, int] | tuple[()]) -> None:
        self.pid, self.raddr, self.laddr = pid, raddr, ("127.0.0.1", 80)
        self.fd, self.family, self.type = 3, socket.AF_INET, socket.SOCK_STREAM
        self.status = "LISTEN"


@pytest.mark.parametrize(
    ("pid", "raddr", "kinds"),
    [
        (None, (), ["sockets-merged"]),
        (None, ("127.0.0.1", 9), []),
        (7, (), []),
    ],
)
def test_sockets_that_psutil_may_have_merged_are_noted(
    monkeypatch: pytest.MonkeyPatch, pid: int | None, raddr: Any, kinds: list[str]
) -> None:
    import psutil

    monkeypatch.setattr(
        psutil, "net_connections", lambda kind: [Row(pid=pid, raddr=raddr)]
    )
    limitations: list[Limitation] = []
    list(PsutilSource().read(Request(), limitations))
    assert [limit.kind for limit in limitations] == kinds


def test_without_root_macos_tells_what_one_may_see(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import psutil

    def deny(kind: str) -> list[Any]:
        raise psutil.AccessDenied

    def fail(request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        yield from ()
        raise SourceUnavailable("netstat", "it is missing")

    from tcpstates.collect import netstat

    monkeypatch.setattr(psutil, "net_connections", deny)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(netstat, "read_macos", fail)
    monkeypatch.setattr(psutil_, "_own_rows", lambda kind: [Row(pid=7, raddr=())])
    limitations: list[Limitation] = []
    assert sum(map(len, PsutilSource().read(Request(), limitations))) == 1
    assert limitations == [
        Limitation("own-processes-only", "source netstat: it is missing"),
        Limitation(
            "own-processes-only",
            "only sockets of processes that you can inspect; run as root for all",
        ),
    ]


def test_limits_of_descriptors_are_known_where_linux_tells_them() -> None:
    limit = process_details.read_descriptors_limit(os.getpid())
    assert (limit is not None) == (sys.platform == "linux")
    assert process_details.read_descriptors_limit(2**22 + 1) is None


# Which source, and what is said of it.


class Fails:
    lacks = ()
    owners_by = OwnersBy.PID
    reads_everything = True

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        yield from ()
        raise SourceUnavailable(self.name, "no")


class Works:
    name = "works"
    lacks = PsutilSource.lacks
    owners_by = OwnersBy.PID
    reads_everything = True

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        self.asked.append(request)
        yield ColumnBatch("tcp", "ipv4", 1, {"state_label": ["LISTEN"]})


def test_a_fallback_names_what_failed_and_what_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    works = Works()
    monkeypatch.setattr(
        choosing, "source_order", lambda: ("netlink", "procfs", "psutil")
    )
    monkeypatch.setattr(
        choosing,
        "SOURCES",
        {"netlink": lambda: Fails("netlink"), "procfs": lambda: Fails("procfs"), "psutil": lambda: works},
    )  # fmt: skip
    limitations: list[Limitation] = []
    used, _, _, batches = choosing.read_sockets("auto", Request(), limitations)
    assert (used, sum(map(len, batches))) == ("works", 1)
    text = (
        "source netlink: no; source procfs: no; using psutil instead, without queues,"
        " timers, uid, inode, other processes of a socket, cookie, tcp_info, ages, memory,"
        " interface, cgroup, mark"
    )
    assert limitations == [Limitation("fell-back", text)]
    assert [request.allow_fallback for request in works.asked] == [True]
    choosing.read_sockets("psutil", Request(), [])
    assert [request.allow_fallback for request in works.asked] == [True, False]
    with pytest.raises(SourceUnavailable) as raised:
        choosing.read_sockets("netlink", Request(), [])
    assert str(raised.value) == "source netlink: no"
    monkeypatch.setattr(choosing, "source_order", lambda: ("netlink", "procfs"))
    with pytest.raises(SourceUnavailable) as raised:
        choosing.read_sockets("auto", Request(), [])
    assert str(raised.value) == "source auto: source netlink: no; source procfs: no"
    monkeypatch.setattr(choosing, "source_order", lambda: ("procfs",))
    with pytest.raises(SourceUnavailable) as raised:
        choosing.read_sockets("auto", Request(), [])
    assert str(raised.value) == "source procfs: no"


# Owners


def process(root: Path, pid: int, *links: str, started: int = 5) -> Path:
    folder = root / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_bytes(b"prog\n")
    (folder / "stat").write_text(f"{pid} (a) b) S {'0 ' * 18}{started} 0 0\n")
    for number, target in enumerate(links):
        (folder / "fd" / str(number)).symlink_to(target)
    return folder


@pytest.mark.skipif(os.name != "posix", reason="/proc is opened with dir_fd")
def test_an_odd_name_hides_no_other_descriptor(tmp_path: Path) -> None:
    process(
        tmp_path, 7, "socket:[x]", "socket:[]", "/dev/null", "socket:[5]", "pipe:[5]"
    )
    table = OwnerTable([5], str(tmp_path))
    before = os.listdir("/dev/fd")
    owners.scan(table, sockets=1)
    assert table.of_inode(5) == (Owner(7, b"prog", 3),)
    assert table.usage == {7: (5, 3)}
    assert os.listdir("/dev/fd") == before


@pytest.mark.skipif(os.name != "posix", reason="/proc is opened with dir_fd")
def test_threads_are_looked_at_and_closed(tmp_path: Path) -> None:
    folder = process(tmp_path, 7)
    (folder / "task" / "8" / "fd").mkdir(parents=True)
    (folder / "task" / "8" / "fd" / "1").symlink_to("socket:[5]")
    before = os.listdir("/dev/fd")
    table = OwnerTable([5, 6], str(tmp_path))
    owners.scan(table)
    assert table.of_inode(5) == (Owner(7, b"prog", 1),)
    assert os.listdir("/dev/fd") == before


@pytest.mark.skipif(os.name != "posix", reason="/proc is opened with dir_fd")
def test_a_process_that_is_another_one_is_noticed(tmp_path: Path) -> None:
    folder = process(tmp_path, 7, "socket:[5]", started=1234)
    table = OwnerTable([5], str(tmp_path))
    owners.scan(table)
    assert table.is_same(7)
    assert table.name(7) == b"prog"
    assert table.is_same(8)  # it was not looked at
    (folder / "stat").write_text(f"7 (prog) S {'0 ' * 18}1235 0 0\n")
    assert not table.is_same(7)
    (folder / "stat").unlink()
    assert not table.is_same(7)


@pytest.mark.skipif(os.name != "posix", reason="/proc is opened with dir_fd")
def test_processes_without_wanted_sockets_are_known_where_use_matters(
    tmp_path: Path,
) -> None:
    folder = process(tmp_path, 7)
    for sockets, same in ((None, True), (1, False)):
        table = OwnerTable([5], str(tmp_path))
        (folder / "stat").write_text(f"7 (prog) S {'0 ' * 18}5 0 0\n")
        owners.scan(table, sockets=sockets)
        (folder / "stat").write_text(f"7 (prog) S {'0 ' * 18}6 0 0\n")
        assert table.is_same(7) == same


def test_where_nothing_tells_the_pid_namespace_it_is_the_first(tmp_path: Path) -> None:
    assert in_first_pid_namespace(str(tmp_path))
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").touch()
    assert not in_first_pid_namespace(str(tmp_path))


@pytest.mark.parametrize(
    ("available", "sees_all", "unreadable", "is_host", "reason"),
    [
        (False, True, 0, True, Reason.UNKNOWN),
        (True, False, 0, True, Reason.HIDDEN),
        (True, False, 3, False, Reason.HIDDEN),
        (True, True, 1, True, Reason.NOT_FOUND),
        (True, True, 0, True, Reason.UNATTRIBUTED),
        (True, True, 0, False, Reason.NOT_HERE),
    ],
)
def test_why_no_process_was_found(
    monkeypatch: pytest.MonkeyPatch,
    available: bool,
    sees_all: bool,
    unreadable: int,
    is_host: bool,
    reason: str,
) -> None:
    from tcpstates.collect import owner_table

    monkeypatch.setattr(owner_table, "sees_all_processes", lambda: sees_all)
    monkeypatch.setattr(owner_table, "in_first_pid_namespace", lambda: is_host)
    table = OwnerTable([5])
    table.available, table.unreadable = available, unreadable
    assert table.unseen_reason() == reason


@pytest.mark.skipif(os.name != "posix", reason="about Linux")
def test_bound_is_refused_alone_and_noted_among_others(proc: Path) -> None:
    heading(proc / "net/tcp")
    states: frozenset[AnyState] = frozenset({TcpState.LISTEN, OtherState.BOUND})
    limitations: list[Limitation] = []
    list(ProcfsSource(str(proc)).read(TCP4._replace(states=states), limitations))
    text = (
        "source procfs does not report BOUND sockets; netlink does (Linux 6.8 or newer)"
    )
    assert limitations == [Limitation("state-not-told", text)]


def test_an_error_without_words_of_the_system_keeps_its_own() -> None:
    assert netlink._text(OSError("odd")) == "odd"
    assert netlink._text(OSError(errno.EPERM, "Not allowed")) == "Not allowed"
