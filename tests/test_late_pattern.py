"""Patterns are compiled when they are used, and then are what `re` makes of them."""

from __future__ import annotations

import copy
import gc
import importlib
import pkgutil
import re
import subprocess
import sys

import pytest

from tcpstates.late_pattern import LatePattern, late
from tcpstates.parse import saved

LISTING = "LISTEN 0 128 127.0.0.1:22 0.0.0.0:*\n"
COUNT_COMPILED = """
import re, sys
from tcpstates.cli.app import run
compiled = []
compile_ = re.compile
re.compile = lambda *given: compiled.append(given) or compile_(*given)
run(["-ltn", "--from", "-"])
sys.stderr.write(str(len(compiled)))
"""


def test_it_does_what_a_pattern_does() -> None:
    pattern, known = late(r"(?P<a>a)(b)?", re.IGNORECASE), "xABxa"
    real = re.compile(r"(?P<a>a)(b)?", re.IGNORECASE)
    for method in ("match", "search", "fullmatch"):
        for text in (known, known[1:], "ab", ""):
            ours, theirs = getattr(pattern, method)(text), getattr(real, method)(text)
            assert (ours and ours.span()) == (theirs and theirs.span())
    assert pattern.findall(known) == real.findall(known)
    assert pattern.sub("-", known) == real.sub("-", known)
    assert pattern.split(known) == real.split(known)
    assert (pattern.pattern, pattern.flags) == (real.pattern, real.flags)
    assert (pattern.groups, pattern.groupindex) == (real.groups, real.groupindex)
    assert late(rb"a").findall(b"aba") == [b"a", b"a"]


def test_an_error_shows_when_it_is_used() -> None:
    broken = late("(")
    with pytest.raises(re.error):
        broken.match("")


def test_what_a_pattern_does_not_have() -> None:
    with pytest.raises(AttributeError):
        late("a").nonsense  # type: ignore[attr-defined]  # noqa: B018
    # A copy is asked for attributes before it has its text.
    assert copy.copy(late("a")).match("a")


def test_every_pattern_can_be_compiled() -> None:
    """Those inside classes and tables, too."""
    for found in pkgutil.walk_packages(saved.__path__, f"{saved.__name__}."):
        importlib.import_module(found.name)
    patterns = [each for each in gc.get_objects() if type(each) is LatePattern]
    assert len(patterns) > 100
    for pattern in patterns:
        assert pattern.pattern


def test_a_short_listing_uses_few() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", COUNT_COMPILED],
        input=LISTING,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "127.0.0.1:22" in finished.stdout
    assert int(finished.stderr) < 80
