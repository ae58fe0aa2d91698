"""Run some tests in a second process while the others run in the first.

Most tests start programs one by one, so a run keeps one processor busy. The tests named
here do not depend on what else the host does: they read texts, or make sockets in network
namespaces of their own. Their report is below that of the others. A run of some tests
only is one process, as usual.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import pytest

TESTS = Path(__file__).parents[1]
BESIDE = (
    *("cli", "columns", "filters", "packaging", "parse", "render"),
    *("test_elsewhere.py", "test_fuzz.py", "test_patterns.py", "test_schema.py"),
)
_PASSED_ON = {"-q", "-v", "--update-golden"}  # options of a run of all tests
_NICE = 10  # as of nice(1)
_LONGEST = 1800  # seconds to wait after the others have ended


def pytest_configure(config: pytest.Config) -> None:
    """Start the second process if all tests are to be run."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    options = config.invocation_params.args
    if is_whole and _PASSED_ON.issuperset(options) and (os.cpu_count() or 1) > 1:
        config.pluginmanager.register(_Beside(options))


class _Beside:
    """The second process."""

    def __init__(self, options: tuple[str, ...]) -> None:
        paths = [str(TESTS / name) for name in BESIDE]
        self._folder = TemporaryDirectory()
        os.chmod(self._folder.name, 0o711)
        self._report = TemporaryFile()  # noqa: SIM115  (open until the report is printed)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *paths],
            cwd=TESTS.parent,
            stdin=subprocess.DEVNULL,
            stdout=self._report,
            stderr=subprocess.STDOUT,
            # Each pytest takes away the permissions that tests gave to its folder.
            env={**os.environ, "PYTEST_DEBUG_TEMPROOT": self._folder.name},
        )
        if sys.platform != "win32":  # tests with time limits are in the first process
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave the tests of the second process out of the first."""
        is_beside = collection_path.parent == TESTS and collection_path.name in BESIDE
        return True if is_beside else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Wait for the second process; what fails there fails the run."""
        if session.exitstatus == pytest.ExitCode.INTERRUPTED:
            self._process.terminate()
        try:
            code = self._process.wait(_LONGEST)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_unconfigure(self) -> None:
        """Remove what the tests of the second process have written."""
        self._folder.cleanup()

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Print the report of the second process."""
        self._report.seek(0)
        terminalreporter.section("the tests of the second process")
        terminalreporter.write(self._report.read().decode("utf-8", "replace"))
        terminalreporter.write_line(f"it ended with exit code {self._process.poll()}")
