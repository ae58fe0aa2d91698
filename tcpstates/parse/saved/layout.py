"""What a layout is: the parser for one form of one tool's output.

A layout is a class in a module of this package, named in `layouts.LAYOUTS`; nothing
else registers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tcpstates.parse.saved.endpoints import Endpoints
from tcpstates.parse.saved.rows import Row


class Layout:
    """A parser for lines."""

    name: ClassVar[str]  # unique
    formats: ClassVar[tuple[str, ...]]  # the values of --from-format that select it
    # The tool prints a heading per run, so the same heading may begin another snapshot.
    has_snapshots: ClassVar[bool] = False
    # Its rows are unmistakable: they are recognised without a heading, too.
    is_unmistakable: ClassVar[bool] = False

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

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a line; None if it does not belong to this layout.

        Raise MalformedLine if it looks like a socket but is malformed.
        """
        raise NotImplementedError

    def finish(self) -> Sequence[Row]:
        """Return the rows that were held back for further lines."""
        return ()
