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
_DEADLINE = 5  # seconds


class CannotEnter(OSError):
    """A namespace cannot be entered; the text says why."""


class Door:
    """Performs calls inside namespaces, one after the other."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[str, Callable[[], Any], SimpleQueue[Any]]] = (
            SimpleQueue()
        )
        self._is_open = False

    def inside(self, path: str, call: Callable[[], T]) -> T:
        """Return what a call returns in the namespace of this file.

        Raise CannotEnter if that is no network namespace or may not be entered, and
        whatever the call raises.
        """
        if not self._is_open:
            Thread(target=self._serve, name="netns", daemon=True).start()
            self._is_open = True
        answer: SimpleQueue[Any] = SimpleQueue()
        self._asked.put((path, call, answer))
        result, error = answer.get()
        if error is not None:
            raise error
        found: T = result
        return found

    def _serve(self) -> None:
        while True:
            path, call, answer = self._asked.get()
            try:
                _enter(path)
                answer.put((call(), None))
            except Exception as error:  # noqa: BLE001  (it is raised where it belongs)
                answer.put((None, error))


def open_namespace(path: str) -> int:
    """Open a file of a network namespace; raise CannotEnter if it is none."""
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise CannotEnter(error.errno, error.strerror or str(error)) from error
    kind = None
    with suppress(OSError):
        kind = fcntl.ioctl(descriptor, _NS_GET_NSTYPE)
    if kind != _CLONE_NEWNET:
        os.close(descriptor)
        raise CannotEnter(0, "not a network namespace")
    return descriptor


def _enter(path: str) -> None:
    """Move the thread that calls this into a namespace."""
    import ctypes

    descriptor = open_namespace(path)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, _CLONE_NEWNET):
            code = ctypes.get_errno()
            raise CannotEnter(code, os.strerror(code))
    finally:
        os.close(descriptor)
