"""Hear from the kernel of every TCP and UDP socket that ends, without privileges.

Groups SKNLGRP_INET*_DESTROY of NETLINK_SOCK_DIAG (`linux/sock_diag.h`). Each message
is an `inet_diag_msg`, with the tcp_info of a TCP socket. Its state is always CLOSE, and
its user and inode 0. A connection that goes to TIME_WAIT is reported when it gets
there: the kernel frees the socket, and keeps a small one with the same cookie.
"""

from __future__ import annotations

import _socket as socket
import errno
import os
import select
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from threading import Thread
from typing import NamedTuple

from tcpstates.errors import SourceUnavailable
from tcpstates.model import OWN_NETNS
from tcpstates.parse.ended import Notice

_NETLINK_SOCK_DIAG = 4
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h; on the few others that differ: refused
_GROUPS = {"tcp": 0b0101, "udp": 0b1010}  # bits of groups 1 to 4: IPv4 and IPv6
# Windows has neither; it never gets here.
_AT_ONCE_ONLY = getattr(socket, "MSG_DONTWAIT", 0)
_BUFFER = 16 << 20  # bytes; 10,000 notices take about 13 MB
_POLLIN = 1  # poll.h
_AT_ONCE = 256  # notices, before another namespace has its turn
_DATAGRAM = 4096  # bytes; a notice has about 400
_MOST_HELD = 200_000  # notices, some 100 MB; more are counted as lost


class Heard(NamedTuple):
    """What has been heard since the last time; None: the kernel does not say how many.

    `lost` are the notices that did not fit into the buffer.
    """

    notices: list[Notice]
    lost: int | None


class Ear(NamedTuple):
    """A network namespace in which to listen; `netns` None: the only one read."""

    connect: Callable[[], socket.socket]  # opens a socket to the kernel's sock_diag
    netns: str | None = None
    netns_id: int | None = None


class _Channel(NamedTuple):
    """An open socket that belongs to the groups, and where it is."""

    channel: socket.socket
    ear: Ear
    port_id: int


class EndListener:
    """Receives notices in a thread, because the kernel's buffers hold few of them."""

    def __init__(self, protocols: Collection[str], ears: Sequence[Ear]) -> None:
        """Begin to listen; raise SourceUnavailable if that is possible nowhere."""
        self._channels: dict[int, _Channel] = {}
        groups = sum(_GROUPS[name] for name in protocols)
        refused = None
        for ear in ears:
            try:
                channel = ear.connect()
                _join(channel, groups)
            except SourceUnavailable as error:
                refused = error
                continue
            opened = _Channel(channel, ear, channel.getsockname()[0])
            self._channels[channel.fileno()] = opened
        if not self._channels:
            raise refused or SourceUnavailable("netlink", "no namespace to listen in")
        self._held: deque[Notice] = deque()
        self._dropped = 0  # here, not by the kernel
        self._overflowed: set[int] = set()
        self._lost_before: dict[int, int] = {}
        self._stops = False
        self._woken, self._waker = os.pipe()  # ends the thread
        self._thread = Thread(target=self._listen, name="ends", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # too many processes, or too little memory
            self._close_channels()
            os.close(self._waker)
            os.close(self._woken)
            raise SourceUnavailable("netlink", str(error)) from error

    def take(self) -> Heard:
        """Return what has been heard since the last call."""
        notices = []
        with suppress(IndexError):
            while True:
                notices.append(self._held.popleft())
        lost: int | None = self._dropped
        self._dropped = 0
        overflowed, self._overflowed = self._overflowed, set()
        for descriptor in overflowed:
            opened = self._channels[descriptor]
            total = None
            if opened.ear.netns in (None, OWN_NETNS):  # whose table we can read
                total = _kernel_drops(opened.port_id)
            if total is None or lost is None:
                lost = None
            else:
                lost += total - self._lost_before.get(descriptor, 0)
                self._lost_before[descriptor] = total
        return Heard(notices, lost)

    def close(self) -> None:
        """Stop listening."""
        self._stops = True
        os.write(self._waker, b".")
        self._thread.join(1)
        os.close(self._waker)
        os.close(self._woken)
        self._close_channels()

    def _close_channels(self) -> None:
        for opened in self._channels.values():
            opened.channel.close()

    def _listen(self) -> None:
        waiting = select.poll()  # type: ignore[attr-defined,unused-ignore]
        waiting.register(self._woken, _POLLIN)
        for descriptor in self._channels:
            waiting.register(descriptor, _POLLIN)
        while not self._stops:
            for descriptor, _ in waiting.poll():
                if descriptor == self._woken:
                    return
                if not self._receive(self._channels[descriptor]):
                    waiting.unregister(descriptor)

    def _receive(self, opened: _Channel) -> bool:
        """Take some notices of a namespace; False: there will be no more."""
        channel, ear, held = opened.channel, opened.ear, self._held
        for _ in range(_AT_ONCE):
            try:
                datagram, _, _, sender = channel.recvmsg(_DATAGRAM, 0, _AT_ONCE_ONLY)  # type: ignore[attr-defined,unused-ignore]
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return False
                self._overflowed.add(channel.fileno())
                continue
            if sender[0]:
                continue  # not from the kernel
            if len(held) < _MOST_HELD:
                now = time.time(), time.monotonic()
                held.append(Notice(*now, sender[1], datagram, ear.netns, ear.netns_id))
            else:
                self._dropped += 1
        return True


def _kernel_drops(port_id: int) -> int | None:
    """Read how many messages the kernel could not deliver; None: it does not say."""
    with suppress(OSError, ValueError, IndexError), open("/proc/net/netlink") as file:
        for line in file:
            # sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
            words = line.split()
            if words[1] == str(_NETLINK_SOCK_DIAG) and words[2] == str(port_id):
                return int(words[8])
    return None


def _join(channel: socket.socket, groups: int) -> None:
    """Let a socket belong to these groups; raise SourceUnavailable without them."""
    try:
        channel.bind((0, groups))
    except OSError as error:
        channel.close()
        text = f"no notices of ended sockets ({error.strerror or error})"
        raise SourceUnavailable("netlink", text) from error
    for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):  # the first one as root only
        with suppress(OSError):
            channel.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
            break
