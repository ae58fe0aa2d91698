"""How many sockets are in each state now, for commands that tell more than that."""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.api import Counts, count_by
from tcpstates.cli.output import complain
from tcpstates.errors import SourceUnavailable


def live_counts(*columns: str, filter: Sequence[str] = ()) -> Counts | None:  # noqa: A002
    """Return the counts of TCP sockets; None, and say why, where none can be had.

    What limits them is said, too. Raise FilterSyntaxError.
    """
    try:
        counts = count_by(*columns, filter=filter)
    except SourceUnavailable as error:
        complain(str(error))
        return None
    for limitation in counts.limitations:
        complain(limitation.text)
    return counts
