"""Find the network namespaces of this host, wherever something keeps one alive.

A namespace lives as long as a process is in it, its file is mounted somewhere (as `ip
netns` does), or a descriptor of it is open. Its identity is the inode of that file in
nsfs: see namespaces(7).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from tcpstates.collect.proc_files import network_namespace

_NAMED = "/run/netns"  # of ip-netns(8)
_MOUNTED = (_NAMED, "/run/docker/netns")
_NUMBER = re.compile(r"net:\[(?P<number>\d{1,20})\]")
_ESCAPED = re.compile(rb"\\([0-7]{3})")  # in mountinfo


class Namespace(NamedTuple):
    """A network namespace; the paths and names are untrusted."""

    number: int  # of its inode
    path: str  # that opens it
    name: str | None  # in ip-netns(8)
    pids: tuple[int, ...]  # the processes in it


class Found(NamedTuple):
    """What has been found, and what may not be examined."""

    namespaces: tuple[Namespace, ...]
    hidden: int  # processes whose namespace may not be seen


def own_number(proc: str = "/proc") -> int | None:
    """Return the number of our namespace; None where the system has none."""
    return network_namespace("self", proc)


def find_namespaces(proc: str = "/proc", *, descriptors: bool = True) -> Found:
    """Find every namespace that this user may see.

    Without `descriptors`, those that only an open descriptor keeps are not found.
    """
    pids = sorted(int(name) for name in os.listdir(proc) if name.isdecimal())
    members: dict[int, list[int]] = {}
    paths: dict[int, str] = {}
    names: dict[int, str] = {}
    mounts: dict[int, int] = {}  # a process by its mount namespace
    hidden = 0
    for pid in pids:
        path = f"{proc}/{pid}/ns/net"
        try:
            number = os.stat(path).st_ino
            mounts.setdefault(os.stat(f"{proc}/{pid}/ns/mnt").st_ino, pid)
        except PermissionError:
            hidden += 1
            continue
        except OSError:  # it has ended, or is a zombie
            continue
        members.setdefault(number, []).append(pid)
        paths.setdefault(number, path)
    for number, path in _mounted(proc, tuple(mounts.values())):
        folder, _, name = path.rpartition("/")
        if folder in _MOUNTED:  # it stays when processes end
            paths[number] = path
        paths.setdefault(number, path)
        if folder == _NAMED:
            names.setdefault(number, name)
    if descriptors:
        for number, path in _open(proc, pids):
            paths.setdefault(number, path)
    found = [
        Namespace(number, path, names.get(number), tuple(members.get(number, ())))
        for number, path in paths.items()
    ]
    return Found(tuple(found), hidden)


def _mounted(proc: str, pids: tuple[int, ...]) -> Iterator[tuple[int, str]]:
    """Yield namespaces that are mounted: in known folders, and anywhere else."""
    nsfs = None
    with suppress(OSError):
        nsfs = os.stat(f"{proc}/self/ns/net").st_dev
    for folder in _MOUNTED:
        with suppress(OSError):
            for name in sorted(os.listdir(folder)):
                path = f"{folder}/{name}"
                with suppress(OSError):
                    told = os.stat(path)
                    if told.st_dev == nsfs:
                        yield told.st_ino, path
    for pid in pids:
        with suppress(OSError), open(f"{proc}/{pid}/mountinfo", "rb") as lines:
            for line in lines:
                # ID parent major:minor root mount-point options ... - type source ...
                before, _, after = line.partition(b" - ")
                if not after.startswith(b"nsfs "):
                    continue
                _, _, _, root, place, *_ = before.split(b" ")
                found = _NUMBER.fullmatch(root.decode("ascii", "replace"))
                if found is not None:
                    path = os.fsdecode(_ESCAPED.sub(_unescaped, place))
                    yield int(found["number"]), f"{proc}/{pid}/root{path}"


def _unescaped(code: re.Match[bytes]) -> bytes:
    return bytes([int(code[1], 8) & 255])


def _open(proc: str, pids: list[int]) -> Iterator[tuple[int, str]]:
    """Yield namespaces of which a process has a descriptor."""
    for pid in pids:
        folder = f"{proc}/{pid}/fd"
        with suppress(OSError):
            for name in os.listdir(folder):
                path = f"{folder}/{name}"
                with suppress(OSError):
                    found = _NUMBER.fullmatch(os.readlink(path))
                    if found is not None:
                        yield int(found["number"]), path
