"""A change of a TCP socket's state, as the kernel has traced it."""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop
from typing import NamedTuple

from tcpstates.parse.diag_states import label_table
from tcpstates.text import Texts

LABELS = label_table("tcp", bound=False)  # by the kernel's number


class Transition(NamedTuple):
    """One change; what a reader cannot know is None."""

    ns: int  # of CLOCK_MONOTONIC
    key: int  # of the socket: its cookie, or its address in the kernel: never print it
    old: str
    new: str
    family: str  # ipv4, ipv6
    local_address: str
    local_port: int  # 0: not chosen yet
    remote_address: str
    remote_port: int
    pid: int | None  # of the program that caused it; None: the network did
    cookie: int | None = None
    netns: int | None = None  # the inode of its network namespace
    error: int | None = None  # errno that the socket has got; 0: none
    name: bytes | None = None  # of the thread of that program


def _address(packed: bytes) -> str:
    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed)


ADDRESSES = Texts(_address)  # by 4 or 16 bytes
