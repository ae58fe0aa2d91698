"""Names meant to harm neither reach a terminal, nor break a row, nor hide."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest

from conftest import Lab, enter_lab
from support.labs.hostile import NAMES
from support.tools.terminal import on_terminal


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    yield from enter_lab("hostile")


def assert_harmless(text: str) -> None:
    for line in text.split("\n"):
        assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in line)


def test_a_pipe_gets_a_line_a_socket(lab: Lab) -> None:
    finished = lab.tcpstates("-ltpn")
    assert_harmless(finished.stdout)
    rows = finished.stdout.splitlines()[1:]
    assert len(rows) == len(NAMES)
    for number, _ in enumerate(NAMES):
        (row,) = [r for r in rows if f":{lab.parts[f'port{number}']} " in r]
        assert row.startswith("tcp    LISTEN ")
        assert f"(pid={lab.parts[f'pid{number}']},fd=" in row


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_terminal_gets_them_escaped(lab: Lab, width: int) -> None:
    screen = on_terminal([*lab.enter, *lab.command, "-ltpn", "--color=never"], width)
    assert_harmless(screen.replace("\r\n", "\n"))
    joined = "".join(screen.split())
    for number, _ in enumerate(NAMES):
        assert f"({lab.parts[f'pid{number}']})" in joined
    assert "[red]x[/red]" in joined


def test_json_keeps_every_byte(lab: Lab) -> None:
    found = {s["local_port"]: s["processes"] for s in lab.sockets("-ltpn")}
    for number, name in enumerate(NAMES):
        mine = [
            owner
            for owner in found[lab.parts[f"port{number}"]]
            if owner["pid"] == lab.parts[f"pid{number}"]
        ]
        (owner,) = mine
        raw = owner["name_raw"]
        kept = owner["name"].encode() if raw is None else bytes.fromhex(raw)
        assert kept == name[:15]
