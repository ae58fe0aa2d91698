"""Hear from the kernel of every TCP and UDP socket that ends, without privileges.

Groups SKNLGRP_INET*_DESTROY of NETLINK_SOCK_DIAG (`linux/sock_diag.h`). Each message
is an `inet_diag_msg`, with the tcp_info of a TCP socket. Its state is always CLOSE, and
its user and inode 0. A connection that goes to TIME_WAIT is reported when it gets
there: the kernel frees the socket, and keeps a small one with the same cookie.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from struct import pack
from threading import Thread
from typing import NamedTuple

from tcpstates.errors import SourceUnavailable
from tcpstates.parse.ended import Notice

_AF_NETLINK, _SOCK_RAW, _NETLINK_SOCK_DIAG = 16, 3, 4
_SOL_SOCKET, _SO_RCVBUF, _SO_RCVTIMEO, _SO_RCVBUFFORCE = 1, 8, 20, 33
_GROUPS = {"tcp": 0b0101, "udp": 0b1010}  # bits of groups 1 to 4: IPv4 and IPv6
_BUFFER = 16 << 20  # bytes; 10,000 notices take about 13 MB
_PATIENCE = 200_000  # microseconds between looks whether to stop
_DATAGRAM = 4096  # bytes; a notice has about 400
_MOST_HELD = 200_000  # notices, some 100 MB; more are counted as lost


class Heard(NamedTuple):
    """What has been heard since the last time; None: the kernel does not say how many.

    `lost` are the notices that did not fit into the buffer.
    """

    notices: list[Notice]
    lost: int | None


class EndListener:
    """Receives notices in a thread, because the kernel's buffer holds few of them."""

    def __init__(self, protocols: Collection[str]) -> None:
        """Begin to listen; raise SourceUnavailable if the kernel has no such groups."""
        self._channel = _open(sum(_GROUPS[name] for name in protocols))
        self._port_id = self._channel.getsockname()[0]
        self._held: deque[Notice] = deque()
        self._dropped = 0  # here, not by the kernel
        self._overflowed = False
        self._lost_before = 0
        self._stops = False
        self._thread = Thread(target=self._listen, name="ends", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # too many processes, or too little memory
            self._channel.close()
            raise SourceUnavailable("netlink", str(error)) from error

    def take(self) -> Heard:
        """Return what has been heard since the last call."""
        notices = []
        with suppress(IndexError):
            while True:
                notices.append(self._held.popleft())
        lost: int | None = self._dropped
        self._dropped = 0
        if self._overflowed:
            self._overflowed = False
            total = _kernel_drops(self._port_id)
            if total is None:
                lost = None
            else:
                lost, self._lost_before = (lost or 0) + total - self._lost_before, total
        return Heard(notices, lost)

    def close(self) -> None:
        """Stop listening."""
        self._stops = True
        self._thread.join(1)
        self._channel.close()

    def _listen(self) -> None:
        channel, held = self._channel, self._held
        while not self._stops:
            try:
                datagram, _, _, sender = channel.recvmsg(_DATAGRAM)
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return
                self._overflowed = True
                continue
            if sender[0]:
                continue  # not from the kernel
            if len(held) < _MOST_HELD:
                held.append(Notice(time.time(), time.monotonic(), sender[1], datagram))
            else:
                self._dropped += 1


def _kernel_drops(port_id: int) -> int | None:
    """Read how many messages the kernel could not deliver; None: it does not say."""
    with suppress(OSError, ValueError, IndexError), open("/proc/net/netlink") as file:
        for line in file:
            # sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
            words = line.split()
            if words[1] == str(_NETLINK_SOCK_DIAG) and words[2] == str(port_id):
                return int(words[8])
    return None


if sys.platform == "linux":
    import _socket as socket

    def _open(groups: int) -> socket.socket:
        """Open a socket that belongs to these groups."""
        try:
            channel = socket.socket(_AF_NETLINK, _SOCK_RAW, _NETLINK_SOCK_DIAG)
            channel.bind((0, groups))
        except OSError as error:
            text = f"no notices of ended sockets ({error.strerror or error})"
            raise SourceUnavailable("netlink", text) from error
        for option in (_SO_RCVBUFFORCE, _SO_RCVBUF):  # the first one as root only
            with suppress(OSError):
                channel.setsockopt(_SOL_SOCKET, option, _BUFFER)
                break
        channel.setsockopt(_SOL_SOCKET, _SO_RCVTIMEO, pack("@ll", 0, _PATIENCE))
        return channel

else:
    from typing import Any

    def _open(groups: int) -> Any:
        raise SourceUnavailable("netlink", f"available on Linux only, not {os.name}")
