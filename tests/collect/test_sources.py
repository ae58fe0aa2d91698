"""Sources step down when they may, say so, and agree on what a row is."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tcpstates.batch import Batch, ColumnBatch
from tcpstates.collect import sources as choosing
from tcpstates.collect.procfs import ProcfsSource
from tcpstates.collect.psutil_ import PsutilSource, parse_connections
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, OwnersBy, Request
from tcpstates.prefetch import read_ahead
from tcpstates.states import OtherState, TcpState

DATA = Path(__file__).parents[1] / "data" / "procfs" / "little"
LITTLE_ENDIAN = pytest.mark.skipif(
    sys.byteorder != "little", reason="the recorded tables are little-endian"
)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """Return the requests made of a kernel that refuses some."""
    from tcpstates.collect import netlink

    asked: list[tuple[str, str | None]] = []

    def dump(
        self: object, protocol: str, family: str | None, program: bytes
    ) -> Iterator[Batch]:
        asked.append((protocol, family))
        if family is None or protocol == "udp" or program:
            raise netlink._Refused("netlink", "No such file or directory")
        yield ColumnBatch(protocol, family, 1, {"state_label": ["LISTEN"]})

    monkeypatch.setattr(netlink._Reading, "_dump", dump)
    return asked


def test_a_kernel_that_refuses_a_program_is_asked_for_everything(
    refusing: list[tuple[str, str | None]],
) -> None:
    from tcpstates.collect.netlink import NetlinkSource

    request = Request(
        families=frozenset({"ipv4"}), kernel_filter=b"from a newer kernel"
    )
    assert sum(map(len, NetlinkSource().read(request, []))) == 1
    assert refusing == [("tcp", "ipv4"), ("tcp", "ipv4")]


def test_a_kernel_that_lacks_a_request_is_asked_otherwise(
    refusing: list[tuple[str, str | None]],
) -> None:
    from tcpstates.collect.netlink import NetlinkSource

    batches = list(NetlinkSource().read(Request(), []))
    assert sum(map(len, batches)) == 2
    assert refusing == [("tcp", None), ("tcp", "ipv4"), ("tcp", "ipv6")]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/net")
def test_udp_without_its_module_comes_from_procfs(
    refusing: list[tuple[str, str | None]],
) -> None:
    from tcpstates.collect.netlink import NetlinkSource

    limitations: list[Limitation] = []
    request = Request(protocols=frozenset({"udp"}), allow_fallback=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        batches = list(NetlinkSource().read(request, limitations))
        ports = {port for batch in batches for port in batch.column("local_port")}
        assert ours.getsockname()[1] in ports
    assert [limit.kind for limit in limitations] == ["udp-from-procfs"]
    with pytest.raises(SourceUnavailable):  # netlink was asked for by name
        list(NetlinkSource().read(request._replace(allow_fallback=False), []))


LACKS = {name: choosing.missing_from(name) for name in choosing.SOURCES}


class FakeSource:
    """A source that fails, or has one socket."""

    owners_by = OwnersBy.PID
    reads_everything = True

    def __init__(self, name: str, *, fails: bool) -> None:
        self.name = name
        self.fails = fails
        self.lacks = LACKS[name]

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        if self.fails:
            raise SourceUnavailable(self.name, "blocked")
        yield ColumnBatch("tcp", "ipv4", 1, {"state_label": ["LISTEN"]})


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Return what decides which source fails."""
    fails = {"netlink": False, "procfs": False, "psutil": False}
    monkeypatch.setattr(choosing, "source_order", lambda: tuple(fails))
    for name in fails:
        load = lambda n=name: FakeSource(n, fails=fails[n])  # noqa: E731
        monkeypatch.setitem(choosing.SOURCES, name, load)
    return fails


def test_the_first_that_works_is_used_in_silence(sources: dict[str, bool]) -> None:
    limitations: list[Limitation] = []
    used, _, _, batches = choosing.read_sockets("auto", Request(), limitations)
    assert (used, len(list(batches)), limitations) == ("netlink", 1, [])


def test_stepping_down_says_what_is_missing(sources: dict[str, bool]) -> None:
    sources["netlink"] = True
    limitations: list[Limitation] = []
    used, _, _, batches = choosing.read_sockets("auto", Request(), limitations)
    assert (used, len(list(batches))) == ("procfs", 1)
    (limitation,) = limitations
    assert limitation.kind == "fell-back"
    assert "source netlink: blocked; using procfs instead" in limitation.text
    assert "cookie" in limitation.text


def test_a_named_source_never_steps_down(sources: dict[str, bool]) -> None:
    sources["netlink"] = True
    with pytest.raises(SourceUnavailable, match="source netlink: blocked"):
        choosing.read_sockets("netlink", Request(), [])


def test_without_any_source_each_reason_is_told(sources: dict[str, bool]) -> None:
    sources.update(netlink=True, procfs=True, psutil=True)
    with pytest.raises(SourceUnavailable, match=r"netlink.*procfs.*psutil"):
        choosing.read_sockets("auto", Request(), [])


def proc_root(tmp_path: Path, *names: str) -> str:
    (tmp_path / "net").mkdir()
    for name in names:
        shutil.copy(DATA / "net" / name, tmp_path / "net" / name)
    return str(tmp_path)


