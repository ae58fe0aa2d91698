"""Read sockets from the Linux kernel through NETLINK_SOCK_DIAG (sock_diag(7)).

The kernel produces about 1.2 million sockets per second, and Python's lock is not held
meanwhile. So after the first few datagrams, a thread receives the rest, several at a
time, while the main thread decodes and formats them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from struct import pack
from typing import TYPE_CHECKING

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.collect.restrict import refuse_bound
from tcpstates.errors import ParseError, SourceUnavailable
from tcpstates.model import Limitation, OwnersBy, Request
from tcpstates.own_process import prepare_for_many
from tcpstates.parse.diag_states import states_mask
from tcpstates.parse.inet_diag import DiagDecoder, encode_request, ends_dump
from tcpstates.prefetch import read_ahead
from tcpstates.protocols import PROTOCOLS
from tcpstates.states import OtherState

if TYPE_CHECKING:
    import _socket

    from tcpstates.collect.recvmmsg import ManyReceiver

_NETLINK_SOCK_DIAG = 4  # linux/netlink.h
_BOUND_SINCE = (6, 8)  # the version of Linux that reports BOUND sockets
_DATAGRAM = 32768  # the kernel's maximum, whatever the size of the buffer
_SEQUENCE = 1  # each request uses a socket of its own
_DEADLINE = 5  # seconds without a reply
# Datagrams received before a thread is started. A second process can be forked only
# while there is none, after some 30 datagrams of -i: see `cli.batch_texts`.
_ALONE = 48
_AT_ONCE = 8  # datagrams per call of that thread: 256 KiB, 1.5 ms
_AHEAD = 8  # calls whose datagrams may wait for decoding


class _Refused(SourceUnavailable):
    """The kernel rejected the request, with an errno in its reply."""


class NetlinkSource:
    """The same data as ss, from the same interface of the kernel."""

    name = "netlink"
    lacks: tuple[Capability, ...] = ()
    owners_by = OwnersBy.INODE
    reads_everything = False

    def __init__(self, connect: Callable[[], _socket.socket] | None = None) -> None:
        """Take what opens a socket to the kernel; default: in our own namespace."""
        self._connect = connect or open_channel

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield batches as replies arrive; see `model.Source`."""
        version = kernel_version() if OtherState.BOUND in request.states else None
        if version is not None and version < _BOUND_SINCE:
            is_this = f"before Linux 6.8; this is {version[0]}.{version[1]}"
            refuse_bound(self.name, request.states, limitations, is_this)
        return _Reading(request, limitations, self._connect).batches()


class _Reading:
    """The reply to one request, which may take several dumps."""

    def __init__(
        self,
        request: Request,
        limitations: list[Limitation],
        connect: Callable[[], _socket.socket],
    ) -> None:
        self._request = request
        self._limitations = limitations
        self._connect = connect

    def batches(self) -> Iterator[Batch]:
        """Yield the sockets of every dump."""
        for protocol, family in _dumps(self._request):
            try:
                yield from self._ask(protocol, family)
            except _Refused as error:
                yield from self._instead(protocol, family, error)

    def _instead(
        self, protocol: str, family: str | None, error: _Refused
    ) -> Iterator[Batch]:
        """Fall back to another request or source after the kernel rejected one.

        UDP needs a kernel module of its own, which containers often cannot load.
        """
        if family is None:
            for one in sorted(self._request.families):
                yield from self._ask(protocol, one)
        elif not PROTOCOLS[protocol].is_one_dump and self._request.allow_fallback:
            from tcpstates.collect.procfs import ProcfsSource

            only = self._request._replace(
                protocols=frozenset({protocol}), families=frozenset({family})
            )
            yield from ProcfsSource().read(only, self._limitations)
            text = f"no UDP from netlink ({error.reason}); using /proc/net instead"
            limitation = Limitation("udp-from-procfs", text)
            if limitation not in self._limitations:
                self._limitations.append(limitation)
        else:
            raise error

    def _ask(self, protocol: str, family: str | None) -> Iterator[Batch]:
        """Yield the sockets of one protocol and family; None stands for both families.

        If the kernel rejects the filter program (an unknown operation, or firewall
        marks without the privilege), request everything. The filter is applied to the
        reply in any case.
        """
        program = self._request.kernel_filter
        batches = self._dump(protocol, family, program)
        try:
            first = next(batches, None)
        except _Refused:
            if not program:
                raise
            batches = self._dump(protocol, family, b"")
            first = next(batches, None)
        if first is not None:
            yield first
            yield from batches

    def _dump(
        self, protocol: str, family: str | None, program: bytes
    ) -> Iterator[Batch]:
        """Yield the reply to one request."""
        request = self._request
        mask = states_mask(protocol, request.states, unknown=request.unknown_states)
        if not mask:
            return
        message = encode_request(
            protocol,
            family,
            mask=mask,
            sequence=_SEQUENCE,
            info=request.info,
            times=request.ages,
            memory=request.memory,
            program=program,
        )
        decoder = DiagDecoder(
            protocol,
            sequence=_SEQUENCE,
            bound=OtherState.BOUND in request.states,
            in_order=request.in_order,
        )
        yield from _exchange(self._connect, message, decoder)
        if decoder.refused:
            raise _Refused(NetlinkSource.name, os.strerror(decoder.refused))
        if decoder.changed:
            text = "the kernel's tables changed while they were read"
            self._limitations.append(Limitation("changed-while-read", text))


