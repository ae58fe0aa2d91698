"""The schema that ships with the package, and what every command prints as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import tcpstates
from conftest import run_command
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.lifecycle.topics import TOPICS

SCHEMA = json.loads((Path(tcpstates.__file__).parent / "schema.json").read_text())
SAMPLE = str(Path(__file__).parent / "data/saved/ss/local-tan.txt")


def check(kind: str, found: Any) -> None:
    jsonschema.validate(found, {"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]})


def printed(*arguments: str) -> Any:
    return json.loads(run_command(*arguments, "--json", "--from", SAMPLE).stdout)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "arguments", [(), ("close_wait", "half-closed"), tuple(TOPICS)]
)
def test_explanations(arguments: tuple[str, ...]) -> None:
    check("explanations", printed("explain", *arguments))


def test_the_state_machine() -> None:
    check("machine", printed("diagram"))


def test_state_names() -> None:
    check("state_names", json.loads(run_command("states", "--json").stdout))


@pytest.mark.parametrize("name", ["", *SCENARIOS])
def test_sequences(name: str) -> None:
    words = ("sequence", name) if name else ("sequence",)
    check("sequences", json.loads(run_command(*words, "--json").stdout))


@pytest.mark.skipif(os.name != "posix", reason="only Linux can hold segments back")
def test_a_sequence_that_is_performed() -> None:
    finished = run_command("sequence", "close", "--live", "--json")
    check("sequences", json.loads(finished.stdout))


def test_a_diagnosis() -> None:
    check("diagnosis", printed("doctor"))


@pytest.mark.parametrize(
    "kind", ["explanations", "machine", "state_names", "sequences", "diagnosis"]
)
def test_what_is_not_described_is_rejected(kind: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(kind, {"schema": 1, "states": [], "more": 1})
