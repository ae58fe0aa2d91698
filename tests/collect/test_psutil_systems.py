"""psutil as it answers on macOS, Windows and FreeBSD: shapes and exceptions."""

from __future__ import annotations

import socket
from collections import Counter
from typing import Any, NamedTuple

import psutil
import pytest

from tcpstates.model import Owner, Reason, Request
from tcpstates.origin import LiveHost
from tcpstates.pipeline import list_sockets


class addr(NamedTuple):  # noqa: N801  (its name in psutil)
    """An endpoint."""

    ip: str
    port: int


class Row(NamedTuple):
    """What psutil calls `sconn`."""

    fd: int
    family: socket.AddressFamily
    type: socket.SocketKind
    laddr: Any
    raddr: Any
    status: str
    pid: int | None


V4, V6, TCP, UDP = (
    socket.AF_INET,
    socket.AF_INET6,
    socket.SOCK_STREAM,
    socket.SOCK_DGRAM,
)
HERE, THERE = addr("192.0.2.5", 49152), addr("198.51.100.9", 443)
WINDOWS = [
    Row(-1, V4, TCP, addr("0.0.0.0", 135), (), "LISTEN", 912),
    Row(-1, V4, TCP, HERE, THERE, "ESTABLISHED", 3340),
    Row(-1, V4, TCP, HERE, THERE, "TIME_WAIT", 0),
    Row(-1, V4, TCP, HERE, THERE, "DELETE_TCB", 4),
    Row(-1, V6, TCP, addr("::", 445), (), "LISTEN", 4),
    Row(-1, V6, UDP, addr("fe80::1", 1900), (), "NONE", 1220),
]
MACOS = [
    Row(9, V4, TCP, HERE, THERE, "CLOSE_WAIT", 412),
    Row(9, V4, TCP, HERE, THERE, "FIN_WAIT2", 413),
    Row(4, V6, TCP, addr("::", 22), (), "LISTEN", 1),
    Row(5, V4, TCP, addr("0.0.0.0", 0), (), "CLOSE", 77),
    Row(6, V4, UDP, addr("0.0.0.0", 5353), (), "NONE", 234),
]
FREEBSD = [
    Row(-1, V4, TCP, HERE, THERE, "TIME_WAIT", None),
    Row(3, V4, TCP, HERE, THERE, "SYN_RECV", 671),
    Row(3, V4, TCP, addr("*", 0), (), "CLOSE", 672),
]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            WINDOWS,
            "LISTEN LISTEN ESTABLISHED TIME_WAIT DELETE_TCB UNCONN",
        ),
        (MACOS, "CLOSE_WAIT FIN_WAIT_2 LISTEN CLOSED UNCONN"),
        (FREEBSD, "TIME_WAIT SYN_RECEIVED CLOSED"),
    ],
    ids=["windows", "macos", "freebsd"],
)
def test_states_of_every_system(
    monkeypatch: pytest.MonkeyPatch, rows: list[Row], expected: str
) -> None:
    monkeypatch.setattr(psutil, "net_connections", lambda kind: rows)
    request = Request(protocols=frozenset({"tcp", "udp"}), processes=True)
    batches = list(list_sockets(request, LiveHost("psutil")).batches)
    words = Counter(word for batch in batches for word in batch.column("state_label"))
    assert words == Counter(expected.split())


@pytest.mark.parametrize(
    "error",
    [psutil.NoSuchProcess(412), psutil.AccessDenied(412), psutil.ZombieProcess(412)],
)
def test_processes_that_cannot_be_looked_into_keep_their_pid(
    monkeypatch: pytest.MonkeyPatch, error: psutil.Error
) -> None:
    def refuse(pid: int) -> None:
        raise error

    monkeypatch.setattr(psutil, "net_connections", lambda kind: MACOS[:1])
    monkeypatch.setattr(psutil, "Process", refuse)
    (batch,) = list_sockets(Request(processes=True), LiveHost("psutil")).batches
    assert batch.column("processes") == [(Owner(412, None, 9),)]


def test_what_nobody_holds_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "net_connections", lambda kind: FREEBSD[:1])
    (batch,) = list_sockets(Request(processes=True), LiveHost("psutil")).batches
    assert batch.column("no_process_reason") == [Reason.TIME_WAIT]
