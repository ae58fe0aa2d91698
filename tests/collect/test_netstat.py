"""Windows' netstat as a source, its program replaced at the edge; macOS without root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import psutil
import pytest

from tcpstates.collect import psutil_
from tcpstates.collect.netstat import NetstatSource, read_macos
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, Request
from tcpstates.states import ALL_STATES, OtherState

FOLDER = r"C:\Windows\system32"
TEXT = """
Aktive Verbindungen

  Proto  Lokale Adresse         Remoteadresse          Status           PID
  TCP    0.0.0.0:135            0.0.0.0:0              ABH\xd6REN         912
  TCP    192.0.2.5:50012        198.51.100.9:443       HERGESTELLT     3340
  UDP    [fe80::1%12]:1900      *:*                                    1220
""".encode("cp850")


class Started:
    """Stands for running a program, and remembers what was run."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.commands: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> bytes:
        self.commands.append(command)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_it_is_started_by_its_absolute_path_and_understood() -> None:
    run = Started(TEXT)
    batches = list(NetstatSource(FOLDER, run).read(Request(), []))
    assert run.commands == [[r"C:\Windows\system32\netstat.exe", "-ano"]]
    (batch,) = batches
    assert list(batch.column("state_label")) == ["LISTEN", "ESTABLISHED"]
    assert list(batch.column("pid")) == [912, 3340]


def test_bound_sockets_are_asked_for_by_name() -> None:
    run = Started(TEXT.replace(b"HERGESTELLT", b"BOUND      "))
    request = Request(states=ALL_STATES | {OtherState.BOUND})
    (batch,) = NetstatSource(FOLDER, run).read(request, [])
    assert run.commands[0][1] == "-anoq"
    assert "BOUND" in batch.column("state_label")


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("no such file"),
        subprocess.TimeoutExpired("netstat.exe", 15),
        subprocess.CalledProcessError(1, "netstat.exe"),
    ],
)
def test_failures_are_those_of_a_source(error: Exception) -> None:
    with pytest.raises(SourceUnavailable, match=r"netstat\.exe"):
        list(NetstatSource(FOLDER, Started(error)).read(Request(), []))


@pytest.mark.skipif(os.name != "posix", reason="this is Windows")
def test_elsewhere_it_is_no_source() -> None:
    with pytest.raises(SourceUnavailable, match="on Windows only"):
        list(NetstatSource().read(Request(), []))


MACOS = b"""Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address  Foreign Address  (state)  rhiwat shiwat pid epid
tcp4       0      0  192.0.2.5.49152  198.51.100.9.443  ESTABLISHED  131072 131768 412 0
"""


def denied(kind: str) -> None:
    raise psutil.AccessDenied(pid=0)


def test_macos_tells_everybody_through_netstat(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Started(MACOS)
    (batch,) = read_macos(Request(), [], run)
    assert run.commands == [["/usr/sbin/netstat", "-anv"]]
    assert batch.column("processes")[0][0].pid == 412
    monkeypatch.setattr(psutil, "net_connections", denied)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("tcpstates.collect.netstat.run_program", run)
    limitations: list[Limitation] = []
    (batch,) = psutil_.PsutilSource().read(Request(), limitations)
    assert list(batch.column("state_label")) == ["ESTABLISHED"]
    assert [kind for kind, _ in limitations] == ["fell-back"]


def test_who_may_not_see_all_sees_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(psutil, "net_connections", denied)
    with socket.create_server(("127.0.0.1", 0)) as server:
        limitations: list[Limitation] = []
        batches = list(psutil_.PsutilSource().read(Request(), limitations))
        ports = {port for batch in batches for port in batch.column("local_port")}
        assert server.getsockname()[1] in ports
    assert [kind for kind, _ in limitations] == ["own-processes-only"]
    assert "run as root" in limitations[0].text
