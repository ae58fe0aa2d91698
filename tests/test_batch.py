"""Batches: columns that other stages make later."""

from __future__ import annotations

from support.fakes.batches import batch
from tcpstates.batch import Batch


def test_columns_of_another_stage_are_made_when_they_are_asked_for() -> None:
    asked: list[int] = []

    def double(of: Batch) -> list[int]:
        asked.append(len(of))
        return [2 * number for number in of.column("recv_q")]

    original = batch({"recv_q": 1}, {"recv_q": 2}, {"recv_q": 3})
    original.later = {"netns_id": double}
    assert asked == []
    assert original.column("netns_id") == [2, 4, 6]
    assert original.column("netns_id") == [2, 4, 6]
    assert asked == [3]
    assert original.copy().column("netns_id") == [2, 4, 6]
    fresh = batch({"recv_q": 1}, {"recv_q": 2}, {"recv_q": 3})
    fresh.later = {"netns_id": double}
    assert fresh.select([False, True, True]).column("netns_id") == [4, 6]
    assert asked == [3, 2]
