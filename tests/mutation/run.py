"""Put deliberate mistakes into modules, one at a time, and see which tests notice.

    python tests/mutation/run.py tcpstates/ages.py tcpstates/doctor --number 50

It works on a copy of the project. For each mutant the tests run that mirror its module,
the quickest first, until one fails; what no test notices is printed, and the score at
the end. A mutant that changes nothing (an "equivalent" one) is for you to recognise.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mutants import Mutant, find_mutants

ROOT = Path(__file__).parents[2]
# Which tests know a module best, by the beginning of its path, the nearest first.
_TESTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("states", ("test_states.py", "cli/test_golden.py", "cli")),
    ("ages", ("test_ages.py", "cli/test_golden.py", "doctor/test_rules.py", "filters")),
    ("text", ("test_text.py", "cli/test_golden.py", "parse/saved/test_gate.py")),
    ("api", ("test_api.py",)),
    ("pipeline", ("cli/test_golden.py", "collect", "test_api.py", "system/test_notes.py")),
    ("doctor/", ("doctor/test_golden.py", "doctor/test_examine.py", "doctor/test_rules.py", "cli/test_golden.py")),
    ("parse/saved", ("parse/saved/test_golden.py", "parse/saved/test_words.py", "cli/test_golden.py", "parse/saved")),
    ("parse/", ("parse", "collect")),
    ("filters/", ("filters", "cli/test_errors.py")),
    ("render/", ("cli/test_golden.py", "doctor/test_golden.py", "render", "lifecycle")),
    ("collect/", ("collect", "system/test_notes.py", "system/test_owners.py", "system/test_faults.py")),
    ("lifecycle/", ("cli/test_golden.py", "lifecycle", "test_man_page.py")),
    ("live/", ("lifecycle",)),
    ("cli/", ("cli/test_golden.py", "cli/test_errors.py", "cli", "lifecycle/test_explain.py",
              "lifecycle/test_diagram.py", "test_man_page.py", "system/test_export.py")),
)  # fmt: skip
_PATIENCE = 180.0  # seconds for one mutant's tests


def tests_for(path: Path) -> list[str]:
    """Return the tests that mirror a module."""
    inside = path.relative_to("tcpstates").as_posix()
    for start, names in _TESTS:
        if inside.startswith(start):
            found = [f"tests/{name}" for name in names]
            return [name for name in found if (ROOT / name).exists()]
    return ["tests"]


def run_tests(copy: Path, tests: Sequence[str], patience: float) -> str:
    """Return killed, survived or timeout."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p"]
    command += ["no:cacheprovider", "-p", "no:randomly", *tests]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command,
        cwd=copy,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return "survived" if process.wait(patience) == 0 else "killed"
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def try_mutant(copy: Path, mutant: Mutant) -> str:
    """Put a mistake into the copy, run its tests, and take it out again."""
    target = copy / mutant.path
    before = target.read_bytes()
    target.write_bytes(mutant.text())
    try:
        return run_tests(copy, tests_for(mutant.path), _PATIENCE)
    finally:
        target.write_bytes(before)


def chosen_modules(names: Sequence[str]) -> list[Path]:
    """Return the modules that paths name, relative to the project."""
    paths = [Path(name) for name in names]
    modules = [
        found
        for path in paths
        for found in (sorted(path.rglob("*.py")) if path.is_dir() else [path])
    ]
    return [path for path in modules if path.name != "__init__.py"]


def sample(modules: Sequence[Path], number: int, seed: int) -> list[Mutant]:
    """Return mutants of every module in turn, of every kind in turn."""
    dice = random.Random(seed)
    pools = []
    for module in modules:
        by_kind: dict[str, list[Mutant]] = {}
        for mutant in find_mutants(module):
            by_kind.setdefault(mutant.kind, []).append(mutant)
        for mutants in by_kind.values():
            dice.shuffle(mutants)
        pools.append(by_kind)
    taken: list[Mutant] = []
    while len(taken) < number and any(pools):
        for pool in filter(None, pools):
            kind = dice.choice(sorted(pool))
            taken.append(pool[kind].pop())
            if not pool[kind]:
                del pool[kind]
    return taken[:number]


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", help="modules or folders of tcpstates/")
    parser.add_argument("--number", type=int, default=25, help="mutants to try")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10, help="stop after these")
    asked = parser.parse_args()
    os.chdir(ROOT)
    mutants = sample(chosen_modules(asked.paths), asked.number, asked.seed)
    end = time.monotonic() + asked.minutes * 60
    results: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv"))
        healthy = {test for mutant in mutants for test in tests_for(mutant.path)}
        if run_tests(copy, sorted(healthy), 20 * _PATIENCE) != "survived":
            sys.exit("the tests fail without any mistake: mend that first")
        for mutant in mutants:
            if time.monotonic() > end:
                break
            result = try_mutant(copy, mutant)
            results[result] += 1
            if result == "survived":
                sys.stdout.write(f"{mutant}\n")
                sys.stdout.flush()
    noticed, tried = results["killed"] + results["timeout"], results.total()
    sys.stdout.write(f"{noticed} of {tried} mutants noticed, {dict(results)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
