"""What is sent to another host: complete, and no more than it needs."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpstates.fleet import answers, host_facts
from tcpstates.fleet.bootstrap import ASK_PYTHON
from tcpstates.fleet.checks import BadAnswer
from tcpstates.fleet.program import program
from tcpstates.model import KernelCounts, Limitation, Owner, Reason, Request
from tcpstates.processes import Process
from tcpstates.settings import KernelSettings
from tcpstates.states import ALL_STATES, TcpState

LARGEST = 350_000  # bytes: it is sent to every host
# Imported by something that never runs there: sources other than Linux's, filters.
ELSEWHERE = {
    "tcpstates.collect.psutil_",
    "tcpstates.collect.netstat",
    "tcpstates.collect.held",
    "tcpstates.filters.selection",
}


def names(tag: str) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(program(tag))).namelist()


def test_it_is_small() -> None:
    tag = str(sys.implementation.cache_tag)
    assert len(program(tag)) < LARGEST
    assert {name.rpartition(".")[2] for name in names(tag)} == {"pyc"}
    assert {name.rpartition(".")[2] for name in names("cpython-399")} == {"py"}


def test_it_has_every_module_that_it_imports() -> None:
    archive = zipfile.ZipFile(io.BytesIO(program("cpython-399")))
    modules = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in archive.namelist()
    }
    missing = set()
    for name in archive.namelist():
        if name == "tcpstates/__init__.py":
            continue  # its API is loaded on demand, and nobody asks there
        for node in ast.walk(ast.parse(archive.read(name))):
            if isinstance(node, ast.ImportFrom) and node.module:
                wanted = node.module
                inner = {f"{wanted}.{each.name}" for each in node.names}
                if wanted.startswith("tcpstates") and not (
                    wanted in modules or inner <= modules
                ):
                    missing.add(wanted)
    typing_only = {m for m in missing if m.startswith("tcpstates.filters.")}
    assert missing - typing_only <= ELSEWHERE


def test_the_command_has_no_character_that_a_shell_could_take() -> None:
    for word in ASK_PYTHON:
        assert not set(word) & set("'!\\\n"), word
    compile(ASK_PYTHON[-1], "loader", "exec")


@pytest.mark.skipif(os.name != "posix", reason="it runs on Linux alone")
@pytest.mark.parametrize("tag", [str(sys.implementation.cache_tag), "cpython-399"])
def test_it_answers_alone(tag: str) -> None:
    """Without site-packages, from standard input, as on the far side."""
    sent = program(tag)
    first = {"source": "auto", "netns": []}
    request = answers.request_to_json(Request(processes=True, info=True))
    questions: list[dict[str, Any]] = [
        {"ask": "sockets", "request": request, "netns": []},
        {"ask": "counters"},
        {"ask": "limits"},
        {"ask": "processes", "inodes": [1], "sockets": 5},
        {"ask": "user", "uid": 0},
    ]
    lines = "".join(json.dumps(each) + "\n" for each in [first, *questions])
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ASK_PYTHON[-1]],
        input=f"{len(sent)}\n".encode() + sent + lines.encode(),
        capture_output=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, b"")
    told = [
        json.loads(line)["done"]
        for line in finished.stdout.splitlines()
        if b'{"done' in line
    ]
    assert len(told) == len(questions)
    assert answers.about_from_json(told[0]).source in ("netlink", "procfs")
    assert host_facts.counters_from_json(told[1])
    assert host_facts.limits_from_json(told[2]).settings.is_known
    assert host_facts.view_from_json(told[3]).descriptors
    assert told[4] == "root"


# What is written there is what is read here.


def through_json(told: Any) -> Any:
    return json.loads(json.dumps(told))


@settings(deadline=None, database=None)
@given(
    st.frozensets(st.sampled_from(sorted(ALL_STATES))),
    st.booleans(),
    st.none() | st.frozensets(st.integers(1, 1 << 22)),
)
def test_requests(
    states: frozenset[TcpState], flag: bool, pids: frozenset[int] | None
) -> None:
    request = Request(states=states, info=flag, processes=not flag, pids=pids)
    assert (
        answers.request_from_json(through_json(answers.request_to_json(request)))
        == request
    )


ABOUT = answers.About("netlink", (), 1.5, None, 60_000, (Limitation("a", "b"),))
LIMITS = host_facts.Limits(
    replace(KernelSettings(), is_known=True, fin_timeout=7), KernelCounts(1, 2, 3), 4
)
PROCESS = Process(
    pid=7,
    name=b"\xff\x1b",
    user="me",
    started_at=1.5,
    command=(b"a", b"\xff"),
    descriptors=3,
    descriptors_limit=None,
    is_stopped=True,
    parent=1,
    state="stopped",
)
VIEW = host_facts.View(
    owners={5: (Owner(7, b"\xff", 3), Owner(8, None, None))},
    unseen=Reason.HIDDEN,
    processes={7: PROCESS},
    descriptors={7: (3, 1)},
    limits={7: 1024, 8: None},
    hidden=2,
    unprivileged=True,
    stopped=frozenset({7}),
    stuck=frozenset(),
    here=frozenset({7}),
    elsewhere={9: [1, 2]},
    unlisted={7: 1},
)
CODECS = [
    (ABOUT, answers.about_to_json, answers.about_from_json),
    (LIMITS, host_facts.limits_to_json, host_facts.limits_from_json),
    (VIEW, host_facts.view_to_json, host_facts.view_from_json),
]
JUNK: list[Any] = [
    None,
    True,
    -1,
    1 << 70,
    1.5,
    "x",
    "x" * 9999,
    [],
    [[]],
    {},
    {"x": 1},
    [None],
]


@pytest.mark.parametrize(("value", "write", "read"), CODECS)
def test_facts_survive(value: Any, write: Any, read: Any) -> None:
    assert read(through_json(write(value))) == value


@pytest.mark.parametrize(("value", "write", "read"), CODECS)
def test_a_damaged_fact_is_refused_or_harmless(
    value: Any, write: Any, read: Any
) -> None:
    """Each value, at any depth, replaced by each kind of junk: never another error."""
    whole = through_json(write(value))
    refused = 0
    for path in _paths(whole):
        for junk in JUNK:
            try:
                read(_replaced(whole, path, junk))
            except BadAnswer:
                refused += 1
    assert refused > 50


def _paths(told: Any) -> list[tuple[Any, ...]]:
    inner = (
        told.items()
        if isinstance(told, dict)
        else enumerate(told)
        if isinstance(told, list)
        else ()
    )
    return [()] + [(key, *path) for key, value in inner for path in _paths(value)]


def _replaced(told: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    copied = dict(told) if isinstance(told, dict) else list(told)
    copied[path[0]] = _replaced(told[path[0]], path[1:], junk)
    return copied


def test_hosts_that_greet_at_once_wait_for_one_archive() -> None:
    tag = "cpython-398"  # not asked for by another test
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(program, [tag] * 8))
    assert len({id(each) for each in made}) == 1