@LITTLE_ENDIAN
def test_procfs_without_ipv6_is_silent(tmp_path: Path) -> None:
    source = ProcfsSource(proc_root(tmp_path, "tcp", "udp"))
    limitations: list[Limitation] = []
    both = frozenset({"tcp", "udp"})
    batches = list(source.read(Request(protocols=both), limitations))
    assert sum(map(len, batches)) == 22
    assert limitations == []
    only6 = Request(families=frozenset({"ipv6"}))
    assert sum(map(len, source.read(only6, limitations))) == 0


@LITTLE_ENDIAN
def test_procfs_selects_states_and_counts_broken_lines(tmp_path: Path) -> None:
    root = proc_root(tmp_path, "tcp")
    with (tmp_path / "net/tcp").open("a") as table:
        table.write("  99: garbage\n")
    limitations: list[Limitation] = []
    request = Request(states=frozenset({TcpState.LISTEN}), unknown_states=False)
    batches = list(ProcfsSource(root).read(request, limitations))
    assert [word for b in batches for word in b.column("state_label")] == ["LISTEN"] * 6
    assert limitations[0].text.startswith("skipped 1 unreadable line")


@LITTLE_ENDIAN
def test_a_table_that_should_be_there_is_not_left_out(tmp_path: Path) -> None:
    root = proc_root(tmp_path, "tcp", "udp")
    (tmp_path / "net/if_inet6").touch()  # so there is IPv6
    with pytest.raises(SourceUnavailable, match="net/tcp6: No such file"):
        list(ProcfsSource(root).read(Request(), []))


def test_no_tables_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="has no socket tables"):
        list(ProcfsSource(str(tmp_path)).read(Request(), []))


@pytest.mark.skipif(os.name != "posix", reason="about Linux")
def test_bound_sockets_are_refused_where_they_cannot_be_told(tmp_path: Path) -> None:
    only = Request(states=frozenset({OtherState.BOUND}))
    with pytest.raises(SourceUnavailable, match="netlink does"):
        list(ProcfsSource(str(tmp_path)).read(only, []))


def connection(**differences: Any) -> SimpleNamespace:
    values: dict[str, Any] = {
        "fd": 3,
        "family": socket.AF_INET,
        "type": socket.SOCK_STREAM,
        "laddr": ("127.0.0.1", 80),
        "raddr": ("127.0.0.2", 5000),
        "status": "ESTABLISHED",
        "pid": 12,
    }
    return SimpleNamespace(**values | differences)


def test_psutils_rows() -> None:
    rows = [
        connection(),
        connection(raddr=(), status="LISTEN", fd=-1, pid=None),
        connection(laddr=(), status="BRAND_NEW"),
        connection(status="CONN_BOUND"),
    ]
    batch = parse_connections("tcp", "ipv4", rows)
    assert batch.column("state_label") == [
        "ESTABLISHED",
        "LISTEN",
        "UNKNOWN(BRAND_NEW)",
        "BOUND",
    ]
    assert batch.column("state") == ["ESTABLISHED", "LISTEN", None, None]
    assert batch.column("remote_address")[1] == "0.0.0.0"
    assert batch.column("local_port")[2] == 0
    assert batch.column("fd") == [3, None, 3, 3]
    assert batch.get("inode") is None


def test_psutils_udp_state_is_told_from_the_peer() -> None:
    rows = [connection(status="NONE"), connection(status="NONE", raddr=())]
    batch = parse_connections("udp", "ipv6", rows)
    assert batch.column("state_label") == ["ESTABLISHED", "UNCONN"]
    assert batch.column("remote_address")[1] == "::"


@pytest.mark.parametrize(
    "error", [PermissionError("no"), RuntimeError("odd"), KeyError("0F"), OSError(102)]
)
def test_whatever_psutil_raises_makes_it_unavailable(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    import psutil

    def fail(kind: str) -> None:
        raise error

    monkeypatch.setattr(psutil, "net_connections", fail)
    with pytest.raises(SourceUnavailable, match=type(error).__name__):
        list(PsutilSource().read(Request(), []))


def test_without_psutil_the_source_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(SourceUnavailable, match="psutil"):
        list(PsutilSource().read(Request(), []))


@pytest.mark.parametrize("count", [0, 1, 3, 4, 50])
def test_reading_ahead_changes_nothing(count: int) -> None:
    items = read_ahead(iter(range(count)), alone=3, ahead=2)
    assert list(items) == list(range(count))


def test_errors_come_through_the_thread() -> None:
    def broken() -> Iterator[int]:
        yield from range(10)
        raise ValueError("here")

    found: list[int] = []
    with pytest.raises(ValueError, match="here"):
        found.extend(read_ahead(broken(), alone=2, ahead=2))
    items = read_ahead(broken(), alone=2, ahead=2)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    items.close()


def test_a_reader_that_leaves_ends_the_thread() -> None:
    import threading

    items = read_ahead(iter(range(10_000)), alone=1, ahead=1)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    items.close()
    assert "read-ahead" not in {thread.name for thread in threading.enumerate()}
