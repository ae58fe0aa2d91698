"""The drawing of the state machine: every edge is in it, and nothing overlaps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from conftest import Lab, run_command
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.lifecycle.machine import FIGURE, ways_in, ways_out
from tcpstates.render.diagram.layout import (
    BOX_HEIGHT,
    BOX_WIDTH,
    BOXES,
    HEIGHT,
    ROUTES,
    WIDTH,
    Box,
    Point,
)
from tcpstates.render.diagram.svg import render_svg
from tcpstates.render.diagram.text import Overlap, _Canvas, render_diagram
from tcpstates.states import TcpState

COUNTS = {"LISTEN": 3, "ESTABLISHED": 1234567, "CLOSE_WAIT": 42}
NAMESPACE = {"svg": "http://www.w3.org/2000/svg"}


def border(box: Box) -> set[Point]:
    """Return the cells of a box's frame without its corners."""
    right, low = box.x + BOX_WIDTH - 1, box.y + BOX_HEIGHT - 1
    upright = {(x, y) for x in (box.x, right) for y in range(box.y + 1, low)}
    level = {(x, y) for y in (box.y, low) for x in range(box.x + 1, right)}
    return upright | level


def test_every_edge_goes_from_its_state_to_its_state() -> None:
    assert [route.edge for route in ROUTES] == list(FIGURE)
    assert {box.state for box in BOXES} == set(TcpState)
    for route in ROUTES:
        ends = route.points[0], route.points[-1]
        for state, end in zip(
            (route.edge.source, route.edge.target), ends, strict=True
        ):
            assert any(end in border(box) for box in BOXES if box.state is state)
        for (x, y), (next_x, next_y) in zip(
            route.points, route.points[1:], strict=False
        ):
            assert (x == next_x) != (y == next_y), "it goes straight"


def test_nothing_overlaps_and_all_fits() -> None:
    for highlight in (None, *TcpState):  # raises Overlap
        lines = "".join(render_diagram(COUNTS, highlight=highlight)).splitlines()
        assert max(map(len, lines)) <= WIDTH == 80
    assert len("".join(render_diagram(COUNTS)).splitlines()) == HEIGHT
    canvas = _Canvas(None)
    canvas.put(0, 0, "ab")
    with pytest.raises(Overlap):
        canvas.put(1, 0, "c")


def test_the_numbers_are_in_the_boxes() -> None:
    lines = "".join(render_diagram(COUNTS)).splitlines()
    for box in BOXES:
        inner = slice(box.x + 1, box.x + BOX_WIDTH - 1)
        name, number = (lines[box.y + row][inner].strip() for row in (1, 2))
        assert name == str(box.state)
        assert number == (str(COUNTS.get(name, 0)) if box.counted else "")
    assert [box.state for box in BOXES if not box.counted] == [TcpState.CLOSED]
    unknown = "".join(render_diagram(None))
    assert unknown.count("?") == 11


def test_without_box_characters_it_is_ascii() -> None:
    for encoding in ("ascii", "latin-1", "utf-8"):
        text = "".join(
            render_diagram(COUNTS, highlight=TcpState.CLOSING, encoding=encoding)
        )
        text.encode(encoding)
        assert text.isascii() == (encoding != "utf-8")


@pytest.mark.parametrize("state", TcpState)
def test_a_highlighted_state(state: TcpState) -> None:
    text = "".join(render_diagram(COUNTS, highlight=state))
    assert text.count("╔") == sum(box.state is state for box in BOXES)
    words = text.split("\n\n")[-1].splitlines()
    assert len(words) == len(ways_in(state)) + len(ways_out(state))
    for edge in (*ways_in(state), *ways_out(state)):
        assert any(str(edge.event) in line for line in words)
    root = ET.fromstring("".join(render_svg(COUNTS, highlight=state)))
    lit = root.findall(".//svg:g[@class='lit']/svg:polyline", NAMESPACE)
    assert len(lit) == len({*ways_in(state), *ways_out(state)})


def test_the_svg() -> None:
    svg = "".join(render_svg(COUNTS))
    root = ET.fromstring(svg)
    texts = [
        "".join(text.itertext()) for text in root.iter(f"{{{NAMESPACE['svg']}}}text")
    ]
    assert {str(state) for state in TcpState} | {"1234567", "42"} <= set(texts)
    width, height = (int(root.get(name, "0")) for name in ("width", "height"))
    for text in root.iter(f"{{{NAMESPACE['svg']}}}text"):
        x, y = float(text.get("x", "-1")), float(text.get("y", "-1"))
        assert 0 <= x <= x + float(text.get("textLength", "0")) <= width
        assert 0 <= y <= height
    assert "prefers-color-scheme:dark" in svg
    loads = re.findall(r"(?:src|href)\s*=|url\((?!#)|@import|<script|<link", svg)
    assert loads == []


def test_the_command(lab: Lab, tmp_path: Path) -> None:
    text = lab.tcpstates("diagram").stdout
    counted = int(lab.tcpstates("-c", "close_wait").stdout)
    assert counted > 0
    told = json.loads(lab.tcpstates("diagram", "--json").stdout)
    assert told["states"]["CLOSE_WAIT"] == counted
    assert len(told["transitions"]) == 21
    box = next(box for box in BOXES if box.state is TcpState.CLOSE_WAIT)
    assert text.splitlines()[box.y + 2][box.x + 1 :].split("│")[0].strip() == str(
        counted
    )
    none = json.loads(lab.tcpstates("diagram", "--json", "sport", "=", ":1").stdout)
    assert set(none["states"].values()) == {0}
    for option in ("--svg", "--html"):
        file = tmp_path / option.strip("-")
        assert lab.tcpstates("diagram", option, str(file)).stdout == ""
        assert f">{counted}</text>" in file.read_text()
        assert f">{counted}</text>" in lab.tcpstates("diagram", option, "-").stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--state", "clse_wait"], "did you mean close_wait"),
        (["--state", "fin_wait"], "is not one state of RFC 9293, but FIN_WAIT_1, FIN"),
        (["--state", "bound"], "is not one state of RFC 9293"),
        (["--svg", "-", "--json"], "cannot be combined"),
        (["--svg", "/nonexistent/x.svg"], "cannot write '/nonexistent/x.svg'"),
        (["dport", "="], "dport: expected a port or service"),
    ],
)
def test_wrong_words(words: list[str], expected: str) -> None:
    finished = run_command("diagram", *words)
    assert expected in finished.stderr
    is_written = "cannot write" in expected
    assert finished.returncode == (ExitCode.FAILED if is_written else ExitCode.USAGE)
