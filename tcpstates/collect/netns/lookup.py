"""Names and numbers for sockets of several network namespaces."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from tcpstates.collect.name_lookup import SystemLookup
from tcpstates.collect.names import SystemNames, shared_time


class NamespacesNames(SystemNames):
    """The names of this host; times only where all namespaces have the same."""

    def __init__(
        self,
        fin_timeouts: Callable[[], Collection[int]],
        *,
        numeric: bool,
        state_names: Mapping[str, str] | None,
    ) -> None:
        """Take what reads the tcp_fin_timeout of all namespaces, in milliseconds."""
        super().__init__(numeric=numeric, state_names=state_names)
        self._fin_timeouts_of_all = fin_timeouts

    def fin_timeout_ms(self) -> int | None:
        """See `model.Names`; None if the namespaces differ."""
        if not self._fin_timeouts:
            self._fin_timeouts.append(shared_time(self._fin_timeouts_of_all()))
        return self._fin_timeouts[0]


class NamespacesLookup(SystemLookup):
    """Numbers of this host, except for interfaces, which batches have by name."""

    def __init__(self, protocols: Collection[str], note: Callable[[], None]) -> None:
        """Take what is called when a filter names an interface."""
        super().__init__(protocols)
        self._note = note

    def interface(self, name: str) -> int | None:
        """Let names be compared, not numbers."""
        self._note()
        return -1
