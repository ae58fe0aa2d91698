"""How many sockets are in each state now, for commands that tell more than that."""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.api import Counts, count_by
from tcpstates.cli.output import complain
from tcpstates.errors import SourceUnavailable
from tcpstates.model import SavedSource


def live_counts(
    *columns: str,
    filter: Sequence[str] = (),  # noqa: A002
    source: str | SavedSource = "auto",
) -> Counts | None:
    """Return the counts of TCP sockets; None, and say why, where none can be had.

    What limits them is said, too. Raise FilterSyntaxError.
    """
    try:
        counts = count_by(*columns, filter=filter, source=source)
    except SourceUnavailable as error:
        if not isinstance(source, str):
            raise  # a file that cannot be read is why there is no answer
        complain(str(error))
        return None
    for limitation in counts.limitations:
        complain(limitation.text)
    return counts
