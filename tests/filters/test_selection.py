"""What a filter leaves open is said, in so many words."""

from __future__ import annotations

from typing import Any

import pytest

from support.fakes.batches import batch
from support.fakes.lookups import FixedLookup
from tcpstates.filters.selection import read_selection
from tcpstates.model import Limitation, Reason, Request

HIDDEN = {"processes": (), "no_process_reason": Reason.HIDDEN}


def left_open(text: str, *rows: dict[str, Any]) -> list[Limitation]:
    selection = read_selection([text], FixedLookup(), Request())
    batches = selection.without_processes(iter([batch(*rows)]))
    list(selection.with_processes(batches))
    return list(selection.limitations())


@pytest.mark.parametrize(
    ("text", "rows", "said"),
    [
        ("process = x", [{}], None),
        ("process = x", [HIDDEN], "1 more socket may match: its process is hidden"),
        ("process = x", [HIDDEN] * 2, "2 more sockets may match: processes are hidden"),
        (
            "age > 1h",
            [{"state_label": "SYN_SENT", "retransmits": 20}],
            "1 more socket may match: the exact age is unknown",
        ),
        (
            "age > 1h and process = x",
            [HIDDEN | {"state_label": "SYN_SENT", "retransmits": 20}] * 3,
            "3 more sockets may match: processes are hidden or the exact age is unknown",
        ),
        (
            "dport = 1",
            [{"remote_port": None}],
            "1 more socket may match: the source does not report enough",
        ),
    ],
)
def test_what_may_match(
    text: str, rows: list[dict[str, Any]], said: str | None
) -> None:
    expected = [] if said is None else [Limitation("may-match", said)]
    assert left_open(text, *rows) == expected
