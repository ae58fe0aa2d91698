"""The parts of an origin, each examined by itself: namespaces, hosts, or the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from tcpstates.doctor.findings import Diagnosis
from tcpstates.doctor.short_lived import ShortLived
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation
from tcpstates.origin import Origin

T = TypeVar("T")
# Examines a part. It gets the counters from the start of the run and, if there is a
# second scan, what listens for sockets that end.
Examine = Callable[[Origin, Mapping[str, int], ShortLived | None], Diagnosis]


class Parts:
    """The parts, and what was counted in each when the run began."""

    def __init__(self, origin: Origin, *, is_watched: bool) -> None:
        """Read the counters of each; `is_watched`: there is a second scan."""
        self._origin = origin
        self.ends: dict[Origin, ShortLived] = {}
        self._refused: dict[Origin, SourceUnavailable] = {}
        self._before = self._each(origin.parts(), lambda part: part.counters())
        if is_watched:
            self.ends = self._each(self._before, ShortLived)

    def scan(self, examine: Examine) -> dict[Origin, Diagnosis]:
        """Examine every part; raise SourceUnavailable if that fails for all of them."""

        def examine_part(part: Origin) -> Diagnosis:
            return examine(part, self._before[part], self.ends.get(part))

        found = self._each(
            [part for part in self._before if part not in self._refused], examine_part
        )
        if not found:
            raise self._origin.unavailable(list(self._refused.values()))
        return found

    def _each(
        self, parts: Iterable[Origin], call: Callable[[Origin], T]
    ) -> dict[Origin, T]:
        """Call something for each part, for several at once if the origin can.

        A part that cannot be read is noted, and does not affect the others.
        """

        def attempt(part: Origin) -> T | SourceUnavailable:
            try:
                return call(part)
            except SourceUnavailable as error:
                return error

        chosen = list(parts)
        results = self._origin.map(attempt, chosen)
        found: dict[Origin, T] = {}
        for part, result in zip(chosen, results, strict=True):
            if isinstance(result, SourceUnavailable):
                self._refused[part] = result
            else:
                found[part] = result
        return found

    def hidden(self) -> list[Limitation]:
        """Say which parts could not be examined."""
        return self._origin.hidden(list(self._refused.values()))
