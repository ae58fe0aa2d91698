"""From a request to a listing: read an origin, filter, find the owners.

Rows pass through while the source still answers, except where owners are wanted: see
`attribution`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.collect.sources import missing_from, source_order
from tcpstates.model import Limitation, Listing, OwnersBy, Reading, Request
from tcpstates.origin import Origin
from tcpstates.states import LISTENING

if TYPE_CHECKING:  # loaded only where there is a filter
    from tcpstates.filters.selection import Selection


def select(
    arguments: Sequence[str], origin: Origin, request: Request
) -> Selection | None:
    """Read a filter for sockets of an origin; None: there is no filter.

    Raise FilterSyntaxError.
    """
    if not any(argument.strip() for argument in arguments):
        return None
    from tcpstates.filters.selection import read_selection

    return read_selection(arguments, origin.lookup(request.protocols), request)


def list_sockets(
    request: Request,
    origin: Origin,
    selection: Selection | None = None,
    *,
    in_kernel: bool = True,
) -> Listing:
    """List the sockets that a request asks for, and a filter selects.

    Without `in_kernel` the kernel does none of the filter's work, which takes longer
    and changes nothing. Raise SourceUnavailable when no source, or not the one named,
    can be used, and FilterSyntaxError when it cannot answer the filter.
    """
    limitations: list[Limitation] = []
    taken_at = origin.taken_at()
    if selection is not None:
        if selection.needs_listeners:
            asked = request._replace(states=LISTENING, unknown_states=False)
            selection = selection.with_listeners(origin.read(asked, []).batches)
        in_kernel = in_kernel and origin.filters_in_kernel
        request = selection.restrict(request, in_kernel=in_kernel)
    reading = origin.read(request, limitations)
    batches = reading.batches
    if origin.label:
        batches = _labelled(batches, origin.label)
    _note_missing(request, reading, limitations)
    if selection is not None:
        selection.check(lambda need: _not_provided(need, reading, limitations))
        batches = selection.without_processes(batches)
        first = next(batches, None)  # what fails, fails before any output
        batches = batches if first is None else chain((first,), batches)
    are_reported = request.reported_processes and reading.owners_by is OwnersBy.PID
    if request.processes or are_reported:
        from tcpstates.attribution import attribute

        batches = attribute(
            batches, reading.owners_by, limitations, request.pids, reading.source
        )
    if request.places and reading.owners_by is not OwnersBy.ROW:
        from tcpstates.attribution import add_places

        batches = add_places(batches)
    if selection is not None:
        if selection.needs_processes:
            from tcpstates.attribution import note_other_owners

            batches = note_other_owners(
                batches, reading.source, reading.owners_by, limitations
            )
        batches = _decided(batches, selection, limitations)
    written = None if selection is None else str(selection)
    return Listing(
        reading.source,
        taken_at,
        batches,
        limitations,
        written,
        request,
        origin.boot_id,
    )


def join_listings(listings: Sequence[Listing]) -> Listing:
    """One listing of several origins; each batch has the label of its own.

    `taken_at` is the earliest. Limitations are complete once all batches were read.
    """
    first = listings[0]
    limitations: list[Limitation] = []

    def batches() -> Iterator[Batch]:
        for listing in listings:
            yield from listing.batches
            limitations.extend(listing.limitations)

    sources = ",".join(dict.fromkeys(listing.source for listing in listings))
    taken_at = min(listing.taken_at for listing in listings)
    return Listing(
        sources, taken_at, batches(), limitations, first.filter, first.request
    )


def _labelled(batches: Iterator[Batch], label: str) -> Iterator[Batch]:
    """Yield batches that know which origin they are of."""
    for batch in batches:
        batch.origin = label
        yield batch


def _note_missing(
    request: Request, reading: Reading, limitations: list[Limitation]
) -> None:
    """Note the columns that were asked for and that the source lacks."""
    for wanted, option in (
        (request.info, Capability.TCP_INFO),
        (request.ages and not request.info, Capability.AGES),
        (request.memory, Capability.MEMORY),
    ):
        if wanted and option in reading.lacks:
            text = _lacks(reading.source, option)
            limitations.append(Limitation("field-not-told", text))


def _not_provided(
    need: Capability, reading: Reading, limitations: list[Limitation]
) -> str | None:
    """Name the sources that provide what a filter needs, if the one used does not."""
    if need not in reading.lacks:
        return None
    why = "".join(f" ({text})" for kind, text in limitations if kind == "fell-back")
    return f"{_lacks(reading.source, need)}{why}"


def _lacks(source: str, need: Capability) -> str:
    """Say that a source lacks something, and which one on this system has it."""
    order = source_order()
    others = [name for name in order if need not in missing_from(name)]
    if others:
        hint = f"; {' and '.join(others)} {'do' if len(others) > 1 else 'does'}"
    else:
        hint = ", nor does any other on this system"
    return f"source {source} does not report {need}{hint}"


def _decided(
    batches: Iterator[Batch], selection: Selection, limitations: list[Limitation]
) -> Iterator[Batch]:
    """Yield what the selection keeps now that owners are known."""
    yield from selection.with_processes(batches)
    limitations.extend(selection.limitations())
