"""Do something inside another network namespace, in a thread that does nothing else.

setns(2) moves only the thread that calls it, and this one is used for nothing but the
few calls that are given to it: a socket stays in the namespace in which it was opened,
so that everybody else reads it from outside. What a thread sees of a namespace in /proc
is in /proc/thread-self/net and /proc/sys/net; /proc/net shows the one of the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_NS_GET_NSTYPE = 0xB703  # linux/nsfs.h
_O_PATH = 0o10000000  # asm-generic/fcntl.h
_HERE = "/proc/self/ns/net"


class CannotEnter(OSError):
    """A namespace cannot be entered; the text says why."""


class Door:
    """Performs calls inside namespaces, one after the other."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[int, Callable[[], Any], SimpleQueue[Any]]] = (
            SimpleQueue()
        )
        self._is_open = False

    def inside(self, descriptor: int, call: Callable[[], T]) -> T:
        """Return what a call returns in the namespace of `open_namespace`.

        Raise CannotEnter if it may not be entered, and whatever the call raises. The
        thread goes back afterwards, and keeps no namespace alive.
        """
        if not self._is_open:
            Thread(target=self._serve, name="netns", daemon=True).start()
            self._is_open = True
        answer: SimpleQueue[Any] = SimpleQueue()
        self._asked.put((descriptor, call, answer))
        result, error = answer.get()
        if error is not None:
            raise error
        found: T = result
        return found

    def _serve(self) -> None:
        home = os.open(_HERE, os.O_RDONLY)
        while True:
            descriptor, call, answer = self._asked.get()
            try:
                _enter(descriptor)
                try:
                    answer.put((call(), None))
                finally:
                    _enter(home)
            except Exception as error:  # noqa: BLE001  (it is raised where it belongs)
                answer.put((None, error))


def open_namespace(path: str, number: int | None = None) -> int:
    """Open a file of a network namespace; raise CannotEnter if it is none.

    `number`: the inode that it has to have. The path may be anybody's: it is looked at
    without opening what it leads to, which could be a device or a pipe.
    """
    from fcntl import ioctl  # type: ignore[attr-defined,unused-ignore]

    try:
        found = os.open(path, _O_PATH)
        try:
            told = os.fstat(found)
            if told.st_dev != os.stat(_HERE).st_dev:
                raise CannotEnter(0, "not a network namespace")
            if number not in (None, told.st_ino):
                raise CannotEnter(0, "it has gone")
            descriptor = os.open(f"/proc/self/fd/{found}", os.O_RDONLY)
        finally:
            os.close(found)
    except CannotEnter:
        raise
    except OSError as error:
        raise CannotEnter(error.errno, error.strerror or str(error)) from error
    kind = None
    with suppress(OSError):
        kind = ioctl(descriptor, _NS_GET_NSTYPE)
    if kind != _CLONE_NEWNET:
        os.close(descriptor)
        raise CannotEnter(0, "not a network namespace")
    return descriptor


def _enter(descriptor: int) -> None:
    """Move the thread that calls this into a namespace."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise CannotEnter(code, os.strerror(code))
