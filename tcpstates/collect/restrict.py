"""Reduce what a source has read to what a request asks for."""

from __future__ import annotations

import sys

from tcpstates.batch import Batch
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, Request
from tcpstates.states import ALL_STATES, AnyState, OtherState

HAS_NETLINK = sys.platform == "linux"


def restrict_batch(batch: Batch, request: Request) -> Batch | None:
    """Select the sockets of a batch that a request asks for; None: none of them."""
    if batch.protocol not in request.protocols or batch.family not in request.families:
        return None
    labels = batch.column("state_label")
    # A live source reports BOUND only if it is named; in a listing it is a state like
    # the others.
    every = request.states >= ALL_STATES
    wanted = {
        label: request.includes(label) or (every and label == OtherState.BOUND)
        for label in set(labels)
    }
    return batch.select(list(map(wanted.__getitem__, labels)))


def refuse_bound(
    source: str,
    states: frozenset[AnyState],
    limitations: list[Limitation],
    instead: str = "",
) -> None:
    """Report that a source has no BOUND sockets, if the request names them.

    `instead`: when it has some; empty: never, and netlink is named.
    """
    if OtherState.BOUND in states:
        # Advice that can be followed: only Linux has netlink.
        hint = "; netlink does (Linux 6.8 or newer)" if HAS_NETLINK else ""
        text = f"does not report BOUND sockets{f' {instead}' if instead else hint}"
        if len(states) == 1:
            raise SourceUnavailable(source, text)
        limitations.append(Limitation("state-not-told", f"source {source} {text}"))
