"""The sockets of the user's own session, which must not be ended by accident.

They are those of the processes that have started this one, up to sshd, and every
connection from the same client to the same port of sshd. In tmux or screen they are
those of every sshd: their server is no child of the session, and may have been attached
again from elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from tcpstates.collect.proc_files import network_namespace, parent_of

_SSH = b"SSH_CONNECTION="
_MULTIPLEXERS = (b"TMUX=", b"STY=")
_INIT = 1
Ends = tuple[str, int, str, int]  # local address and port, remote ones


class Session(NamedTuple):
    """What belongs to the session."""

    inodes: frozenset[int]
    clients: frozenset[tuple[str, int]]  # the client's address, and the port of sshd
    netns: int | None  # in which it is

    def has(self, inode: int | None, ends: Ends, netns: int | None) -> bool:
        """Check whether a socket belongs to the session, or is its other end."""
        if inode and inode in self.inodes:
            return True
        if netns is not None and netns != self.netns:
            return False
        here, port, there, peer = ends
        return not self.clients.isdisjoint({(plain(there), port), (plain(here), peer)})


def plain(address: str) -> str:
    """Return an IPv4-mapped address as IPv4."""
    return address.removeprefix("::ffff:")


def own_session(proc: str = "/proc") -> Session:
    """Find the session of this process."""
    inodes: set[int] = set()
    clients: set[tuple[str, int]] = set()
    is_detached = False
    for pid in _ancestors(proc):
        inodes.update(_sockets(proc, pid))
        entries = _environment(proc, pid)
        for entry in entries:
            if entry.startswith(_SSH):
                clients.update(_client(entry.removeprefix(_SSH)))
        is_detached |= any(entry.startswith(_MULTIPLEXERS) for entry in entries)
    if is_detached:
        for pid in _servers(proc):
            inodes.update(_sockets(proc, pid))
    clients.update(_client(os.fsencode(os.environ.get("SSH_CONNECTION", ""))))
    return Session(
        frozenset(inodes), frozenset(clients), network_namespace("self", proc)
    )


def _ancestors(proc: str) -> Iterator[int]:
    """Yield this process and those above it, except for init."""
    pid, seen = os.getpid(), set()
    while pid > _INIT and pid not in seen:
        yield pid
        seen.add(pid)
        pid = parent_of(pid, proc)


def _sockets(proc: str, pid: int) -> Iterator[int]:
    folder = f"{proc}/{pid}/fd"
    with suppress(OSError):
        for name in os.listdir(folder):
            with suppress(OSError, ValueError):
                kind, _, number = os.readlink(f"{folder}/{name}").partition(":[")
                if kind == "socket":
                    yield int(number.removesuffix("]"))


def _environment(proc: str, pid: int) -> list[bytes]:
    with suppress(OSError), open(f"{proc}/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")
    return []


def _servers(proc: str) -> Iterator[int]:
    """Yield every process of sshd: one of them carries the session."""
    for name in os.listdir(proc):
        if name.isdecimal():
            with suppress(OSError), open(f"{proc}/{name}/comm", "rb") as file:
                if file.read().startswith(b"sshd"):
                    yield int(name)


def _client(text: bytes) -> Iterator[tuple[str, int]]:
    """Read SSH_CONNECTION, ssh(1): client's address and port, ours and our port."""
    with suppress(ValueError):
        client, _, _, port = text.decode("ascii", "replace").split()
        yield plain(client.partition("%")[0]), int(port)
