"""No regular expression of the package takes long, whatever a stranger writes."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tcpstates
from tcpstates.late_pattern import LatePattern
from tcpstates.parse.saved import lsof

Use = tuple[str, re.Pattern[str], str]  # where it is used, and by which method
SIZES = (4_000, 64_000)
# Seconds of the processor for the longest text. What is linear takes some milliseconds,
# what is quadratic more than a second; a busy machine is no reason to fail.
BOUND = 0.7
PIECES = (
    *("1", "0", "a", "A", "_", ".", ":", "-", "/", " ", "\t", ",", "(", ")", "[", "]"),
    *('"', "'", "\\", "|", ">", "<", "{", "}", "=", "%", "+", "*", "\x1b", "\x1b["),
    *(
        "1.",
        "1:",
        "a.",
        "a:",
        "1 ",
        "a ",
        "::",
        "users:((",
        '("a",1,1),',
        "timer:(on,1,",
    ),
    *("skmem:(", "skmem:(r0,", "timer:(", "(ESTABLISHED)", "->", "cwnd:1 ", "[::1]:1 "),
    *("x1=", "\\x1b", "ab-", "1-1,", "2026-11-25T01:02:03 ", "Jan 1 01:02:03 h p: "),
)
PIECES_AT_BOTH_ENDS = ("", "!", "1", " ", '"', ")")
_USE = re.compile(
    r"\b([A-Z_]{2,})\.(match|search|fullmatch|findall|finditer|sub|split)\b"
)


def uses() -> Iterator[Use]:
    """Yield every pattern at the top of a module, with each method that is called."""
    for found in pkgutil.walk_packages(tcpstates.__path__, "tcpstates."):
        if found.name.endswith("__main__") or "win" in found.name:
            continue
        module = importlib.import_module(found.name)
        text = Path(module.__file__ or "").read_text(encoding="utf-8")
        called: dict[str, set[str]] = {}
        for name, method in _USE.findall(text):
            called.setdefault(name, set()).add(method)
        for name, pattern in vars(module).items():
            is_pattern = isinstance(pattern, re.Pattern | LatePattern)
            if is_pattern and isinstance(pattern.pattern, str):
                for method in sorted(called.get(name, {"search"})):
                    yield f"{found.name}.{name}.{method}", pattern, method


USES = list(uses())
# Patterns that are tried only with shorter texts.
LIMITED = {"tcpstates.parse.saved.lsof._LEFT.match": lsof._LONGEST}


def seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


@pytest.mark.parametrize("use", USES, ids=[use[0] for use in USES])
def test_a_pattern_takes_time_in_proportion(use: Use) -> None:
    name, pattern, method = use
    ways: dict[str, Callable[[str], object]] = {
        "sub": lambda text: pattern.sub("", text),
        "finditer": lambda text: list(pattern.finditer(text)),
    }
    how = ways.get(method) or getattr(pattern, method)
    for piece in PIECES:
        for end in PIECES_AT_BOTH_ENDS:
            for size in SIZES:  # what is bad is found before it takes half an hour
                text = (end + piece * (size // len(piece)) + end)[: size + 2]
                text = text[: LIMITED.get(name)]
                took = seconds(lambda text=text: how(text))  # type: ignore[misc]
                assert took < BOUND, (piece, end, size)


def test_patterns_are_found() -> None:
    names = {use[0] for use in USES}
    assert len(names) > 40
    assert "tcpstates.parse.saved.cleaning._PREFIX.sub" in names
    assert "tcpstates.filters.tokens" in sys.modules
