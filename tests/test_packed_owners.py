"""Owners as integers are the same owners, in every column and text."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest

from support.fakes.batches import FixedNames, batch
from tcpstates.collect.owner_table import OwnerTable
from tcpstates.columns.registry import COLUMNS
from tcpstates.model import Owner, Reason
from tcpstates.packed_owners import PackedOwners

NAMES = {1: b"init", 70: b"nginx", 71: None, 72: b"odd \x1b[31m name"}
MANY = {pid << 32 | fd: None for pid in (72, 1) for fd in (9, 4)}
HOLDERS: list[Any] = [70 << 32 | 9, None, (71 << 32 | 5, 70 << 32 | 5), MANY, 99 << 32]
OWNERS: list[tuple[Owner, ...]] = [
    (Owner(70, b"nginx", 9),),
    (),
    (Owner(70, b"nginx", 5), Owner(71, None, 5)),
    (
        Owner(1, b"init", 4),
        Owner(1, b"init", 9),
        Owner(72, b"odd \x1b[31m name", 4),
        Owner(72, b"odd \x1b[31m name", 9),
    ),
    (Owner(99, None, 0),),
]


def test_they_are_the_owners_in_the_order_of_pids() -> None:
    packed = PackedOwners(HOLDERS, NAMES)
    assert len(packed) == 5
    assert list(packed) == OWNERS
    assert packed[2] == OWNERS[2]
    assert list(packed[-2:]) == OWNERS[-2:]
    assert all(type(owner) is Owner for owners in packed for owner in owners)


@pytest.mark.parametrize("reason", [Reason.HIDDEN, Reason.ORPHAN, None])
@pytest.mark.parametrize("key", ["process", "pid"])
def test_each_text_is_the_same(key: str, reason: str | None) -> None:
    rows: list[dict[str, Any]] = [{"no_process_reason": reason}] * len(OWNERS)
    packed, unpacked = batch(*rows), batch(*rows)
    packed.set("processes", PackedOwners(HOLDERS, NAMES))
    unpacked.set("processes", OWNERS)
    names: Any = FixedNames()
    cells = COLUMNS[key].cells(packed, names)
    assert cells == COLUMNS[key].cells(unpacked, names)
    if key == "process":
        assert cells[0] == "nginx(pid=70,fd=9)"
        assert cells[2] == "nginx(pid=70,fd=5),?(pid=71,fd=5)"
        assert "\x1b" not in cells[3]


def test_a_table_packs_what_it_has_found() -> None:
    table = OwnerTable([5, 6, 7])
    table.names.update(NAMES)
    table.add(6, 70 << 32 | 3)
    found = table.packed([7, 6])
    assert found.holders == [None, 70 << 32 | 3]
    assert list(found) == table.owners([7, 6]) == [(), (Owner(70, b"nginx", 3),)]


def test_nothing_keeps_them_once_they_are_not_used() -> None:
    """The program runs without a garbage collector, so a circle would stay."""
    holders = [70 << 32 | 9]
    before = sys.getrefcount(holders)
    gc.disable()
    try:
        assert len(list(PackedOwners(holders, NAMES))) == 1
        assert sys.getrefcount(holders) == before
    finally:
        gc.enable()
