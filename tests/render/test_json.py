"""JSON is valid whatever the names hold, and its keys are a contract."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fakes.batches import FixedNames, batch
from tcpstates.batch import ColumnBatch
from tcpstates.columns.registry import STATE, UID
from tcpstates.columns.tally import count_by
from tcpstates.fields import fields_shown
from tcpstates.model import Limitation, Listing, Owner
from tcpstates.render.json_ import joined_objects, render_json, row_maker
from tcpstates.render.tally_json import render_tally_json

KEYS = [
    "protocol",
    "family",
    "state",
    "raw_state",
    "local_address",
    "local_port",
    "remote_address",
    "remote_port",
    "recv_q",
    "send_q",
    "backlog",
    "backlog_limit",
    "uid",
    "user",
    "inode",
    "cookie",
    "interface",
    "timer",
    "processes",
    "no_process_reason",
    "truncated",
]


def loaded(*batches: Any, names: Any = None, **wanted: bool) -> dict[str, Any]:
    listing = Listing("fake", 0.5, iter(batches), [Limitation("kind", 'a "text"')])
    asked = ("times", "extended", "info", "memory")
    options = dict.fromkeys(asked, False) | wanted
    make = row_maker(fields_shown(**options), names or FixedNames(numeric=False))
    portions = map(joined_objects, map(make, listing.batches))
    text = "".join(render_json(listing, portions))
    text.encode("ascii")
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_envelope() -> None:
    answer = loaded()
    assert answer == {
        "schema": 1,
        "source": "fake",
        "filter": None,
        "boot_id": None,
        "taken_at": "1970-01-01T00:00:00.500Z",
        "sockets": [],
        "limitations": [{"kind": "kind", "text": 'a "text"'}],
    }


def test_a_socket() -> None:
    row = {"timer": "probe", "timer_ms": None, "retransmits": 2, "interface_index": 2}
    (found,) = loaded(batch(row))["sockets"]
    assert list(found) == KEYS
    assert found["local_port"] == 443
    assert found["user"] == "www-data"
    assert found["interface"] == "eth0"
    assert found["timer"] == {"kind": "probe", "expires_ms": None, "retransmits": 2}
    assert found["processes"] == [
        {"pid": 70, "name": "nginx", "name_raw": None, "fd": 9}
    ]
    assert found["backlog"] is None


def test_a_listeners_queues_have_names() -> None:
    rows: list[dict[str, Any]] = [
        {"state_label": "LISTEN", "recv_q": 3, "send_q": 128},
        {"recv_q": 9},
    ]
    listener, other = loaded(batch(*rows))["sockets"]
    assert (listener["backlog"], listener["backlog_limit"]) == (3, 128)
    assert (other["backlog"], other["backlog_limit"]) == (None, None)


def test_the_keys_are_the_same_where_nothing_is_known() -> None:
    bare = ColumnBatch(
        "udp", "ipv6", 1, {"state_label": ["UNCONN"], "raw_state": ["07"]}
    )
    (found,) = loaded(bare, extended=True, info=True, memory=True)["sockets"]
    assert list(found) == [
        *KEYS,
        *["mark", "cgroup", "v6only", "shutdown", "congestion", "info"],
        *["congestion_info", "ulp", "ulp_info", "memory"],
    ]
    known = {key: value for key, value in found.items() if value is not None}
    assert known == {"protocol": "udp", "family": "ipv6", "raw_state": "07"}


def test_times() -> None:
    rows: list[dict[str, Any]] = [
        {"state_label": "TIME_WAIT", "timer": "time-wait", "timer_ms": 59_000},
        {
            "state_label": "ESTABLISHED",
            "info.last_sent_ms": 7,
            "info.last_received_ms": 9,
            "info.last_ack_ms": 8,
        },
        {"state_label": "LISTEN"},
    ]
    found = loaded(batch(*rows), times=True)["sockets"]
    ages = [(row["age_ms"], row["age_max_ms"], row["idle_ms"]) for row in found]
    assert ages == [(1000, 1000, None), (9, None, 7), (None, None, None)]


def test_asked_fields() -> None:
    row = {
        "mark": 7,
        "cgroup_id": 5,
        "v6only": True,
        "shutdown": 1,
        "congestion": "cubic",
        "info": {"rtt": 14},
        "memory": {"drops": 0},
    }
    (found,) = loaded(batch(row), extended=True, info=True, memory=True)["sockets"]
    assert found["v6only"] is True
    assert found["cgroup"] == "/system.slice/nginx.service"
    assert (found["info"], found["memory"]) == ({"rtt": 14}, {"drops": 0})


@given(st.binary(max_size=32))
def test_any_name_can_be_recovered(name: bytes) -> None:
    (found,) = loaded(batch({"processes": (Owner(1, name, 2),)}))["sockets"]
    (owner,) = found["processes"]
    if owner["name_raw"] is None:
        assert owner["name"].encode() == name
    else:
        assert bytes.fromhex(owner["name_raw"]) == name


@pytest.mark.parametrize("sizes", [[0], [1], [2, 0, 3]])
def test_commas_stand_between_sockets(sizes: list[int]) -> None:
    batches = [batch(*[{}] * size) for size in sizes]
    assert len(loaded(*batches)["sockets"]) == sum(sizes)


def test_a_tally() -> None:
    listing = Listing("fake", 0, iter(()), [])
    tally = count_by(
        [batch({}, {"state_label": "TIME_WAIT"})], (STATE, UID), FixedNames()
    )
    text = render_tally_json(listing, tally, None, {"more": {"a": 1, "b": None}})
    found = json.loads(text)
    assert found["counts"] == [
        {"state": "ESTABLISHED", "uid": 33, "count": 1},
        {"state": "TIME_WAIT", "uid": 33, "count": 1},
    ]
    assert (found["count"], found["more"]) == (2, {"a": 1, "b": None})
