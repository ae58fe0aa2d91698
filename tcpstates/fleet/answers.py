"""A question for another host, and what its answer says beside the sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tcpstates.capabilities import Capability
from tcpstates.collect.sources import SOURCES
from tcpstates.fleet.checks import (
    BadAnswer,
    listed,
    member,
    moment,
    number,
    optional,
    text,
    texts,
)
from tcpstates.model import HOST_FAILED, HOST_LEFT_OUT, Limitation, Request
from tcpstates.states import OtherState, TcpState

_FIELDS = (
    "info",
    "ages",
    "memory",
    "processes",
    "places",
    "reported_processes",
    "in_order",
)
_LONGEST_KIND = 40
_STATES = {str(state): state for state in (*TcpState, *OtherState)}


class About(NamedTuple):
    """What an answer says of the host and of how its sockets were read."""

    source: str
    lacks: tuple[Capability, ...]
    taken_at: float  # seconds since the epoch, by the clock of that host
    boot_id: str | None
    fin_timeout_ms: int | None
    limitations: tuple[Limitation, ...]


def request_to_json(request: Request) -> dict[str, Any]:
    """Encode a request; what only the kernel of this host can filter is left out."""
    data = {name: getattr(request, name) for name in _FIELDS}
    return {
        **data,
        "protocols": sorted(request.protocols),
        "families": sorted(request.families),
        "states": sorted(map(str, request.states)),
        "unknown_states": request.unknown_states,
        "pids": None if request.pids is None else sorted(request.pids),
    }


def request_from_json(data: Mapping[str, Any]) -> Request:
    """Decode a request, on the far side."""
    pids = data["pids"]
    return Request(
        protocols=frozenset(data["protocols"]),
        families=frozenset(data["families"]),
        states=frozenset(map(_STATES.__getitem__, data["states"])),
        unknown_states=data["unknown_states"],
        pids=None if pids is None else frozenset(pids),
        **{name: data[name] for name in _FIELDS},
    )


def about_to_json(about: About) -> dict[str, Any]:
    """Encode what `about_from_json` reads."""
    return {
        "source": about.source,
        "lacks": [each.name for each in about.lacks],
        "taken_at": about.taken_at,
        "boot_id": about.boot_id,
        "fin_timeout_ms": about.fin_timeout_ms,
        "limitations": [limit._asdict() for limit in about.limitations],
    }


def about_from_json(data: Any) -> About:
    """Decode the end of an answer; raise BadAnswer."""
    return About(
        source=_source(member(data, "source")),
        lacks=tuple(
            Capability[name]
            for name in texts(member(data, "lacks"))
            if name in Capability.__members__
        ),
        taken_at=moment(member(data, "taken_at")),
        boot_id=optional(text)(member(data, "boot_id")),
        fin_timeout_ms=optional(number)(member(data, "fin_timeout_ms")),
        limitations=tuple(
            Limitation(_kind(member(each, "kind")), text(member(each, "text")))
            for each in listed(member(data, "limitations"))
        ),
    )


def _kind(data: Any) -> str:
    """Return the kind of a limitation; whether a host has failed is ours to say."""
    kind = text(data)
    is_word = len(kind) <= _LONGEST_KIND and kind.replace("-", "").isalpha()
    if not (is_word and kind.isascii()) or kind in (HOST_FAILED, HOST_LEFT_OUT):
        raise BadAnswer("kind")
    return kind


def _source(data: Any) -> str:
    source = text(data)
    if source not in SOURCES:
        raise BadAnswer("source")
    return source
