"""Names for the sockets of other hosts, which come with their users and interfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tcpstates.collect.names import HostNames, shared_time


class HasFinTimeout(Protocol):
    """What has a tcp_fin_timeout: a host."""

    @property
    def fin_timeout_ms(self) -> int | None:
        """Its tcp_fin_timeout; None: unknown."""


class RemoteNames(HostNames):
    """Names of this host's files; times only where all hosts have the same."""

    def __init__(
        self,
        hosts: Sequence[HasFinTimeout],
        *,
        numeric: bool,
        state_names: Mapping[str, str] | None,
    ) -> None:
        super().__init__(numeric=numeric, state_names=state_names)
        self._members = hosts

    def fin_timeout_ms(self) -> int | None:
        """See `model.Names`; None if the hosts differ."""
        return shared_time(each.fin_timeout_ms for each in self._members)
