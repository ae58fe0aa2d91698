"""Move this process into a network namespace of its own, with its own loopback.

There, an unprivileged user may attach a filter to a TCP socket, which newer kernels
refuse elsewhere (EPERM on Linux 6.18).
"""

from __future__ import annotations

import os
import socket
import struct

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914  # linux/sockios.h
_IFF_UP = 1
_REQUEST = struct.Struct("16sH22x")  # struct ifreq


def enter_private_namespace() -> None:
    """Enter a new user and network namespace, and start its loopback.

    Raise OSError on failure. The process stays there, and must not have started threads
    before.
    """
    import ctypes
    from fcntl import ioctl  # type: ignore[attr-defined,unused-ignore]

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = ioctl(any_socket, _SIOCGIFFLAGS, _REQUEST.pack(b"lo", 0))
        name, flags = _REQUEST.unpack(asked)
        ioctl(any_socket, _SIOCSIFFLAGS, _REQUEST.pack(name, flags | _IFF_UP))
