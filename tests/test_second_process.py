"""Texts that a forked child makes: the same, in the same order, whatever befalls it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

if not hasattr(os, "fork"):
    pytest.skip("there is no fork", allow_module_level=True)
from conftest import finish
from tcpstates import second_process
from tcpstates.second_process import texts_in_two_processes

HERE = os.getpid()
MANY = range(500)


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    children: list[int] = []
    fork = os.fork

    def forked() -> int:
        pid = fork()
        children.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", forked)
    before = open_descriptors()
    yield
    assert open_descriptors() == before
    for child in children:
        with pytest.raises(ChildProcessError):
            os.waitpid(child, os.WNOHANG)


def open_descriptors() -> list[str]:
    folder = Path("/proc/self/fd")
    return sorted(os.listdir(folder)) if folder.exists() else []


def made(number: int) -> str:
    return f"{number}\N{SNOWMAN}\udcff\n"


def pack(number: int) -> bytes | None:
    return str(number).encode()


def texts(make: object = made, pack: object = pack, most: int = 500) -> list[str]:
    found = texts_in_two_processes(make, iter(MANY), pack, int)  # type: ignore[arg-type]
    return list(islice(found, most))


def test_both_processes_make_texts() -> None:
    makers = texts(lambda number: f"{number} {os.getpid()}")
    assert [text.split()[0] for text in makers] == list(map(str, MANY))
    assert len({text.split()[1] for text in makers}) == 2


def test_the_texts_are_the_same_in_any_characters() -> None:
    assert texts() == list(map(made, MANY))


def test_an_empty_text_is_a_text() -> None:
    assert texts(lambda _: "") == [""] * len(MANY)


@pytest.mark.parametrize("kill", [os._exit, lambda _: os.kill(os.getpid(), 9)])
@pytest.mark.parametrize("last", [0, 1, 7, 499])
def test_a_child_that_ends_loses_nothing(kill: object, last: int) -> None:
    def make(number: int) -> str:
        if os.getpid() != HERE and number >= last:
            kill(1)  # type: ignore[operator]
        return made(number)

    assert texts(make) == list(map(made, MANY))


def test_a_child_that_fails_loses_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def make(number: int) -> str:
        if os.getpid() != HERE:
            raise MemoryError
        return made(number)

    assert texts(make) == list(map(made, MANY))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["_ITEM", "_TEXT"])
def test_what_is_too_long_is_made_here(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_process, name, 2)
    makers = texts(lambda number: f"{'x' * (number % 9)}{os.getpid()}")
    assert {text.lstrip("x") for text in makers} >= {str(HERE)}
    assert texts() == list(map(made, MANY))


def test_what_cannot_be_packed_is_made_here() -> None:
    makers = texts(lambda number: str(os.getpid()), lambda _: None)
    assert set(makers) == {str(HERE)}


@pytest.mark.parametrize("most", [1, 3, 100])
def test_nobody_may_want_the_rest(most: int) -> None:
    assert texts(most=most) == [made(number) for number in range(most)]


def test_an_error_here_ends_the_child() -> None:
    def make(number: int) -> str:
        if os.getpid() == HERE:
            raise KeyboardInterrupt
        signal.pause()
        return ""

    with pytest.raises(KeyboardInterrupt):
        texts(make)


def test_an_interrupt_ends_only_the_parent() -> None:
    def make(number: int) -> str:
        if os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGINT)
        return f"{os.getpid()}"

    assert len(set(texts(make))) == 2


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGQUIT", "SIGTERM"])
def test_handlers_of_the_parent_are_not_the_childs(name: str) -> None:
    number = signal.Signals[name]
    reading, writing = os.pipe()
    before = signal.signal(number, lambda *_: os.write(writing, b"handled"))

    def make(item: int) -> str:
        if os.getpid() != HERE:
            os.kill(os.getpid(), number)
            signal.pause()
        return made(item)

    try:
        assert texts(make) == list(map(made, MANY))
    finally:
        signal.signal(number, before)
        os.close(writing)
        said = os.read(reading, 100)
        os.close(reading)
    assert said == b""


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def make(item: int) -> str:
        if os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGHUP)
        return f"{os.getpid()}"

    try:
        assert len(set(texts(make))) == 2
    finally:
        signal.signal(signal.SIGHUP, before)


def no_fork() -> int:
    raise BlockingIOError("too many processes")


def test_without_a_fork_everything_is_made_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "fork", no_fork)
    assert texts() == list(map(made, MANY))


PROGRAM = """
import os, sys, threading
from tcpstates.forking import may_fork
os.sched_getaffinity = lambda _: set(range(int(sys.argv[1])))
for _ in range(int(sys.argv[2]) - 1):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print(may_fork())
"""


@pytest.mark.parametrize(
    ("processors", "threads", "may"),
    [(1, 1, False), (2, 1, True), (64, 1, True), (2, 2, False), (1, 2, False)],
)
def test_whether_to_fork(processors: int, threads: int, may: bool) -> None:
    words = (sys.executable, "-c", PROGRAM, str(processors), str(threads))
    assert finish(words).stdout.strip() == str(may)
