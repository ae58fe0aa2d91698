"""The transport protocols whose sockets can be read, as records.

Nothing else decides by a protocol's name, except the parsers of text that contains it.
"""

from __future__ import annotations

from typing import NamedTuple

from tcpstates.states import OtherState, TcpState

_STATES = tuple(map(str, TcpState))
_WITHOUT_PEER, _WITH_PEER = str(OtherState.UNCONN), str(TcpState.ESTABLISHED)


class Transport(NamedTuple):
    """One protocol, and what its sockets have."""

    name: str
    number: int  # IPPROTO_*, netinet/in.h
    labels: tuple[str, ...]  # every state label of its sockets, in display order
    labels_on_request: tuple[str, ...]  # reported only if requested by name
    # For a protocol without states: the labels of sockets without and with a peer.
    # None: its sockets have the states of RFC 9293.
    labels_by_peer: tuple[str, str] | None
    has_timers: bool
    is_one_dump: bool  # sock_diag can report both families at once

    @property
    def has_states(self) -> bool:
        """Whether its sockets have the states of RFC 9293."""
        return self.labels_by_peer is None


TCP = Transport(
    name="tcp",
    number=6,
    labels=_STATES,
    labels_on_request=(str(OtherState.BOUND),),
    labels_by_peer=None,
    has_timers=True,
    is_one_dump=True,
)
UDP = Transport(
    name="udp",
    number=17,
    labels=(_WITH_PEER, _WITHOUT_PEER),
    labels_on_request=(),
    labels_by_peer=(_WITHOUT_PEER, _WITH_PEER),
    has_timers=False,
    is_one_dump=False,
)
PROTOCOLS: dict[str, Transport] = {each.name: each for each in (TCP, UDP)}
DEFAULT_PROTOCOL = TCP.name
