"""Replay events that `-w --jsonl` or `trace --jsonl` has printed.

Present, opened and changed sockets are there until they are closed; a resync begins
anew. Only events up to a moment count, if one is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tcpstates.parse.saved.rows import Row

_OF_SOCKETS = ("present", "opened", "changed", "closed")


def is_event(found: Mapping[str, Any]) -> bool:
    """Check whether an object is an event."""
    return isinstance(found.get("event"), str)


def seconds(text: str) -> float:
    """Read a time of the clock: ISO 8601; ValueError if it is none.

    Without an offset it is local time.
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Recording:
    """The sockets that are there after the events so far."""

    def __init__(self, until: float | None) -> None:
        """Ignore events after a moment, in seconds since the epoch."""
        self._until = until
        self._rows: dict[object, Row] = {}

    def counts(self, found: Mapping[str, Any]) -> bool:
        """Check whether an event is not after the moment; ValueError if malformed."""
        return self._until is None or seconds(found["time"]) <= self._until

    def begin_anew(self) -> None:
        """Forget all sockets: they are told again."""
        self._rows.clear()

    def take(self, found: Mapping[str, Any], row: Row) -> None:
        """Follow an event of a socket; ValueError for an unknown one."""
        if found["event"] not in _OF_SOCKETS:
            raise ValueError(found["event"])
        key = found.get("cookie") or (*row[:2], *row[3:7])
        if found["event"] == "closed":
            self._rows.pop(key, None)
        else:
            self._rows[key] = row

    def rows(self) -> Sequence[Row]:
        """Return the sockets that are left, and forget them."""
        left, self._rows = list(self._rows.values()), {}
        return left
