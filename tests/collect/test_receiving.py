"""Datagrams as they come from a real netlink socket."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator

import pytest

if sys.platform != "linux":
    pytest.skip("netlink is Linux's", allow_module_level=True)

from tcpstates.collect.netlink import _receive_one
from tcpstates.collect.recvmmsg import ManyReceiver
from tcpstates.parse.inet_diag import encode_request

Channels = tuple[socket.socket, socket.socket]


@pytest.fixture
def channels() -> Iterator[Channels]:
    """Return two sockets of processes that talk with each other, not with the kernel."""
    if os.geteuid() != 0:
        pytest.skip("only root may send by netlink to others")
    made = [
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_USERSOCK)
        for _ in range(2)
    ]
    for channel in made:
        channel.bind((0, 0))
    yield made[0], made[1]
    for channel in made:
        channel.close()


def test_what_processes_send_is_left_out(channels: Channels) -> None:
    receiver, sender = channels
    for text in (b"I am the kernel", b"x" * 1001):  # the second one is cut short
        sender.sendto(text, receiver.getsockname())
        assert ManyReceiver(2, 1000).receive(receiver.fileno(), wait=True) == []
    sender.sendto(b"x" * 40_000, receiver.getsockname())
    assert _receive_one(receiver) == []


def test_a_datagram_of_the_kernel_cut_short_is_an_error() -> None:
    request = encode_request("tcp", "ipv4", mask=0xFFF, sequence=1)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as channel:
        channel.sendto(request, (0, 0))
        with pytest.raises(OSError, match="truncated datagram") as raised:
            ManyReceiver(2, 16).receive(channel.fileno(), wait=True)
    assert raised.value.errno == errno.EMSGSIZE
