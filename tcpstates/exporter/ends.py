"""Add up what ended connections have transferred, by port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

from tcpstates.changes.ends import ears_of
from tcpstates.collect.ended import EndListener
from tcpstates.errors import SourceUnavailable
from tcpstates.exporter.scan import OTHER
from tcpstates.model import WILDCARDS
from tcpstates.origin import LiveHost
from tcpstates.parse.ended import Ended, sort_notices

Place = tuple[str | None, str]  # network namespace and port


class Totals(NamedTuple):
    """What has been added up since the exporter started."""

    closed: Counter[Place]
    sent: Counter[Place]
    received: Counter[Place]
    retransmits: Counter[Place]


class Ends:
    """Hears of the end of every connection; without a way to hear, it stays silent."""

    def __init__(self, origin: LiveHost) -> None:
        self.totals = Totals(Counter(), Counter(), Counter(), Counter())
        self.lost = 0
        self._listener: EndListener | None = None
        with suppress(SourceUnavailable):
            self._listener = EndListener({"tcp"}, ears_of(origin.parts()))

    @property
    def is_heard(self) -> bool:
        """Whether the kernel reports ends here."""
        return self._listener is not None

    def add(self, ports: Collection[str]) -> None:
        """Add what was heard since the last time; other ports are counted together."""
        if self._listener is None:
            return
        heard = self._listener.take()
        self.lost += heard.lost or 0
        for place in ports:
            self.totals.closed[None, place] += 0
        for ended in sort_notices(heard.notices):
            self._add(ended, ports)

    def _add(self, ended: Ended, ports: Collection[str]) -> None:
        closed, sent, received, retransmits = self.totals
        for here, remote, peer, netns, acked, got, again in ended.batch.rows(
            "local_port", "remote_address", "remote_port", "netns",
            "info.bytes_acked", "info.bytes_received", "info.total_retransmits",
        ):  # fmt: skip
            if remote in WILDCARDS:
                continue  # it was no connection
            port = next((p for p in (str(here), str(peer)) if p in ports), OTHER)
            place = netns, port
            closed[place] += 1
            sent[place] += acked or 0
            received[place] += got or 0
            retransmits[place] += again or 0

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.close()
