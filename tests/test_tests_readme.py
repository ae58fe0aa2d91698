"""The tables of tests/README.md name tests that exist, and count what they list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TEXT = (TESTS / "README.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", TEXT)))
ABSENT = "does not exist here"


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[f"{p}-{n}" for p, n in NAMED])
def test_what_is_named_exists(path: str, name: str) -> None:
    places = [folder / path for folder in (TESTS, TESTS / "support")]
    found = [place for place in places if place.is_file()]
    assert found or (TESTS.parent / "tcpstates" / path).is_file()
    if name:
        assert f"\ndef {name}(" in found[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("title", ["Faults", "Attacks"])
def test_the_numbers_are_those_of_the_rows(title: str) -> None:
    section = TEXT.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    tried = [row for row in rows if "::test_" in row or row.endswith("| the same |")]
    told = re.search(r"(\d+) are tried, and survived", section)
    assert told is not None
    assert int(told[1]) == len(tried)
    for row in rows:
        assert row in tried or ABSENT in row or "documented" in row, row
