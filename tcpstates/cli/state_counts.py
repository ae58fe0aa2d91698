"""Counts by state or process, for commands that have more to say than counts."""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.api import Counts, count_by
from tcpstates.cli.exit_codes import ExitCode, with_failures
from tcpstates.cli.output import warn
from tcpstates.errors import FileUnavailable, SourceUnavailable
from tcpstates.origin import Origin


class StateCounts:
    """Counts of an origin's TCP sockets; what limits them is warned of once."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._warned: set[str] = set()
        self.exit_code = ExitCode.DONE  # of a command that says more than counts

    def by(self, *columns: str, filter: Sequence[str] = ()) -> Counts | None:  # noqa: A002
        """Count by columns; None, and a warning, if no source can be read.

        Raise FilterSyntaxError, and FileUnavailable: without the file there is no
        answer.
        """
        try:
            counts = count_by(*columns, filter=filter, source=self._origin)
        except FileUnavailable:
            raise
        except SourceUnavailable as error:
            for text in error.lines():
                self._warn(text)
            if not self._origin.is_here:
                self.exit_code = ExitCode.FAILED
            return None
        self.exit_code = with_failures(self.exit_code, counts.limitations)
        for limitation in counts.limitations:
            if limitation.kind != "owners-hidden":  # counts need no owners
                self._warn(limitation.text)
        return counts

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            warn(text)
