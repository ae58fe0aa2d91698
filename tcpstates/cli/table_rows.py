"""The rows and columns of a table that people read: in a useful order, and narrow."""

from __future__ import annotations

from collections.abc import Sequence

from tcpstates.batch import Batch
from tcpstates.columns.registry import (
    LOCAL,
    LOCAL_PORT,
    PROCESS,
    PROCESS_BRIEF,
    PROTOCOL,
    REMOTE,
    STATE_IN_LIFE,
    Column,
)
from tcpstates.columns.sorting import Arrangement, SortKey
from tcpstates.columns.values import Cells
from tcpstates.model import WILDCARDS, Names
from tcpstates.states import LISTENING

# The kernel's order is that of its hash, which helps nobody.
_ORDER = tuple(
    SortKey(column, descending=False)
    for column in (PROTOCOL, STATE_IN_LIFE, LOCAL_PORT, LOCAL, REMOTE)
)


def narrow(
    columns: Sequence[Column], batches: Sequence[Batch], *, extended: bool
) -> tuple[Column, ...]:
    """Leave out what says nothing, so that a row fits on a line.

    Listeners have no remote address. Descriptors are left out unless `extended`.
    """
    chosen = list(columns)
    if REMOTE in chosen and batches and all(map(_has_no_peers, batches)):
        chosen.remove(REMOTE)
    if not extended:
        chosen = [PROCESS_BRIEF if column is PROCESS else column for column in chosen]
    return tuple(chosen)


def _has_no_peers(batch: Batch) -> bool:
    return (
        LISTENING.issuperset(batch.column("state_label"))
        and WILDCARDS.issuperset(batch.column("remote_address"))
        and not any(batch.column("remote_port"))
    )


def in_order(
    columns: Sequence[Column], batches: Sequence[Batch], names: Names
) -> list[Sequence[Cells]]:
    """Return the cells of each column, sorted by protocol, state, port and address."""

    def rows(batch: Batch) -> list[tuple[object, ...]]:
        return list(zip(*(c.cells(batch, names) for c in columns), strict=True))

    arrangement = Arrangement(_ORDER, None)
    portions = arrangement.rows(batches, names, rows)
    return [list(zip(*portion, strict=True)) for portion in portions if portion]
