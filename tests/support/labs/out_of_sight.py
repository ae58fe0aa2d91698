"""Sockets that no process has in its table of descriptors. Run as a program.

In a private network namespace it makes listeners that are on their way to another
process (SCM_RIGHTS), that are in another such socket's queue, and that only an io_uring
holds; prints their ports, and waits until its standard input ends.
"""

from __future__ import annotations

import array
import ctypes
import os
import socket

from support.labs.lab import HELD, listener, loopback_up, port, tell_and_wait

_IO_URING_SETUP, _IO_URING_REGISTER = 425, 427  # the same on every architecture
_IORING_REGISTER_FILES = 2  # linux/io_uring.h
_LIBC = ctypes.CDLL(None, use_errno=True)


def send(channel: socket.socket, sent: socket.socket) -> None:
    """Put a socket into a channel's queue, and close it here."""
    rights = array.array("i", [sent.fileno()])
    channel.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    HELD.remove(sent)
    sent.close()


def in_flight() -> int:
    """Return the port of a socket that nobody has received yet."""
    left, right = socket.socketpair()
    HELD.extend((left, right))
    made = listener()
    number = port(made)
    send(left, made)
    return number


def nested() -> int:
    """Return the port of a socket in the queue of a channel that is in a queue."""
    outer, inner = socket.socketpair(), socket.socketpair()
    HELD.extend((*outer, *inner))
    made = listener()
    number = port(made)
    send(inner[0], made)
    send(outer[0], inner[1])
    return number


def in_a_ring() -> int:
    """Return the port of a socket that only an io_uring holds; 0: there is none."""
    parameters = ctypes.create_string_buffer(120)  # struct io_uring_params
    ring = _LIBC.syscall(_IO_URING_SETUP, 4, parameters)
    if ring < 0:
        return 0
    made = listener()
    number = port(made)
    files = (ctypes.c_int * 1)(made.fileno())
    if _LIBC.syscall(_IO_URING_REGISTER, ring, _IORING_REGISTER_FILES, files, 1):
        return 0
    HELD.remove(made)
    made.close()
    return number


def main() -> None:
    """Make them, and wait."""
    loopback_up()
    parts = {"in_flight": in_flight(), "nested": nested(), "ring": in_a_ring()}
    tell_and_wait(parts | {"main": os.getpid()})


if __name__ == "__main__":
    main()
