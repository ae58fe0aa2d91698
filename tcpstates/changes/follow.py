"""Follow the sockets of an origin: look again and again, and tell what has happened.

Each look lists the sockets. Those that opened and ended between two looks are in no
list: the kernel's notices of ended sockets (`collect.ended`) report these, and what
every connection has transferred. States between two looks stay unknown, so the time in
a state is a lower bound: from the look that first saw it to the last one that did.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from tcpstates.batch import Batch
from tcpstates.changes.ends import End, ears_of, ends_of, traffic_of
from tcpstates.changes.identity import Key, has_cookies, keys_of, select_keys
from tcpstates.changes.look import Happening, Look
from tcpstates.changes.model import Events, Kind, Resync, plain_events
from tcpstates.changes.owner_cache import OwnerCache
from tcpstates.collect.ended import EndListener
from tcpstates.errors import SourceUnavailable
from tcpstates.filters.conditions import InStates
from tcpstates.filters.selection import Selection
from tcpstates.model import WILDCARDS, Limitation, Listing, Request
from tcpstates.origin import Origin
from tcpstates.parse.ended import Ended, sort_notices
from tcpstates.pipeline import list_sockets, select
from tcpstates.states import ALL_STATES, LISTENING


class Follower:
    """Looks at the sockets that a request and a filter select."""

    def __init__(
        self,
        request: Request,
        origin: Origin,
        expression: Sequence[str] = (),
        *,
        hears_ends: bool = True,
    ) -> None:
        """Begin to listen for ends, if there is a way; raise FilterSyntaxError."""
        self._request, self._origin = request, origin
        self._expression = list(expression)
        self._select()  # what fails, fails now
        self._listener: EndListener | None = None
        if hears_ends:
            self._listen()
        self._owners = OwnerCache() if request.processes else None
        self._labels: dict[Key, str] = {}
        self._batches: list[Batch] = []
        self._since: dict[Key, float] = {}  # when the state was first seen
        self._traffic: dict[Key, End] = {}  # of sockets that left a small one behind
        self._looked_at: float | None = None  # monotonic; None: not yet

    @property
    def hears_ends(self) -> bool:
        """Whether the kernel's notices report sockets that end between two looks."""
        return self._listener is not None

    @property
    def reader(self) -> str:
        """How events are read: by looks alone, or also by the kernel's notices."""
        return "poll, notices of ended sockets" if self.hears_ends else "poll"

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.close()

    def look(self) -> Look:
        """Look at the sockets; raise what `list_sockets` does."""
        ended, resync = self._heard()
        wall, now = time.time(), time.monotonic()
        listing, selection = self._list()
        batches = list(listing.batches)
        if self._owners is not None:
            self._owners.fill(batches, listing)
        if self._listener is not None and not has_cookies(batches):
            self._listener.close()  # this source cannot be joined with the notices
            self._listener = None
        # A host that has not answered has closed nothing: its sockets are as before.
        known = [*batches, *self._of_unread()]
        labels: dict[Key, str] = {}
        for batch in known:
            labels.update(zip(keys_of(batch), batch.column("state_label"), strict=True))
        if self._looked_at is None or resync is not None:
            happened: list[Happening] = [] if resync is None else [resync]
            happened += [
                plain_events(Kind.PRESENT, b, wall, now) for b in batches if len(b)
            ]
            self._since = dict.fromkeys(labels, now)
        else:
            happened = list(self._compare(batches, labels, ended, selection, wall, now))
        self._labels, self._batches, self._looked_at = labels, known, now
        unread = self._origin.unread
        return Look(listing, selection, batches, happened, wall, now, unread)

    def _of_unread(self) -> Iterator[Batch]:
        """Yield the last known sockets of hosts that have not answered this time."""
        unread = self._origin.unread
        for batch in self._batches if unread else ():
            chosen = [host in unread for host in batch.column("host")]
            if any(chosen):
                yield batch.select(chosen)

    def _listen(self) -> None:
        """Listen for ends, if the sockets are here and the kernel reports them."""
        ears = ears_of(self._origin.parts())
        if ears:
            with suppress(SourceUnavailable):
                self._listener = EndListener(self._request.protocols, ears)

    def _select(self) -> Selection | None:
        return select(self._expression, self._origin, self._request)

    def _list(self) -> tuple[Listing, Selection | None]:
        """List the sockets; owners are looked up later, and only those of new ones."""
        selection = self._select()
        request = self._request
        if self._owners is not None:
            request = request._replace(processes=False, reported_processes=True)
        return list_sockets(request, self._origin, selection), selection

    def _heard(self) -> tuple[list[Ended], Resync | None]:
        """Return which sockets have ended, and whether notices were lost."""
        if self._listener is None:
            return [], None
        heard = self._listener.take()
        ended = list(sort_notices(heard.notices))
        if heard.lost == 0 or self._looked_at is None:
            return ended, None
        reason = "more sockets ended than could be received"
        return ended, Resync(time.time(), time.monotonic(), reason, heard.lost)

    def _compare(
        self,
        batches: list[Batch],
        labels: dict[Key, str],
        ended: list[Ended],
        selection: Selection | None,
        wall: float,
        now: float,
    ) -> Iterator[Happening]:
        """Yield what has happened, in the order opened, changed, closed."""
        before = self._labels
        differing = {key for key, _ in labels.items() - before.items()}
        opened = differing - before.keys()
        changed = differing - opened
        left = before.keys() - labels.keys()
        ends = {key: end for each in ended for key, end in ends_of(each)}
        still = self._elsewhere(left)
        closed = left - still.keys()
        for batch in select_keys(batches, opened):
            self._since.update(dict.fromkeys(keys_of(batch), now))
            yield plain_events(Kind.OPENED, batch, wall, now)
        for batch in select_keys(batches, changed):
            yield self._changes(batch, labels, ends, wall, now)
        for batch in select_keys(self._batches, still):
            yield self._changes(batch, still, ends, wall, now)
        for batch in select_keys(self._batches, closed):
            yield self._ends(batch, ends, wall, now)
        for key in left:
            self._since.pop(key, None)
            self._traffic.pop(key, None)
        known = before.keys() | labels.keys()
        for each in ended:
            yield from self._missed(each, known, selection)

    def _elsewhere(self, left: set[Key]) -> dict[Key, str]:
        """Find the states of sockets that exist, but are not selected any more."""
        is_restricted = self._expression or self._request.states != ALL_STATES
        if not left or not is_restricted:
            return {}
        everything = Request(
            protocols=self._request.protocols,
            families=self._request.families,
            states=ALL_STATES,
        )
        limitations: list[Limitation] = []
        found: dict[Key, str] = {}
        for batch in self._origin.read(everything, limitations).batches:
            keys = keys_of(batch)
            if not left.isdisjoint(keys):
                pairs = zip(keys, batch.column("state_label"), strict=True)
                found.update((key, label) for key, label in pairs if key in left)
        return found

    def _changes(
        self,
        batch: Batch,
        labels: dict[Key, str],
        ends: dict[Key, End],
        wall: float,
        now: float,
    ) -> Events:
        """Make the events of changed states."""
        keys = keys_of(batch)
        former = [self._former(key) for key in keys]
        self._since.update(dict.fromkeys(keys, now))
        self._traffic.update({key: ends[key] for key in ends.keys() & set(keys)})
        found = [ends.get(key) for key in keys]
        return plain_events(
            Kind.CHANGED,
            batch,
            wall,
            now,
            old=[self._labels.get(key) for key in keys],
            new=[labels[key] for key in keys],
            former_ms=former,
            traffic=[None if end is None else end.traffic for end in found],
        )

    def _ends(
        self, batch: Batch, ends: dict[Key, End], wall: float, now: float
    ) -> Events:
        """Make the events of sockets that a look has seen and that are gone."""
        keys = keys_of(batch)
        found = [ends.get(key) for key in keys]
        told = [
            end or self._traffic.get(key) for key, end in zip(keys, found, strict=True)
        ]
        return plain_events(
            Kind.CLOSED,
            batch,
            wall,
            now,
            old=[self._labels.get(key) for key in keys],
            new=[None] * len(batch),
            times=[wall if end is None else end.notice.time for end in found],
            monotonic=[now if end is None else end.notice.monotonic for end in found],
            former_ms=[self._former(key) for key in keys],
            traffic=[None if end is None else end.traffic for end in told],
        )

    def _former(self, key: Key) -> int | None:
        """How long a socket was seen in its state, in milliseconds."""
        since = self._since.get(key)
        if since is None or self._looked_at is None:
            return None
        return round(1000 * (self._looked_at - since))

    def _missed(
        self, ended: Ended, known: set[Key], selection: Selection | None
    ) -> Iterator[Events]:
        """Yield the ends of sockets that no look has seen, if they are selected."""
        may_be = self._selectable(ended.batch, selection)
        keys = keys_of(ended.batch)
        chosen = [m and k not in known for m, k in zip(may_be, keys, strict=True)]
        if not any(chosen):
            return
        batch: Batch = ended.batch.select(chosen)
        notices = [n for n, is_new in zip(ended.notices, chosen, strict=True) if is_new]
        if selection is not None:
            stamps = dict(zip(keys_of(batch), notices, strict=True))
            batch = next(selection.without_processes(iter([batch])))
            notices = [stamps[key] for key in keys_of(batch)]
        if batch.family not in self._request.families or not len(batch):
            return
        for column in ("uid", "inode"):  # the kernel has forgotten them
            batch.set(column, [None] * len(batch))
        nothing = [None] * len(batch)
        yield Events(
            [Kind.CLOSED] * len(batch),
            batch,
            [notice.time for notice in notices],
            [notice.monotonic for notice in notices],
            nothing,
            nothing,
            nothing,
            nothing,
            traffic_of(batch),
            was_missed=True,
        )

    def _selectable(self, batch: Batch, selection: Selection | None) -> list[bool]:
        """Which ended sockets may be selected: their states and owners are unknown.

        Without a peer, it was a listener, or it was never in any table. One that has
        aborted its connection still has the peer's address, but no port.
        """
        nothing = [False] * len(batch)
        if selection is not None and (
            selection.needs_processes
            or selection.needs_listeners
            or selection.asks_for(InStates)
        ):
            return nothing
        if batch.protocol != "tcp":
            return [bool(port) for port in batch.column("local_port")]
        takes_listeners = bool(self._request.states & LISTENING)
        takes_others = bool(self._request.states - LISTENING)
        return [
            bool(port) and (takes_listeners if peer in WILDCARDS else takes_others)
            for port, peer in batch.rows("local_port", "remote_address")
        ]
