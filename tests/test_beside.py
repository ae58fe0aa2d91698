"""A run of all tests has two processes, and what fails in either fails the run."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from conftest import Finished, finish
from support import beside

pytestmark = pytest.mark.skipif(
    (os.cpu_count() or 1) < 2, reason="with one processor, there is one process"
)
SETTINGS = '[tool.pytest.ini_options]\ntestpaths = ["tests"]\npythonpath = ["tests"]\n'
TEST = "def test_{name}():\n    assert {holds}\n"


def project(folder: Path, *, first: bool, second: bool) -> Path:
    """Make two tests, one for each process, which pass or fail."""
    support = folder / "tests" / "support"
    support.mkdir(parents=True)
    (support / "__init__.py").touch()
    shutil.copy(beside.__file__, support)
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / "tests" / "conftest.py").write_text('pytest_plugins = ["support.beside"]')
    (folder / "tests" / "parse").mkdir()
    for path, holds in (("test_first.py", first), ("parse/test_second.py", second)):
        name = Path(path).stem.removeprefix("test_")
        (folder / "tests" / path).write_text(TEST.format(name=name, holds=holds))
    for path in beside.BESIDE:
        if path.endswith(".py"):
            (folder / "tests" / path).touch()
        else:
            (folder / "tests" / path).mkdir(exist_ok=True)
    return folder


def run(folder: Path, *arguments: str) -> Finished:
    return finish([sys.executable, "-m", "pytest", *arguments], cwd=folder)


@pytest.mark.parametrize(
    ("first", "second"), [(True, True), (True, False), (False, True)]
)
def test_both_decide(tmp_path: Path, *, first: bool, second: bool) -> None:
    finished = run(project(tmp_path, first=first, second=second))
    assert finished.returncode == (0 if first and second else 1), finished.stdout
    for name, passes in (("test_first", first), ("parse/test_second", second)):
        assert finished.stdout.count(f"{name}.py {'.' if passes else 'F'}") == 1
    assert ("FAILED tests/parse" in finished.stdout) is not second
    assert f"it ended with exit code {0 if second else 1}" in finished.stdout


def test_some_tests_are_one_process(tmp_path: Path) -> None:
    finished = run(project(tmp_path, first=True, second=True), "tests")
    assert "2 passed" in finished.stdout
    assert "second process" not in finished.stdout
