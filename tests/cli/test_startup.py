"""A command loads what it uses: start-up is what a quick tool is measured by."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import finish

HEAVY = ("rich", "psutil", "json", "subprocess", "unicodedata", "asyncio")
PROGRAM = """
import sys
sys.argv = ["tcpstates", *sys.argv[1:]]
import os
os._exit = lambda code: None
from tcpstates.__main__ import main
main()
sys.stdout.flush()
sys.stderr.write(" ".join(sys.modules))
"""

NOTHING = "import sys; sys.stderr.write(' '.join(sys.modules))"
CLICK = f"import click; {NOTHING}"


def modules(*arguments: str, program: str = PROGRAM) -> set[str]:
    finished = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(finished.stderr.split())


on_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere psutil is the source"
)


@on_linux
@pytest.mark.parametrize(
    ("arguments", "may"),
    [
        ("-ltn", ()),
        ("-ltnp", ()),
        ("-tan", ()),
        ("-tulpen", ()),
        ("-tanoim", ()),
        ("-c", ()),
        ("-s", ()),
        ("--json -tan", ("json",)),
        ("--csv -tanp", ()),
        ("--openmetrics", ()),
        ("-ta --by state,process", ()),
        ("-ta --sort -recv-q --limit 3", ()),
        ("-tan dport = :443 and process = nginx", ()),
        ("check -c listen=1:", ()),
        ("--help", ()),
        ("--version", ()),
    ],
)
def test_piped_commands_load_nothing_heavy(
    arguments: str, may: tuple[str, ...]
) -> None:
    loaded = modules(*arguments.split()) - modules(program=CLICK)
    assert not loaded & set(HEAVY) - set(may)


@on_linux
@pytest.mark.parametrize("arguments", ["-ltn", "-s", "-V"])
def test_click_alone_would_load_more(arguments: str) -> None:
    """What click would use for its help texts and their translations is not loaded."""
    loaded = modules(*arguments.split()) - modules(program=NOTHING)
    assert "click.core" in loaded
    assert not loaded & {"inspect", "locale", "textwrap"}


LATE = """
import sys
assert "inspect" not in sys.modules
import tcpstates.cli.app
assert "inspect" not in sys.modules, "nobody has needed it yet"
import click.core
assert click.core.inspect.cleandoc("  a\\n    b") == "a\\nb"
import inspect, types
assert type(inspect) is types.ModuleType
assert inspect.cleandoc is click.core.inspect.cleandoc
"""


def test_inspect_is_there_for_who_needs_it() -> None:
    finished = finish([sys.executable, "-c", LATE])
    assert finished.returncode == 0, finished.stderr


def test_a_listing_loads_no_more_than_it_needs() -> None:
    loaded = modules("-tan")
    unneeded = ("filters", "render.arrange", "render.tally", "api", "cli.commands.")
    assert not {m for m in loaded for part in unneeded if f"tcpstates.{part}" in m}


def test_help_and_version_load_no_source() -> None:
    for argument in ("--help", "--version"):
        loaded = modules(argument)
        assert not {m for m in loaded if m.startswith("tcpstates.parse")}
        assert "tcpstates.collect.netlink" not in loaded
