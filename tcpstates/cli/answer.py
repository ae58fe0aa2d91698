"""What a command has to show: sockets, and what is known beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tcpstates.model import Listing

if TYPE_CHECKING:  # loaded only where they are needed
    from tcpstates.collect.names import HostNames
    from tcpstates.filters.selection import Selection
    from tcpstates.origin import Origin


class Answer(NamedTuple):
    """The answer to what the options ask for."""

    listing: Listing
    origin: Origin
    names: HostNames
    selection: Selection | None  # None: there is no filter
