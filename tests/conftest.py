"""Fixtures: the command, and a laboratory of real sockets."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any

import pytest

from support import CANNOT

pytest_plugins = ["support.beside"]

TESTS = Path(__file__).parent
# The installed command, not the source that may lie around it.
# Its folder goes into PATH, which shells take as it is, so without "..".
COMMAND: tuple[str, ...] = (
    os.path.join(os.path.dirname(os.path.abspath(sys.executable)), "tcpstates"),
)
if os.name == "nt" and not os.path.exists(f"{COMMAND[0]}.exe"):
    COMMAND = (sys.executable, "-m", "tcpstates")  # not installed, but in the path
PATIENCE = 60  # seconds that any script or command may take
_OF_WINDOWS = ("SYSTEMROOT", "PYTHONPATH", "TEMP")
Finished = subprocess.CompletedProcess[str]


def finish(command: Sequence[str], **settings: Any) -> Finished:
    """Run a command to its end, its output as text; a hang is a failure."""
    if "stdout" not in settings:
        settings["capture_output"] = True
    if os.name == "nt" and "env" in settings:  # without them, nothing starts there
        kept = {name: os.environ[name] for name in _OF_WINDOWS if name in os.environ}
        settings["env"] = kept | dict(settings["env"])
    return subprocess.run(command, text=True, timeout=PATIENCE, check=False, **settings)


def program(name: str) -> list[str]:
    """Return how to run a program of `support`, as "labs.lab", in whatever folder."""
    path = f"PYTHONPATH={TESTS}"
    return ["env", path, sys.executable, "-m", f"support.{name}"]


def run_command(*arguments: str, **settings: Any) -> Finished:
    """Run tcpstates."""
    return finish([*COMMAND, *arguments], **settings)


class Lab:
    """Sockets in a private network namespace, and a way to run commands there."""

    command = COMMAND

    def __init__(
        self,
        enter: Sequence[str],
        parts: dict[str, int],
        process: subprocess.Popen[str],
    ) -> None:
        self.enter = list(enter)
        self.parts = parts
        self._process = process

    def ask(self, question: object) -> Any:
        """Return what the script of the laboratory answers to a line of JSON."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        assert select([self._process.stdout], [], [], PATIENCE)[0], "no answer"
        return json.loads(self._process.stdout.readline())

    def run(self, *arguments: str) -> Finished:
        """Run any command inside the namespace."""
        return finish([*self.enter, *arguments])

    def tcpstates(self, *arguments: str) -> Finished:
        """Run tcpstates inside the namespace."""
        return self.run(*COMMAND, *arguments)

    def nobody(self) -> list[str]:
        """Return how to run tcpstates as another user, who may do nothing."""
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            pytest.skip("only root can become another user")
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is missing (Debian: util-linux)")
        switch = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if self.run(*switch, *COMMAND, "-V").returncode:
            pytest.skip("another user cannot read this installation")
        return [*switch, *COMMAND]

    def sockets(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the sockets that tcpstates reports as JSON."""
        finished = self.tcpstates("--json", *arguments)
        assert finished.returncode == 0, finished.stderr
        found: list[dict[str, Any]] = json.loads(finished.stdout)["sockets"]
        return found


def enter_lab(name: str, *arguments: str) -> Iterator[Lab]:
    """Start a program of `support/labs` in a new namespace; end it afterwards."""
    if not sys.platform.startswith("linux"):
        pytest.skip("private network namespaces are Linux's")
    for needed in ("unshare", "nsenter"):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is missing (Debian: util-linux)")
    is_root = os.geteuid() == 0
    make = ["unshare", "-n"] if is_root else ["unshare", "-r", "-n"]
    command = [*make, *program(f"labs.{name}"), *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if not select([process.stdout], [], [], PATIENCE)[0]:
            pytest.fail(f"{name} does not get ready")
        line = process.stdout.readline()
        ended = None if line else process.wait(10)
        if ended == 1 and subprocess.run([*make, "true"], check=False).returncode:
            pytest.skip("this user may not make namespaces")
        if ended == CANNOT:
            pytest.skip("there is no TUN device, or a setting cannot be written")
        parts = json.loads(line)
        enter = ["nsenter", "-t", str(parts["main"]), "-n"]
        if not is_root:
            enter += ["-U", "--preserve-credentials"]
        yield Lab(enter, parts, process)
    finally:
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdout.close()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Return a laboratory that the tests of one file share."""
    yield from enter_lab("lab")


@pytest.fixture
def fresh_lab() -> Iterator[Lab]:
    """Return one of a test's own, of which the kernel has ended nothing yet."""
    yield from enter_lab("lab")


@pytest.fixture(scope="session")
def states() -> Iterator[Lab]:
    """Return a laboratory with sockets in every state; one test waits for their end."""
    yield from enter_lab("statelab")


GOLDEN = TESTS / "golden"
Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what writes the expected texts anew; look at the difference afterwards."""
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/golden"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Return what compares a text with the file of that name in `golden`."""

    if os.name == "nt":
        pytest.skip("these texts are those of Linux")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert text == path.read_bytes().decode("utf-8", "surrogateescape")

    return compare


# Modules and names of them that only some systems have.
NOT_EVERYWHERE = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, Any, Any]:
    """Skip a file, with the reason, that needs a module which this system lacks."""
    report: Any = yield
    error = getattr(report, "longrepr", None)
    if report.outcome == "failed" and isinstance(collector, pytest.Module):
        found = re.search(r"No module named '(\w+)'", str(error))
        if found and found[1] in NOT_EVERYWHERE:
            report.outcome = "skipped"
            reason = f"Skipped: this system has no module {found[1]}"
            report.longrepr = (str(collector.path), 0, reason)
    return report


@contextmanager
def unless_absent() -> Iterator[None]:
    """Skip, with the reason, what runs a program or needs a module of other systems."""
    try:
        yield
    except FileNotFoundError as error:
        if getattr(error, "winerror", None) == 2 and error.filename is None:
            pytest.skip("it runs a program that Windows does not have")
        raise
    except ModuleNotFoundError as error:
        if error.name in NOT_EVERYWHERE:
            pytest.skip(f"this system has no module {error.name}")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, Any, Any]:
    """See `unless_absent`."""
    with unless_absent():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Generator[None, Any, Any]:
    """See `unless_absent`."""
    with unless_absent():
        return (yield)


def pytest_configure() -> None:
    """Take Ctrl-C and SIGHUP as usual, also where `pytest &` or nohup ignores them.

    What is ignored here would be so in every program that a test starts.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that wait for the kernel last: others pass the time meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("late") is not None)
