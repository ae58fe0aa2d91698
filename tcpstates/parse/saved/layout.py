"""What a layout is: the parser for one form of one tool's output.

A layout is a class in a module of this package, named in `layouts.LAYOUTS`; nothing
else registers it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from tcpstates.parse.saved.endpoints import Endpoints
from tcpstates.parse.saved.prompts import Command
from tcpstates.parse.saved.rows import Row

# Columns of text by name: state, local, local_port, remote and remote_port; maybe also
# recv_q and send_q, inode, user, family (IPv4 or IPv6), command, pid, and fd, whose
# values are numbers or None.
Words = dict[str, Sequence[Any]]


class Shape(NamedTuple):
    """How a tool prints a plain TCP socket, to read many at once: see `blocks`."""

    words: int  # of a line
    # Makes columns of the words; MalformedLine: a line is not plain.
    columns: Callable[[Sequence[Sequence[str]]], Words]
    address: re.Pattern[str]
    family: str | None = None  # None: that of the column, or of the local address
    has_backlog_limit: bool = True  # the Send-Q of a listener
    width: int | None = None  # from which on an endpoint may be cut off
    unescape: Callable[[str], str] = str  # of a command


class Layout:
    """A parser for lines."""

    name: ClassVar[str]  # unique
    formats: ClassVar[tuple[str, ...]]  # the values of --from-format that select it
    # The tool prints a heading per run, so the same heading may begin another snapshot.
    has_snapshots: ClassVar[bool] = False
    # Its rows are unmistakable: they are recognised without a heading, too.
    is_unmistakable: ClassVar[bool] = False
    # A socket takes several lines, and a damaged block is reported as a whole.
    has_blocks: ClassVar[bool] = False
    # What a damaged row below the heading of this layout may look like; None: as any.
    like_row: ClassVar[re.Pattern[str] | None] = None

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        """Share the parser of endpoints; the byte order is that of /proc/net."""
        self._endpoints = endpoints
        self._byte_order = byte_order

    @staticmethod
    def may_be_row(line: str) -> bool:
        """Reject most lines of other tools quickly, where there was no heading."""
        return True

    def heading(self, line: str) -> bool:
        """Recognise a heading of this layout."""
        return False

    def follow(self, command: Command) -> None:
        """Use what the command above the rows reveals and the rows do not show."""

    def until(self, moment: float) -> None:
        """Read a recording up to a moment, in seconds since the epoch."""

    def foresee(self, lines: Sequence[str]) -> None:
        """Look at the next lines for what decides how to read them."""

    def begin_without_heading(self) -> None:
        """Forget the last heading, because it does not apply to the next row."""

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a line; None if it does not belong to this layout.

        NOT_OURS if it is a socket of another protocol.
        Raise MalformedLine if it looks like a socket but is malformed.
        """
        raise NotImplementedError

    def shape(self, line: str) -> Shape | None:
        """Return the shape of a plain socket if this line might be one.

        None also if the layout does not know yet how to read such lines. It may hold a
        row back, but no plain line that follows changes that row.
        """
        return None

    def finish(self) -> Sequence[Row]:
        """Return the rows that were held back for further lines."""
        return ()
