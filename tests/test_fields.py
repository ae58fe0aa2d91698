"""The one table of fields, and everything that has to agree with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import tcpstates
from support.fakes.batches import batch
from tcpstates.api import Timer
from tcpstates.batch import ColumnBatch
from tcpstates.columns.records import _LOOKUPS, _MADE
from tcpstates.columns.registry import COLUMNS
from tcpstates.fields import COLUMN_NAMES, FIELDS, TIMER, Needs, fields_shown
from tcpstates.model import Owner, Request
from tcpstates.parse.saved import gate
from tcpstates.parse.saved.rows import FIXED
from tcpstates.render.json_ import _ENCODERS

NAMES = [field.name for field in FIELDS]
PACKAGE = Path(tcpstates.__file__).parent
SOCKET = json.loads((PACKAGE / "schema.json").read_text())["$defs"]["socket"]


def test_each_field_is_there_once() -> None:
    assert len(set(NAMES)) == len(NAMES)
    made = {field.name for field in FIELDS if field.column is None}
    assert made == set(_MADE)
    assert {field.name for field in FIELDS if field.named} == set(_LOOKUPS)
    assert {field.kind for field in FIELDS} == set(_ENCODERS)
    used = {name for f in FIELDS for name in (f.column, f.named, f.read_as) if name}
    assert used <= COLUMN_NAMES


def test_records_of_the_api_have_these_fields_and_types() -> None:
    hints = get_type_hints(tcpstates.Socket, {"Timer": Timer, "Owner": Owner})
    assert list(hints) == NAMES
    for field in FIELDS:
        written = tcpstates.Socket.__annotations__[field.name]
        text = getattr(written, "__forward_arg__", written)
        always = field.is_known or field.name in ADDRESSES
        assert text == field.kind.python + ("" if always else " | None"), field.name


# An address or port that a listing has cut off is None; programs rarely meet one.
ADDRESSES = {"local_address", "local_port", "remote_address", "remote_port"}


def test_the_schema_has_these_fields_and_types() -> None:
    assert list(SOCKET["properties"]) == NAMES
    always = [f.name for f in FIELDS if f.shown_with == "always"]
    assert SOCKET["required"] == always
    for field in FIELDS:
        found = SOCKET["properties"][field.name]
        if "enum" in found:
            kinds = {type(value).__name__ for value in found["enum"]}
            assert kinds <= {"str", "NoneType"}
            assert (None in found["enum"]) == (not field.is_known)
        else:
            expected = (
                [field.kind.json] if field.is_known else [field.kind.json, "null"]
            )
            assert found["type"] == expected, field.name


def test_the_man_page_describes_each() -> None:
    page = (Path(__file__).parents[1] / "man" / "tcpstates.1").read_text()
    formats = page.split(".SH FORMATS")[1].split("\n.SH ")[0]
    tags = re.findall(r"\.TP\n\.BR? (.*)", formats)
    named = [word for tag in tags for word in re.findall(r"\w+", tag)]
    assert set(NAMES) <= set(named)


# Fields that no listing in text or CSV has: JSON and the API have them.
ONLY_FOR_PROGRAMS = {
    *("backlog", "backlog_limit", "no_process_reason", "truncated"),
    *("v6only", "shutdown", "congestion", "congestion_info", "ulp", "ulp_info"),
    "netns_id",
}
CALLED = {"processes": "process"}


def test_each_is_a_column_or_known_to_be_none() -> None:
    columns = {key.replace("-", "_") for key in COLUMNS}
    without = {name for name in NAMES if CALLED.get(name, name) not in columns}
    assert without == ONLY_FOR_PROGRAMS


def test_what_our_own_json_gives_back_passes_the_gate() -> None:
    assert {f.read_as for f in FIELDS if f.read_as} <= set(gate._CHECKS)
    assert set(FIXED) <= set(gate._CHECKS)


def test_what_has_to_be_requested_can_be() -> None:
    for need in get_args(Needs):
        nothing, asked = Request(), Request().for_columns({need})
        assert asked.provides(need)
        assert nothing.provides(need) == (need == "")


def test_options_show_groups_of_fields() -> None:
    groups = ("times", "extended", "info", "memory", "places", "hosts")
    none: dict[str, Any] = dict.fromkeys(groups, False)
    always = {field.name for field in fields_shown(**none)}
    assert {"local_port", "timer", "truncated"} <= always
    for group in none:
        more = {f.name for f in fields_shown(**none | {group: True})} - always
        assert more == {f.name for f in FIELDS if f.shown_with == group}
    assert [f.name for f in fields_shown(**dict.fromkeys(none, True))] == NAMES


@pytest.mark.parametrize("name", ["cgruop_id", "", "word", "info.rrt", "LOCAL_PORT"])
def test_a_mistyped_column_is_an_error(name: Any) -> None:
    for one in (batch({}), ColumnBatch("tcp", "ipv4", 0, {})):
        for ask in (one.column, one.get, one.rows):
            with pytest.raises(KeyError, match="unknown column"):
                ask(name)
        with pytest.raises(KeyError, match="unknown column"):
            one.set(name, [])
    with pytest.raises(KeyError, match="unknown column"):
        ColumnBatch("tcp", "ipv4", 1, {name: [1]})


def test_a_timer_is_the_only_record_within_a_record() -> None:
    nested = [f.name for f in FIELDS if f.kind is TIMER]
    assert nested == ["timer"]
