"""Batches: columns of other stages, and what another process gets of them."""

from __future__ import annotations

import marshal
from typing import Any

import pytest

from support.fakes.batches import batch
from tcpstates.batch import Batch
from tcpstates.cli.batch_texts import _Packing
from tcpstates.model import Owner

ROWS: tuple[dict[str, Any], ...] = ({"recv_q": 1}, {"recv_q": 2}, {"recv_q": None})


def sent(original: Batch, *asked: Any) -> Batch:
    """Return a batch as the second process makes it."""
    parts = original.parts(asked)
    assert parts is not None
    return original.from_parts(*marshal.loads(marshal.dumps(parts)))


def test_what_was_asked_for_is_sent() -> None:
    original = batch(*ROWS, family="ipv6")
    original.origin = "elsewhere"
    made = sent(original, "recv_q", "pod")
    assert (len(made), made.protocol, made.family) == (3, "tcp", "ipv6")
    assert made.origin == "elsewhere"
    assert made.column("recv_q") == [1, 2, None]
    assert made.get("pod") is None  # the source has none


def test_a_column_that_was_not_sent_is_an_error_and_not_unknown() -> None:
    made = sent(batch(*ROWS), "recv_q")
    with pytest.raises(KeyError, match="send_q"):
        made.column("send_q")


def test_a_batch_notes_what_it_was_asked_for() -> None:
    original = batch(*ROWS)
    original.asked.clear()
    list(original.rows("recv_q", "local_port"))
    original.get("mark")
    assert original.asked == {"recv_q", "local_port", "mark"}


def test_objects_of_this_process_are_not_sent() -> None:
    original = batch({"processes": (Owner(1, b"init", 3),)})
    assert _Packing(original).pack(original) is not None
    original.column("processes")
    assert _Packing(original).pack(original) is None


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
