"""A list of processes wraps between processes, whatever they are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpstates.columns.values import format_owners
from tcpstates.model import Owner
from tcpstates.render.table_layout import split_holders, wrap_holders

HOSTILE = b"),b(pid=1,fd=3"


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6))
def test_a_name_does_not_become_a_process(names: list[bytes]) -> None:
    owners = [Owner(n, name, n) for n, name in enumerate([*names, HOSTILE])]
    cell = format_owners(owners)
    parts = split_holders(cell)
    assert len(parts) == len(owners)
    assert "".join(parts) == cell


@pytest.mark.parametrize("cell", ["(time-wait)", "(hidden: user a b)", "?(pid=1)", "("])
def test_what_is_no_process_stays_whole(cell: str) -> None:
    assert split_holders(cell) == [cell]


def test_lines_are_filled() -> None:
    cell = "nginx(pid=1,fd=3),nginx(pid=2,fd=3),nginx(pid=3,fd=3)"
    assert wrap_holders(cell, 40) == (
        "nginx(pid=1,fd=3),nginx(pid=2,fd=3),\nnginx(pid=3,fd=3)"
    )
    assert wrap_holders(cell, 5).count("\n") == 2
