"""Make texts of many items with a second process, in the order of the items.

A forked child has every cache and setting of this process, so it only gets the items.
Items and texts pass through shared memory, at most two at a time, while this process
works on other items. Whatever the child does not answer is made here: it may have been
ended, or be out of memory, or the text may be too long.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from mmap import mmap
from struct import Struct
from typing import Generic, TypeVar

assert sys.platform != "win32"  # noqa: S101  (it has neither fork nor poll)
from select import POLLIN, poll  # noqa: E402

from tcpstates.own_process import prepare_for_many  # noqa: E402

T = TypeVar("T")

_SLOTS = 2  # items that the child may have: it works on one while the other one waits
_ITEM, _TEXT = 1 << 20, 1 << 22  # bytes of shared memory for one item, and its text
_SLOT = _ITEM + _TEXT
_MOST_WAITING = 8  # texts that wait for the child's
_NOTE = Struct("=BI")  # a slot, and the length of what is in it
_NOT_MADE = 2**32 - 1  # instead of a length: the text is too long, or an error
_ERRORS = "surrogatepass"


class SecondProcess(Generic[T]):
    """A forked child that makes texts."""

    def __init__(
        self,
        make: Callable[[T], str],
        pack: Callable[[T], bytes | None],
        unpack: Callable[[bytes], T],
    ) -> None:
        """Fork; raise OSError. `pack` returns None for an item that stays here."""
        self._make, self._pack, self._unpack = make, pack, unpack
        self._free = list(range(_SLOTS))
        self._given: deque[T] = deque()  # in the order in which the child works
        self._memory = mmap(-1, _SLOTS * _SLOT)
        with ExitStack() as theirs, ExitStack() as ours:
            items, self._items = _pipe(theirs, ours)
            texts, self._texts = reversed(_pipe(ours, theirs))
            # No signal in the child may be handled as in the parent, which removes its
            # unfinished file.
            everything = signal.valid_signals()
            before = signal.pthread_sigmask(signal.SIG_BLOCK, everything)
            try:
                self._child = os.fork()
                if self._child == 0:
                    self._serve(items, texts, before)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._ends = ours.pop_all()
        self._answers = poll()
        self._answers.register(self._texts, POLLIN)

    def _serve(self, items: int, texts: int, signals: Iterable[int]) -> None:
        """Work in the child until there are no further items, and exit."""
        code = 1
        try:
            for number in signal.valid_signals():
                if callable(signal.getsignal(number)):
                    signal.signal(number, signal.SIG_DFL)
            # The terminal sends an interrupt to both; the child ends with its parent.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)
            os.close(self._items)
            prepare_for_many()
            while note := os.read(items, _NOTE.size):
                slot, length = _NOTE.unpack(note)
                start = slot * _SLOT
                length = self._answer(start, start + length)
                os.write(texts, _NOTE.pack(slot, length))
            code = 0
        finally:
            os._exit(code)  # nothing of the parent's is closed, flushed or removed

    def _answer(self, start: int, end: int) -> int:
        """Make the text of the item at a place in memory; return its length."""
        try:
            item = self._unpack(self._memory[start:end])
            text = self._make(item).encode("utf-8", _ERRORS)
        except Exception:  # noqa: BLE001  (the parent will have it, too)
            return _NOT_MADE
        if len(text) > _TEXT:
            return _NOT_MADE
        start += _ITEM
        self._memory[start : start + len(text)] = text
        return len(text)

    def texts(self, items: Iterable[T]) -> Iterator[str]:
        """Yield the text of each item, in order; then end the child."""
        waiting: deque[str | None] = deque()  # None: the child makes it
        try:
            for item in items:
                waiting.append(None if self._give(item) else self._make(item))
                yield from self._ready(waiting, most=_MOST_WAITING)
            yield from self._ready(waiting, most=0)
        finally:
            self._end()

    def _ready(self, waiting: deque[str | None], most: int) -> Iterator[str]:
        """Yield the texts that are ready; wait if more than `most` are left."""
        while waiting:
            text = waiting[0]
            if text is None:
                if len(waiting) <= most and not self._answers.poll(0):
                    return
                text = self._take()
            waiting.popleft()
            yield text

    def _give(self, item: T) -> bool:
        """Give an item to the child; False if it cannot take it."""
        packed = self._pack(item) if self._free else None
        if packed is None or len(packed) > _ITEM:
            return False
        slot = self._free.pop()
        start = slot * _SLOT
        self._memory[start : start + len(packed)] = packed
        try:
            os.write(self._items, _NOTE.pack(slot, len(packed)))
        except OSError:  # the child has ended, so the slot is not used again
            return False
        self._given.append(item)
        return True

    def _take(self) -> str:
        """Return the text of the first item that was given; wait for it."""
        item = self._given.popleft()
        note = os.read(self._texts, _NOTE.size)
        if len(note) < _NOTE.size:  # the child has ended
            self._free = []
            return self._make(item)
        slot, length = _NOTE.unpack(note)
        self._free.append(slot)
        if length == _NOT_MADE:
            return self._make(item)
        start = slot * _SLOT + _ITEM
        return self._memory[start : start + length].decode("utf-8", _ERRORS)

    def _end(self) -> None:
        """End the child, whatever it is doing: nobody wants its texts any more."""
        self._ends.close()
        with suppress(OSError):
            os.kill(self._child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._child, 0)
        self._memory.close()


def _pipe(reading: ExitStack, writing: ExitStack) -> tuple[int, int]:
    """Open a pipe, whose ends are closed with these."""
    ends = os.pipe()
    for end, side in zip(ends, (reading, writing), strict=True):
        side.callback(os.close, end)
    return ends


def texts_in_two_processes(
    make: Callable[[T], str],
    items: Iterable[T],
    pack: Callable[[T], bytes | None],
    unpack: Callable[[bytes], T],
) -> Iterator[str]:
    """Yield the text of each item, in order; without a second process if it fails.

    Use it only for many items, because the start takes 3 ms, and if `may_fork`.
    """
    second = None
    with suppress(OSError):  # too many processes, no memory, no free descriptors
        second = SecondProcess(make, pack, unpack)
    yield from map(make, items) if second is None else second.texts(items)
