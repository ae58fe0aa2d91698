"""Ask the kernel to end sockets: SOCK_DESTROY of NETLINK_SOCK_DIAG, sock_diag(7).

A socket is always named with its cookie. Without one the kernel looks the addresses up
again, and ends the listener if the connection is gone (measured).
"""

from __future__ import annotations

import errno
import os
from enum import Enum
from socket import AF_INET, AF_INET6, inet_pton
from struct import Struct, pack
from typing import TYPE_CHECKING, NamedTuple

from tcpstates.errors import SourceUnavailable
from tcpstates.protocols import PROTOCOLS

if TYPE_CHECKING:
    import _socket as socket

_SOCK_DESTROY = 21  # linux/sock_diag.h
_REQUEST_ACK = 0x5  # NLM_F_REQUEST, NLM_F_ACK
_NLMSG_ERROR = 2
_HEADER = Struct("=IHHII")
_ERROR = Struct("=i")
_DATAGRAM = 4096
_FAMILIES = {"ipv4": AF_INET, "ipv6": AF_INET6}


class Outcome(str, Enum):
    """What has become of a socket."""

    ENDED = "ended"
    GONE = "already gone"
    REFUSED = "refused"
    ALIVE = "still there"  # the kernel agreed, and a new dump shows it

    def __str__(self) -> str:
        return self.value


class Target(NamedTuple):
    """A socket, as a dump of this moment has shown it."""

    protocol: str
    family: str
    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    interface_index: int
    cookie: int


def encode(target: Target, sequence: int) -> bytes:
    """Encode the request: struct inet_diag_req_v2, `linux/inet_diag.h`."""
    family = _FAMILIES[target.family]
    here, there = (
        inet_pton(family, address).ljust(16, b"\0")
        for address in (target.local_address, target.remote_address)
    )
    body = b"".join(
        (
            pack("=BBBBI", family, PROTOCOLS[target.protocol].number, 0, 0, 0xFFFFFFFF),
            pack("!HH", target.local_port, target.remote_port),
            here,
            there,
            pack("=I", target.interface_index),
            # Two words of 32 bits, the low one first, on every processor.
            pack("=II", target.cookie & 0xFFFFFFFF, target.cookie >> 32),
        )
    )
    return _HEADER.pack(16 + len(body), _SOCK_DESTROY, _REQUEST_ACK, sequence, 0) + body


def decode(answer: bytes, sequence: int) -> int | None:
    """Return the errno of an acknowledgment, 0 for success; None: another message."""
    if len(answer) < _HEADER.size + _ERROR.size:
        return None
    _, kind, _, number, _ = _HEADER.unpack_from(answer)
    if kind != _NLMSG_ERROR or number != sequence:
        return None
    error: int = _ERROR.unpack_from(answer, _HEADER.size)[0]
    return -error


class Destroyer:
    """Ends sockets of one network namespace through one channel."""

    def __init__(self, channel: socket.socket) -> None:
        """Take a channel to the kernel's sock_diag, opened in that namespace."""
        self._channel = channel
        self._sequence = 0

    def end(self, target: Target) -> tuple[Outcome, str]:
        """End a socket; return what has become of it, and why it was refused."""
        self._sequence += 1
        try:
            self._channel.sendto(encode(target, self._sequence), (0, 0))
            code = self._answer()
        except BlockingIOError as error:
            text = "the kernel did not answer"
            raise SourceUnavailable("netlink", text) from error
        if code == 0:
            return Outcome.ENDED, ""
        if code == errno.ENOENT:
            return Outcome.GONE, ""
        if code == errno.EOPNOTSUPP:
            return Outcome.REFUSED, "this kernel ends no such sockets"
        if code == errno.EPERM:
            return Outcome.REFUSED, "it takes CAP_NET_ADMIN in its network namespace"
        return Outcome.REFUSED, os.strerror(code)

    def _answer(self) -> int:
        while True:
            answer, _, _, sender = self._channel.recvmsg(_DATAGRAM)  # type: ignore[attr-defined,unused-ignore]
            if sender[0] == 0:  # from the kernel
                code = decode(answer, self._sequence)
                if code is not None:
                    return code

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
