"""Count the sockets of one network namespace for the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tcpstates.ages import age_bounds_ms
from tcpstates.batch import Batch
from tcpstates.columns.registry import Column
from tcpstates.columns.tally import count_by
from tcpstates.model import KernelCounts, Limitation, Request
from tcpstates.origin import Origin
from tcpstates.pipeline import list_sockets, select
from tcpstates.states import ALL_STATES, LISTENING, TcpState

# The states whose ages are known and matter. Reading tcp_info of all sockets takes four
# times as long as counting them; these are few.
_AGED = frozenset({TcpState.CLOSE_WAIT, TcpState.FIN_WAIT_2, TcpState.SYN_SENT})
_DESTINATIONS = 20
OTHER = ""  # the port of sockets that belong to none of the known ones


class Wanted(NamedTuple):
    """What the exporter is asked to count."""

    request: Request
    expression: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()  # counted separately even if nothing listens
    columns: tuple[Column, ...] = ()  # of `tcpstates_sockets_by`
    most_groups: int = 1000
    doctor_every: float = 60  # seconds between examinations; 0: none
    has_places: bool = False  # metrics have the label netns


@dataclass
class Counts:
    """What was counted in a network namespace; None: our own."""

    netns: str | None = None
    sockets: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    receive_queue: Counter[str] = field(default_factory=Counter)
    send_queue: Counter[str] = field(default_factory=Counter)
    accept_queue: Counter[str] = field(default_factory=Counter)
    accept_limit: Counter[str] = field(default_factory=Counter)
    oldest: dict[str, float] = field(default_factory=dict)  # seconds, by state
    destinations: list[tuple[str, int]] = field(default_factory=list)
    ephemeral_limit: int | None = None
    kernel: KernelCounts | None = None
    groups: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    left_groups: int = 0
    limitations: list[Limitation] = field(default_factory=list)
    source: str = ""


def count(origin: Origin, wanted: Wanted) -> Counts:
    """Count the sockets that a filter selects; raise what `list_sockets` does."""
    request, expression = wanted.request, wanted.expression
    counts = Counts(origin.place, kernel=origin.kernel_counts())
    asked = request._replace(states=LISTENING, unknown_states=False)
    listening = set(_count_listeners(counts, origin.read(asked, []).batches))
    ports = {port: str(port) for port in listening | set(wanted.ports)}
    for port in ports.values():  # zeros, for whatever comes and goes
        for state in TcpState:
            for family in sorted(request.families):
                counts.sockets[str(state), family, port] = 0
    settings = origin.settings()
    selection = select(list(expression), origin, request)
    listing = list_sockets(request, origin, selection)
    used: Counter[tuple[str, int]] = Counter()
    batches = listing.batches
    if wanted.columns:
        held = list(batches)
        batches = iter(held)
        names = origin.names(numeric=True)
        tally = count_by(iter(held), wanted.columns, names)
        groups, counts.left_groups, left = tally.groups(wanted.most_groups)
        counts.groups = [(tuple(map(_text, values)), n) for values, n in groups]
        if left:
            others = ("(others)",) * len(wanted.columns)
            counts.groups.append((others, left))
    for batch in batches:
        _count_batch(counts, batch, ports)
        if settings.is_known and batch.protocol == "tcp":
            used.update(
                (remote, peer)
                for here, remote, peer in batch.rows(
                    "local_port", "remote_address", "remote_port"
                )
                if peer
                and settings.first_port <= here <= settings.last_port
                and here not in listening
            )
    counts.source = listing.source
    counts.limitations = listing.limitations
    counts.destinations = [
        (f"[{host}]:{port}" if ":" in host else f"{host}:{port}", number)
        for (host, port), number in used.most_common(_DESTINATIONS)
    ]
    if settings.is_known:
        ports_in_range = settings.last_port - settings.first_port + 1
        counts.ephemeral_limit = ports_in_range - settings.reserved_ports
    fin_timeout_ms = settings.fin_timeout * 1000 if settings.is_known else None
    _find_oldest(counts, origin, request, expression, fin_timeout_ms)
    return counts


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _count_listeners(counts: Counts, batches: Iterator[Batch]) -> Iterator[int]:
    """Add up the accept queues by port, and yield the ports."""
    for batch in batches:
        if batch.protocol != "tcp":
            continue
        for port, waiting, limit in batch.rows("local_port", "recv_q", "send_q"):
            yield port
            counts.accept_queue[str(port)] += waiting or 0
            counts.accept_limit[str(port)] += limit or 0


def _count_batch(counts: Counts, batch: Batch, ports: dict[int, str]) -> None:
    labels = batch.column("state_label")
    named = [
        ports.get(here) or ports.get(peer, OTHER)
        for here, peer in batch.rows("local_port", "remote_port")
    ]
    family = batch.family
    for (label, port), number in Counter(zip(labels, named, strict=True)).items():
        counts.sockets[label, family, port] += number
    for label, port, unread, unsent in zip(
        labels, named, batch.column("recv_q"), batch.column("send_q"), strict=True
    ):
        if (unread or unsent) and label != TcpState.LISTEN:
            counts.receive_queue[port] += unread or 0
            counts.send_queue[port] += unsent or 0


def _find_oldest(
    counts: Counts,
    origin: Origin,
    request: Request,
    expression: Collection[str],
    fin_timeout_ms: int | None,
) -> None:
    """Find the age of the oldest socket of each state that has ages worth watching."""
    asked = request._replace(states=_AGED & ALL_STATES, info=True, processes=False)
    selection = select(list(expression), origin, asked)
    if selection is not None and selection.needs_processes:
        return
    counts.oldest = {str(state): 0.0 for state in _AGED}
    for batch in list_sockets(asked, origin, selection).batches:
        bounds = age_bounds_ms(batch, fin_timeout_ms)
        for label, (least, _) in zip(batch.column("state_label"), bounds, strict=True):
            if label in counts.oldest:
                counts.oldest[label] = max(counts.oldest[label], least / 1000)
