"""Read sockets from Windows' IP Helper API, whose tables netstat and psutil read, too.

Besides state, endpoints and pid, it has the time when a socket was created, which
bounds the age of its state. Each table is one call, so no socket is listed twice.

Source: iphlpapi.h, tcpmib.h and udpmib.h of the Windows SDK (GetExtendedTcpTable).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tcpstates.batch import Batch
from tcpstates.capabilities import ONLY_STATES_AND_PIDS, Capability
from tcpstates.collect.restrict import refuse_bound, restrict_batch
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, OwnersBy, Request
from tcpstates.parse.ip_helper import parse_table
from tcpstates.protocols import TCP

_ERROR_INSUFFICIENT_BUFFER = 122  # winerror.h
_AF = {"ipv4": 2, "ipv6": 23}  # winsock2.h: not as on other systems
# TCP_TABLE_OWNER_MODULE_ALL and UDP_TABLE_OWNER_MODULE, iprtrmib.h
_CLASSES = {"tcp": 8, "udp": 2}
_TRIES = 10  # a table can grow between asking for its size and for its rows
_ROOM = 1 << 14  # bytes more than its size

Tables = Callable[[str, str], "Answer"]  # by protocol and family


class Answer(NamedTuple):
    """A table of rows, or the code of an error."""

    code: int
    table: bytes = b""


class IpHelperSource:
    """GetExtendedTcpTable and GetExtendedUdpTable: state, endpoints, pid, creation."""

    name = "iphlpapi"
    lacks: tuple[Capability, ...] = tuple(
        each for each in ONLY_STATES_AND_PIDS if each is not Capability.AGES
    )
    owners_by = OwnersBy.PID
    reads_everything = True

    def __init__(self, ask: Tables | None = None) -> None:
        """Take what returns the table of a protocol and family."""
        self._ask = ask or _ask_windows

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield one table after another; see `model.Source`."""
        refuse_bound(self.name, request.states, limitations)
        for protocol in sorted(request.protocols):
            for family in sorted(request.families):
                answer = self._ask(protocol, family)
                what = f"{protocol} over {family}"
                if answer.code:
                    text = f"{what}: Windows error {answer.code}"
                    raise SourceUnavailable(self.name, text)
                try:
                    batch = parse_table(protocol, family, answer.table)
                except ValueError as error:
                    text = f"{what}: {error}"
                    raise SourceUnavailable(self.name, text) from error
                wanted = restrict_batch(batch, request)
                if wanted is not None:
                    yield wanted


if sys.platform == "win32":

    def _ask_windows(protocol: str, family: str) -> Answer:
        """Get a table; raise SourceUnavailable where the library is missing."""
        import ctypes
        from ctypes import wintypes

        try:
            library = ctypes.WinDLL("iphlpapi")
        except OSError as error:
            raise SourceUnavailable("iphlpapi", str(error)) from error
        name = "GetExtendedTcpTable" if protocol == TCP.name else "GetExtendedUdpTable"
        call = getattr(library, name)
        size = wintypes.DWORD(0)
        buffer = None
        code = _ERROR_INSUFFICIENT_BUFFER
        for _ in range(_TRIES):
            given = (_AF[family], _CLASSES[protocol], 0)
            code = call(buffer, ctypes.byref(size), False, *given)  # noqa: FBT003
            if code != _ERROR_INSUFFICIENT_BUFFER:
                break
            size.value += _ROOM
            buffer = ctypes.create_string_buffer(size.value)
        return Answer(code, b"" if buffer is None else buffer.raw)

else:

    def _ask_windows(protocol: str, family: str) -> Answer:
        """Refuse: this is not Windows."""
        raise SourceUnavailable("iphlpapi", "available on Windows only")
