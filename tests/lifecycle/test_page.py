"""The page of `diagram --html`: whole, offline, and alive in a real browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from conftest import Lab
from support.browser import CHROMIUM, browser
from tcpstates.lifecycle.basics import GLOSSARY
from tcpstates.lifecycle.explanations import MEANINGS
from tcpstates.lifecycle.rule_topics import ALL_TOPICS
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.render.page.page import render_page
from tcpstates.settings import KernelSettings
from tcpstates.states import TcpState

COUNTS = {"ESTABLISHED": 1234567, "CLOSE_WAIT": 42}
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\x1b[2J"


def page(heading: str = "heading", highlight: TcpState | None = None) -> str:
    return "".join(
        render_page(
            COUNTS,
            KernelSettings(),
            heading=heading,
            remark=heading,
            highlight=highlight,
        )
    )


class Reader(HTMLParser):
    """Collects the text, the anchors, and the links; checks that tags are closed."""

    VOID = frozenset({"meta", "rect", "polyline", "path", "br"})
    OPTIONAL = frozenset({"td", "th", "tr"})  # HTML does not require their end

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.anchors: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = dict(attrs)
        assert not [name for name in named if name.startswith("on")]
        if named.get("id"):
            self.anchors.append(str(named["id"]))
        if "href" in named:
            self.links.append(str(named["href"]))
        if tag not in self.VOID | self.OPTIONAL:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.OPTIONAL:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def test_it_has_everything_that_the_commands_explain() -> None:
    reader = read(page())
    text = " ".join(reader.text)
    for state, meaning in MEANINGS.items():
        assert str(state) in reader.anchors
        assert meaning.text.split(". ")[0] in text
    for topic in ALL_TOPICS.values():
        assert topic.answer.splitlines()[0].split(": ")[0] in text
    for scenario in SCENARIOS.values():
        assert scenario.moral in text
    assert {*GLOSSARY, *GLOSSARY.values()} <= set(reader.text)
    assert {"1234567", "42"} <= set(reader.text)
    assert "SYN,ACK seq=B ack=A+1" in text


def test_every_link_leads_to_a_place_on_the_page() -> None:
    reader = read(page())
    assert len(reader.anchors) == len(set(reader.anchors))
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.anchors)
    assert all(link.startswith("#") for link in reader.links)
    assert len(reader.links) > 300


def test_it_loads_nothing_and_a_hostile_name_is_text() -> None:
    text = page(HOSTILE, TcpState.CLOSE_WAIT)
    reader = read(text)
    assert text.count("<script") == 1
    assert not {"img", "link", "iframe", "object", "base", "form"} & reader.tags
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3)", text)
    assert "default-src 'none'" in text
    assert "\x1b" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="missing: chromium")
def test_it_works_in_a_browser(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    assert lab.tcpstates("diagram", "--html", str(file)).returncode == 0
    with browser(tmp_path / "profile") as shown:
        shown.open(f"file://{file}#CLOSE_WAIT")
        lit = "[...document.querySelectorAll('.lit[data-from]')].map(w => w.dataset.to)"
        assert sorted(shown.evaluate(lit)) == ["CLOSE_WAIT", "LAST_ACK"]
        # A click on a state in the drawing.
        shown.evaluate(
            "document.querySelector('[data-state=LAST_ACK]').parentNode"
            ".dispatchEvent(new MouseEvent('click', {bubbles: true}))"
        )
        assert shown.evaluate("location.hash") == "#LAST_ACK"
        # A link to a folded sequence opens it; the buttons show it step by step.
        shown.evaluate("location.hash = '#sequence-half-close'")
        box = "document.getElementById('sequence-half-close')"
        until = f"new Promise(done => setTimeout(() => done({box}.open), 50))"
        assert shown.call(
            "Runtime.evaluate", expression=until, awaitPromise=True, returnByValue=True
        )["result"]["value"]
        shown.evaluate(f"window.buttons = [...{box}.querySelectorAll('button')]; 0")
        visible = (
            f"[...{box}.querySelectorAll('tbody tr')].filter(r => !r.hidden).length"
        )
        steps = len(SCENARIOS["half-close"].acts) + 1
        assert shown.evaluate(visible) == steps
        shown.evaluate("buttons[0].click()")
        assert shown.evaluate(visible) == 1
        for _ in range(3):
            shown.evaluate("buttons[2].click()")
        assert shown.evaluate(visible) == 4
        now = (
            "[...document.querySelectorAll('.now[data-state]')]"
            ".map(box => box.dataset.state)"
        )
        assert sorted(shown.evaluate(now)) == ["CLOSE_WAIT", "FIN_WAIT_2"]
        shown.evaluate("buttons[1].click(); buttons[3].click()")
        assert shown.evaluate(visible) == steps
        assert {r.split("#")[0] for r in shown.requests} == {f"file://{file}"}
        assert shown.complaints == []


@pytest.mark.skipif(CHROMIUM is None, reason="missing: chromium")
def test_nothing_foreign_runs_in_a_browser(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    # As if the escape had failed: the policy still stops it.
    text = page(HOSTILE).replace(
        "</h1>", "</h1><script>window.broken = 1</script>" + HOSTILE, 1
    )
    file.write_text(text, encoding="utf-8")
    with browser(tmp_path / "profile") as shown:
        shown.open(f"file://{file}")
        assert shown.evaluate("typeof window.broken") == "undefined"
        assert shown.evaluate("document.querySelectorAll('button').length") > 0
        assert shown.complaints
