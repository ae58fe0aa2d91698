"""Read sockets from `/proc/net/tcp`, `tcp6`, `udp` and `udp6`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from tcpstates.collect.ahead import read_ahead
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Batch, Limitation, Request
from tcpstates.parse.proc_net import ProcNetParser
from tcpstates.states import AnyState, OtherState

_CHUNK = 64 * 1024  # bytes of text a batch, a few hundred sockets


class ProcfsSource:
    """Linux without sock_diag: no cookie, tcp_info, scope or backlog limit."""

    name = "procfs"

    def __init__(self, root: str = "/proc") -> None:
        """Read below another root in tests."""
        self._root = root

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield batches while the kernel prints; see `model.Source`."""
        refuse_bound(self.name, request.states, limitations)
        skipped = found = 0
        for protocol in sorted(request.protocols):
            for family in sorted(request.families):
                path = f"{self._root}/net/{protocol}{'6' if family == 'ipv6' else ''}"
                if not os.path.exists(path):
                    continue  # a kernel without IPv6 has no tcp6
                found += 1
                parser = ProcNetParser(protocol, family, sys.byteorder)
                batches = self._read_file(path, parser, request)
                yield from read_ahead(batches, alone=8, ahead=16)
                skipped += parser.skipped
        if not found and (request.families != {"ipv6"} or not self._has_ipv4()):
            raise SourceUnavailable(self.name, f"{self._root}/net has no tables")
        if skipped:
            text = f"{skipped} unreadable lines of {self._root}/net were left out"
            limitations.append(Limitation("rows-skipped", text))

    def _has_ipv4(self) -> bool:
        return os.path.exists(f"{self._root}/net/tcp")

    def _read_file(
        self, path: str, parser: ProcNetParser, request: Request
    ) -> Iterator[Batch]:
        try:
            with open(path, encoding="ascii", errors="backslashreplace") as table:
                table.readline()  # the heading
                while lines := table.readlines(_CHUNK):
                    yield parser.parse(lines).select(request.wants, "word")
        except OSError as error:
            reason = f"{path}: {error.strerror}"
            raise SourceUnavailable(self.name, reason) from error


def refuse_bound(
    source: str, states: frozenset[AnyState], limitations: list[Limitation]
) -> None:
    """Say that a source has no BOUND sockets, where the request names them."""
    if OtherState.BOUND in states:
        text = "cannot tell of BOUND sockets; netlink can (Linux 6.8 or newer)"
        if len(states) == 1:
            raise SourceUnavailable(source, text)
        limitations.append(Limitation("state-not-told", f"source {source} {text}"))