def _exchange(
    connect: Callable[[], _socket.socket], message: bytes, decoder: DiagDecoder
) -> Iterator[Batch]:
    """Send a request, and decode the reply."""
    with closing(connect()) as channel:
        try:
            channel.sendto(message, (0, 0))
            decoder.port_id = channel.getsockname()[0]
            received = read_ahead(_receive(channel), alone=_ALONE, ahead=_AHEAD)
            with closing(received):
                for datagrams in filter(None, received):  # empty: not from the kernel
                    yield from decoder.decode(b"".join(datagrams))
        except ParseError as error:
            raise SourceUnavailable(NetlinkSource.name, str(error)) from error
        except BlockingIOError as error:
            text = f"the kernel did not answer within {_DEADLINE} s"
            raise SourceUnavailable(NetlinkSource.name, text) from error
        except OSError as error:
            raise SourceUnavailable(NetlinkSource.name, _text(error)) from error


def _text(error: OSError) -> str:
    """Return the text of an error without its number and file."""
    return error.strerror or str(error)


def kernel_version() -> tuple[int, int] | None:
    """Return the version of Linux; None: it is another system, or has none."""
    if sys.platform == "linux":
        words = os.uname().release.split(".")
        if len(words) > 1 and words[0].isdecimal() and words[1].isdecimal():
            return int(words[0]), int(words[1])
    return None


def _dumps(request: Request) -> Iterator[tuple[str, str | None]]:
    """Yield the dumps to request; for TCP, one dump covers both families."""
    for name, protocol in PROTOCOLS.items():
        if name not in request.protocols:
            continue
        if protocol.is_one_dump and len(request.families) > 1:
            yield name, None
        else:
            yield from ((name, family) for family in sorted(request.families))


if sys.platform == "linux":
    # The module below `socket`, which creates enumerations of all constants. No command
    # needs them, and they take 2.5 ms at each start.
    import _socket as socket

    def open_channel() -> socket.socket:
        """Open a socket to the kernel's sock_diag."""
        channel = None
        try:
            channel = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG
            )
            # Numbers that differ from processor to processor: MIPS, PowerPC.
            timeout = pack("@ll", _DEADLINE, 0)
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        except OSError as error:
            if channel is not None:
                channel.close()
            raise SourceUnavailable(NetlinkSource.name, _text(error)) from error
        return channel

    def _receive(channel: socket.socket) -> Iterator[list[bytes]]:
        """Yield the datagrams of a dump, first one by one, then in lists."""
        found: list[bytes] = []
        for _ in range(_ALONE):
            found = _receive_one(channel)
            yield found
            if found and ends_dump(found[-1]):
                return
        prepare_for_many()
        many = _many_receiver()
        while not (found and ends_dump(found[-1])):
            if many is None:
                found = _receive_one(channel)
                yield found
                continue
            more = many.receive(channel.fileno(), wait=True)
            while more:
                found = more
                yield found
                # While the kernel has another one ready, this was not the last.
                more = many.receive(channel.fileno(), wait=False)

    def _many_receiver() -> ManyReceiver | None:
        """Return a receiver of many datagrams; None if libc has no recvmmsg."""
        try:
            from tcpstates.collect.recvmmsg import ManyReceiver

            return ManyReceiver(_AT_ONCE, _DATAGRAM)
        except (ImportError, OSError, AttributeError):
            return None

    def _receive_one(channel: socket.socket) -> list[bytes]:
        """Receive one datagram; drop it if it is not from the kernel."""
        datagram, _, flags, sender = channel.recvmsg(_DATAGRAM)
        if sender[0]:
            return []
        if flags & socket.MSG_TRUNC:
            raise ParseError("netlink", "truncated datagram")
        return [datagram]

else:
    from typing import Any

    def open_channel() -> Any:
        """Raise SourceUnavailable."""
        raise SourceUnavailable(NetlinkSource.name, "available on Linux only")

    def _receive(channel: Any) -> Iterator[list[bytes]]:
        raise SourceUnavailable(NetlinkSource.name, "available on Linux only")
