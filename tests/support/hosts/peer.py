"""A host behind a TUN device that speaks as much TCP as a test wants it to.

The kernel's sockets cannot tell it from a real one. To some ports it answers by itself:
see the constants. Everything else a test says with a `Conversation`, segment by segment.
It needs a private network namespace, root and a TUN device.
"""

from __future__ import annotations

import fcntl
import os
import queue
import stat
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from typing import NamedTuple

from support import CANNOT
from support.hosts.packets import ACK, RST, SYN, Segment, pack, unpack

HERE, THERE = "10.9.0.1", "10.9.0.2"  # the kernel, and this host
HERE_V6, THERE_V6 = "fd09::1", "fd09::2"
HERE_LOCAL, THERE_LOCAL = "fe80::1", "fe80::2"
DEVICE = "tun0"
DEAD = 9  # no answer at all
MUTE = 7  # takes connections, and then acknowledges nothing
KIND = 80  # acknowledges everything, and says nothing
FIRST = 20000  # from here on are the ports of conversations

_TUN = "/dev/net/tun"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 1, 0x1000
_PATIENCE = 5  # seconds that a segment may take
_START = 5000  # our first sequence number


class Peer:
    """The host: it listens in a thread of its own, until the process ends."""

    def __init__(self) -> None:
        self._tun = _open_tun()
        self._inboxes: dict[int, queue.Queue[Segment]] = {}  # by our port
        for words in (
            f"address add {HERE}/16 dev {DEVICE}",
            f"link set {DEVICE} addrgenmode none",
            f"link set {DEVICE} up",
            f"route add 10.10.0.0/16 dev {DEVICE}",
            f"address add {HERE_V6}/64 dev {DEVICE} nodad",
            f"address add {HERE_LOCAL}/64 dev {DEVICE} nodad",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        threading.Thread(target=self._serve, daemon=True).start()

    def send(self, segment: Segment) -> None:
        """Let a segment arrive at the kernel."""
        os.write(self._tun, pack(segment))

    def flood(self, port: int, sources: Iterable[str]) -> None:
        """Send a SYN from each address, and never answer what comes back."""
        for number, source in enumerate(sources):
            self.send(Segment(source, 1024 + number, HERE, port, 1000, 0, SYN))

    def inbox(self) -> tuple[int, queue.Queue[Segment]]:
        """Return a port of its own, and what the kernel will send there."""
        port = FIRST + len(self._inboxes)
        self._inboxes[port] = queue.Queue()
        return port, self._inboxes[port]

    def _serve(self) -> None:
        while packet := os.read(self._tun, 65536):
            segment = unpack(packet)
            if segment is None or segment.target not in (
                THERE,
                THERE_V6,
                THERE_LOCAL,
            ):
                continue
            if segment.dport in self._inboxes:
                self._inboxes[segment.dport].put(segment)
                continue
            answer = _answer(segment)
            if answer is not None:
                self.send(answer)


def _open_tun() -> int:
    """Open the TUN device, where there is no file for it by one of our own."""
    try:
        if os.path.exists(_TUN):
            return _with_name(os.open(_TUN, os.O_RDWR))
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/tun"
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(10, 200))
            return _with_name(os.open(path, os.O_RDWR))
    except OSError:
        os._exit(CANNOT)


def _with_name(tun: int) -> int:
    name = struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(tun, _TUNSETIFF, name)
    return tun


def _answer(got: Segment) -> Segment | None:
    """Return what this host says to a segment."""
    if got.dport not in (MUTE, KIND) or got.flags & RST:
        return None
    if not got.length or (got.dport == MUTE and not got.flags & SYN):
        return None
    flags, seq = (SYN | ACK, _START) if got.flags & SYN else (ACK, _START + 1)
    ends = got.target, got.dport, got.source, got.sport
    return Segment(*ends, seq, got.following, flags)


class Place(NamedTuple):
    """Where both ends of a conversation are."""

    here: str
    there: str


class Conversation:
    """This host's half of one connection: it says what it is told to, and no more."""

    def __init__(self, peer: Peer, place: Place) -> None:
        self._peer = peer
        self._place = place
        self.port, self._inbox = peer.inbox()
        self.kernel_port = 0  # until a segment has come, or a listener is known
        self._next = _START
        self._heard = 0  # what comes next from the kernel
        self._acknowledged = 0

    def wait(self, flags: int) -> Segment:
        """Return the kernel's next segment with all of these flags."""
        while True:
            segment = self._inbox.get(timeout=_PATIENCE)
            self.kernel_port = segment.sport
            self._heard = segment.following
            if segment.flags & flags == flags:
                return segment

    def say(
        self,
        flags: int,
        data: bytes = b"",
        *,
        window: int = 65535,
        acknowledge: bool = True,
    ) -> None:
        """Send a segment; without `acknowledge` what was heard last stays open."""
        if acknowledge:
            self._acknowledged = self._heard
        ack = self._acknowledged if flags & ACK else 0
        ends = self._place.there, self.port, self._place.here, self.kernel_port
        said = Segment(*ends, self._next, ack, flags, data, window)
        self._peer.send(said)
        self._next = said.following
