"""Read sockets from `/proc/net/tcp`, `tcp6`, `udp` and `udp6`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from tcpstates.batch import Batch
from tcpstates.capabilities import NETLINK_ALONE, Capability
from tcpstates.collect.restrict import refuse_bound
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, OwnersBy, Request
from tcpstates.parse.proc_net import ProcNetParser
from tcpstates.wording import plural

_CHUNK = 256 * 1024  # characters per batch, more than a thousand sockets


class ProcfsSource:
    """Linux without sock_diag: no cookie, tcp_info, scope or backlog limit."""

    name = "procfs"
    lacks: tuple[Capability, ...] = (*NETLINK_ALONE, Capability.BACKLOG_LIMIT)
    owners_by = OwnersBy.INODE
    reads_everything = False

    def __init__(self, root: str = "/proc") -> None:
        self._root = root

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield batches while reading the files; see `model.Source`."""
        refuse_bound(self.name, request.states, limitations)
        if not os.path.exists(f"{self._root}/net/tcp"):
            raise SourceUnavailable(self.name, f"{self._root}/net has no socket tables")
        skipped = 0
        for protocol in sorted(request.protocols):
            for family in sorted(request.families):
                path = f"{self._root}/net/{protocol}{'6' if family == 'ipv6' else ''}"
                parser = ProcNetParser(
                    protocol, family, sys.byteorder, request.includes
                )
                try:
                    yield from map(parser.parse, self._read_text(path))
                except FileNotFoundError as error:
                    if family == "ipv4" or self._has_ipv6():
                        reason = f"{path}: {error.strerror}"
                        raise SourceUnavailable(self.name, reason) from error
                skipped += parser.skipped
        if skipped:
            noun = plural(skipped, "line")
            text = f"skipped {skipped} unreadable {noun} of {self._root}/net"
            limitations.append(Limitation("rows-skipped", text))

    def _has_ipv6(self) -> bool:
        """Check whether the kernel supports IPv6; without it there is no tcp6."""
        return os.path.exists(f"{self._root}/net/if_inet6")

    def _read_text(self, path: str) -> Iterator[str]:
        """Yield the file in portions of whole lines, without its heading.

        The kernel returns pages of 4 KiB. A thread for reading would not help: it would
        take Python's lock more often than it leaves it to others.
        """
        try:
            with open(path, encoding="ascii", errors="backslashreplace") as table:
                table.readline()
                rest = ""
                while text := table.read(_CHUNK):
                    whole, _, rest = (rest + text).rpartition("\n")
                    if whole:
                        yield whole
                if rest:
                    yield rest
        except FileNotFoundError:
            raise
        except OSError as error:
            reason = f"{path}: {error.strerror}"
            raise SourceUnavailable(self.name, reason) from error
