"""`doctor --watch`: connections that opened and ended between its scans."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Lab, enter_lab
from support.labs.actor import PORT
from support.streaming import stream


@pytest.fixture(scope="module")
def actor() -> Iterator[Lab]:
    yield from enter_lab("actor")


def watched(
    actor: Lab, folder: Path, word: str, number: int, *words: str
) -> list[dict[str, Any]]:
    """Return the findings while connections open and end between the scans."""
    command = [*actor.enter, *actor.command, "doctor", "--watch", "3", "--json", *words]
    with stream(command, folder) as examining:
        time.sleep(1.5)  # the first scan is over, and the second one not begun
        actor.ask([word, number])
        examining.wait_for(lambda: examining.text.endswith("}\n"))
        found: list[dict[str, Any]] = json.loads(examining.text)["findings"]
    return [each for each in found if each["rule"] == "short-lived"]


def test_resets_are_reported(actor: Lab, tmp_path: Path) -> None:
    (found,) = watched(actor, tmp_path, "resets", 40)
    assert found["severity"] == "notice"
    assert found["subject"] == f"clients of port {PORT}"
    assert found["numbers"] == {"sockets": 40, "without_data": 40, "bytes": 0}
    assert "opened and ended" in found["verdict"]
    assert f"tcpstates trace --for 10 --summary -q sport = :{PORT}" in found["do"]


def test_a_filter_selects_them(actor: Lab, tmp_path: Path) -> None:
    (found,) = watched(actor, tmp_path, "short", 20, f"sport = :{PORT}")
    assert found["numbers"]["sockets"] == 20
    other = tmp_path / "other"
    other.mkdir()
    assert watched(actor, other, "short", 20, "sport = :1") == []


def test_a_few_are_not_reported(actor: Lab, tmp_path: Path) -> None:
    assert watched(actor, tmp_path, "resets", 9) == []


def test_what_was_there_before_is_not_short_lived(actor: Lab, tmp_path: Path) -> None:
    pairs = [actor.ask(["pair"])["number"] for _ in range(20)]
    command = [*actor.enter, *actor.command, "doctor", "--watch", "3", "--json"]
    with stream(command, tmp_path) as examining:
        time.sleep(1.5)
        for number in pairs:
            actor.ask(["abort", number, 0])
            actor.ask(["close", number, 1])
        examining.wait_for(lambda: examining.text.endswith("}\n"))
        rules = {each["rule"] for each in json.loads(examining.text)["findings"]}
    assert "short-lived" not in rules
