"""What differs between processors, kernels and systems, where this one is another."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from support.fakes import diag
from tcpstates.cli.output import OutputError, ReaderGone, output_error
from tcpstates.collect import netlink, psutil_
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, Request
from tcpstates.origin import LiveHost
from tcpstates.parse import cookie
from tcpstates.parse.inet_diag import DiagDecoder
from tcpstates.pipeline import list_sockets
from tcpstates.protocols import TCP, UDP
from tcpstates.states import ALL_STATES, OtherState

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own source")


@linux
def test_the_deadline_has_the_number_that_this_processor_has() -> None:
    """It differs on PowerPC, MIPS and SPARC; there, another option would be set."""
    with closing(netlink.open_channel()) as channel:
        packed = channel.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)
    assert struct.unpack("@ll", packed)[0] == 5


@linux
def test_a_refused_option_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    class Refusing:
        def __init__(self, *given: int) -> None:
            pass

        def setsockopt(self, *given: object) -> None:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")

        def close(self) -> None:
            closed.append(True)

    names = {
        name: getattr(socket, name)
        for name in dir(socket)
        if name[:3] in ("SO_", "SOL")
    }
    fake = SimpleNamespace(**names, socket=Refusing, AF_NETLINK=16, SOCK_RAW=3)
    monkeypatch.setattr(netlink, "socket", fake)
    with pytest.raises(SourceUnavailable, match="Protocol not available"):
        netlink.open_channel()
    assert closed == [True]
    # It steps down to /proc, and says so.
    listing = list_sockets(Request(), LiveHost())
    list(listing.batches)
    assert listing.source == "procfs"
    assert [limit.kind for limit in listing.limitations] == ["fell-back"]


def test_a_cookie_has_its_lower_half_first_on_every_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a big-endian one, both halves read as one number are exchanged."""

    def cookies() -> list[int]:
        decoder = DiagDecoder("tcp", sequence=1)
        decoder.port_id = 77
        batches = decoder.decode(diag.message(1, cookie=0x11223344_55667788))
        batches += decoder.decode(diag.done())
        return [number for batch in batches for number in batch.column("cookie")]

    assert cookies() == [0x11223344_55667788]
    monkeypatch.setattr(cookie, "_IS_BIG", True)
    assert cookies() == [0x55667788_11223344]
    assert cookie.joined_halves(2 << 32) == 2


@linux
@pytest.mark.parametrize(
    ("release", "is_refused"),
    [
        *(("5.10.0-30-amd64", True), ("6.1.0", True), ("6.7.12-arch1", True)),
        *(("6.8.0-31-generic", False), ("6.18.5", False), ("7.2.1", False)),
        *(("", False), ("custom", False), ("6.x", False)),
    ],
)
def test_bound_sockets_before_linux_6_8(
    release: str, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
    source = netlink.NetlinkSource()
    limitations: list[Limitation] = []
    only = Request(states=frozenset({OtherState.BOUND}))
    if is_refused:
        with pytest.raises(SourceUnavailable, match=r"before Linux 6\.8; this is"):
            source.read(only, limitations)
    else:
        list(source.read(only, limitations))
    assert limitations == []
    both = Request(states=ALL_STATES | {OtherState.BOUND})
    list(source.read(both, limitations))
    assert [limit.kind for limit in limitations] == ["state-not-told"] * is_refused
    # Who does not ask for them need not read about them.
    limitations.clear()
    list(source.read(Request(), limitations))
    assert limitations == []


def _row(kind: int, pid: int | None, status: str) -> Any:
    return SimpleNamespace(
        fd=-1, family=socket.AF_INET, type=kind, laddr=("10.0.0.1", 80),
        raddr=("10.0.0.2", 99), status=status, pid=pid,
    )  # fmt: skip


def test_streams_are_tcp_whatever_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """On MIPS a stream is 2, and a datagram 1."""
    swapped = {2: TCP, 1: UDP}
    monkeypatch.setattr(psutil_, "_BY_SOCKET_TYPE", swapped)
    rows = [_row(2, 7, "ESTABLISHED"), _row(1, 7, "NONE")]
    monkeypatch.setattr(psutil_.PsutilSource, "_read_rows", lambda self, kind: rows)
    request = Request(protocols=frozenset({"tcp", "udp"}))
    found = {
        batch.protocol: list(batch.column("state_label"))
        for batch in psutil_.PsutilSource().read(request, [])
    }
    assert found["tcp"] == ["ESTABLISHED"]
    assert set(found) == {"tcp", "udp"}


def test_the_idle_process_of_windows_owns_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [
        _row(socket.SOCK_STREAM, 0, "TIME_WAIT"),
        _row(socket.SOCK_STREAM, 0, "ESTABLISHED"),
        _row(socket.SOCK_STREAM, os.getpid(), "ESTABLISHED"),
    ]
    monkeypatch.setattr(psutil_.PsutilSource, "_read_rows", lambda self, kind: rows)
    origin = LiveHost("psutil")
    listing = list_sockets(Request(processes=True), origin)
    (batch,) = listing.batches
    owners = [[o.pid for o in found] for found in batch.column("processes")]
    assert owners == [[], [], [os.getpid()]]
    assert list(batch.column("no_process_reason"))[:2] == ["time-wait", "unknown"]
    assert "psutil does not report why" in listing.limitations[-1].text


@pytest.mark.parametrize(
    ("platform", "number", "is_gone"),
    [
        ("win32", errno.EINVAL, True),
        ("win32", errno.ENOSPC, False),
        ("linux", errno.EINVAL, False),
        ("linux", errno.EPIPE, True),
        ("win32", errno.EPIPE, True),
    ],
)
def test_a_reader_that_leaves_on_each_system(
    platform: str, number: int, is_gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    found = output_error(OSError(number, os.strerror(number)))
    assert isinstance(found, ReaderGone if is_gone else OutputError)
