"""What the explanations claim of the kernel, tried on it."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

import tcpstates
from conftest import PATIENCE, finish
from tcpstates.settings import KernelSettings

linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the claims are about Linux"
)
pytestmark = linux_only


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


def states(port: int) -> list[str | None]:
    """Return the states of the connections of a port."""
    return [
        row.state
        for row in tcpstates.snapshot(f"sport = :{port} or dport = :{port}")
        if row.state != "LISTEN"
    ]


def server(*, reuse: bool, port: int = 0) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    try:
        made.bind(("127.0.0.1", port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def leave_time_wait(listening: socket.socket) -> tuple[int, int]:
    """Let the server close first; return both ports."""
    client = socket.create_connection(listening.getsockname())
    accepted, (_, port) = listening.accept()
    accepted.close()
    assert client.recv(1) == b""
    client.close()
    here = listening.getsockname()[1]
    wait_until(lambda: states(here) == ["TIME_WAIT"])
    return here, port


@pytest.mark.parametrize(
    ("old", "new", "works"),
    [(True, True, True), (False, True, False), (True, False, False)],
)
def test_both_servers_must_have_set_reuseaddr(
    old: bool, new: bool, works: bool
) -> None:
    listening = server(reuse=old)
    port, _ = leave_time_wait(listening)
    listening.close()
    if works:
        server(reuse=new, port=port).close()
    else:
        with pytest.raises(OSError, match="Address already in use"):
            server(reuse=new, port=port)


def test_a_new_syn_ends_the_time_wait_of_a_server() -> None:
    listening = server(reuse=True)
    here, there = leave_time_wait(listening)
    again = socket.socket()
    again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    again.bind(("127.0.0.1", there))
    again.settimeout(PATIENCE)
    again.connect(("127.0.0.1", here))
    assert sorted(map(str, states(here))) == ["ESTABLISHED"] * 2
    again.close()
    listening.close()


def test_the_first_send_after_the_peers_close_succeeds() -> None:
    listening = server(reuse=False)
    client = socket.create_connection(listening.getsockname())
    accepted, _ = listening.accept()
    accepted.close()
    assert client.recv(1) == b""
    assert client.send(b"x") == 1
    here = listening.getsockname()[1]
    wait_until(lambda: not states(here))  # the RST has arrived
    with pytest.raises(BrokenPipeError):
        client.send(b"x")
    client.close()
    listening.close()


def test_no_interface_sends_from_listen() -> None:
    listening = server(reuse=False)
    with pytest.raises(BrokenPipeError):
        listening.send(b"x")
    with pytest.raises(OSError, match="already connected"):
        listening.connect(listening.getsockname())
    listening.close()


def test_linger_of_zero_leaves_no_time_wait() -> None:
    listening = server(reuse=False)
    client = socket.create_connection(listening.getsockname())
    accepted, _ = listening.accept()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    here = listening.getsockname()[1]
    wait_until(lambda: not states(here))
    with pytest.raises(ConnectionResetError):
        accepted.recv(1)
    accepted.close()
    listening.close()


def test_a_half_closed_peer_that_does_not_read_keeps_close_wait() -> None:
    """Send-Q tells this from a leak."""
    listening = server(reuse=False)
    client = socket.create_connection(listening.getsockname())
    accepted, _ = listening.accept()
    client.shutdown(socket.SHUT_WR)
    assert accepted.recv(1) == b""
    accepted.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            accepted.send(bytes(1 << 16))
    here = listening.getsockname()[1]
    (row,) = tcpstates.snapshot(f"sport = :{here} and close_wait")
    assert row.recv_q == 0
    assert row.send_q is not None
    assert row.send_q > 0
    for made in (client, accepted, listening):
        made.close()


def test_ss_dash_capital_k_ends_the_connection_and_not_the_leak() -> None:
    if os.geteuid() != 0 or shutil.which("ss") is None:
        pytest.skip("ss -K needs root and iproute2")
    listening = server(reuse=False)
    client = socket.create_connection(listening.getsockname())
    accepted, _ = listening.accept()
    client.close()
    here = listening.getsockname()[1]
    wait_until(lambda: "CLOSE_WAIT" in states(here))
    finish(["ss", "-K", "-tn", "state", "close-wait", "sport", "=", f":{here}"])
    if "CLOSE_WAIT" in states(here):
        pytest.skip("this kernel cannot destroy sockets (CONFIG_INET_DIAG_DESTROY)")
    link = os.readlink(f"/proc/self/fd/{accepted.fileno()}")
    assert link.startswith("socket:")
    accepted.close()
    listening.close()


SYN = """
import errno, socket, sys, time
s = socket.socket()
before = time.monotonic()
code = s.connect_ex(("127.0.0.1", 9))
print(errno.errorcode[code], time.monotonic() - before)
"""


@pytest.mark.parametrize("retries", [1, 2])
def test_when_the_kernel_gives_up_a_syn(retries: int) -> None:
    if os.geteuid() != 0 or shutil.which("nft") is None:
        pytest.skip("filters need root and nft (Debian: nftables)")
    chain = "add chain t i { type filter hook input priority 0; }"
    script = (
        f"ip link set lo up; nft add table t; nft '{chain}';"
        " nft 'add rule t i tcp flags syn drop';"
        f" echo {retries} > /proc/sys/net/ipv4/tcp_syn_retries;"
        " cat /proc/sys/net/ipv4/tcp_syn_linear_timeouts || echo 0;"
        f" exec {sys.executable} -c '{SYN}'"
    )
    finished = finish(["unshare", "-n", "sh", "-c", script])
    linear, result = finished.stdout.split("\n")[:2]
    settings = KernelSettings(syn_retries=retries, syn_linear_timeouts=int(linear))
    name, seconds = result.split()
    assert name == errno.errorcode[errno.ETIMEDOUT]
    # The kernel's timers are late by up to an eighth.
    assert settings.syn_seconds <= float(seconds) < settings.syn_seconds * 1.2 + 1
