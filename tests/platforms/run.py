"""Run the zoo on other kernels, processors and Pythons; write the table of results.

    .venv/bin/python tests/platforms/run.py            # every platform
    .venv/bin/python tests/platforms/run.py uml i386   # some of them

It needs root, a Debian-like machine and about 3 GB below --cache, and installs nothing:
a line says which packages are missing. The first run of a platform downloads its packages
(two to five minutes); later ones take what the table says. Nothing here is part of a test
run. `--table` writes the results into tests/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from platforms.machines import MACHINES, emulated, i386, kernel_of, uml  # noqa: E402
from platforms.new_user import new_user  # noqa: E402
from platforms.pythons import newest, python  # noqa: E402
from platforms.roots import Cannot  # noqa: E402
from platforms.small import busybox, musl  # noqa: E402
from platforms.windows import wine, wine_tests  # noqa: E402

TABLE = TESTS / "README.md"
BEGIN, END = (
    "<!-- platforms: made by tests/platforms/run.py -->",
    "<!-- platforms: end -->",
)


class Result(NamedTuple):
    """What was found on a platform."""

    platform: str
    about: str
    passed: int
    failed: list[str]  # the checks, with what was seen
    seconds: float


PLATFORMS: dict[str, Callable[[Path], str]] = {
    "uml": uml,
    "i386": i386,
    "debian12": new_user(None),
    "old-pip": new_user("22.0.2"),
    "linux5.10": kernel_of("bullseye"),
    "linux6.12": kernel_of("trixie"),
    "newest": kernel_of("sid"),
    "busybox": busybox,
    "musl": musl,
    "wine": wine,
    "wine-tests": wine_tests,
    **{name: emulated(machine) for name, machine in MACHINES.items()},
    **{f"python{v}": python(v) for v in ("3.10", "3.11", "3.12", "3.13")},
    "debian-sid": newest,
}


def read_results(name: str, output: str, seconds: float) -> Result:
    """Read the lines that the zoo has printed, among those of a kernel."""
    passed, failed, about, has_ended = 0, [], "", False
    for line in output.splitlines():
        start = line.find('{"check"')
        if start < 0:
            continue
        found = json.loads(line[start:])
        if found["check"] == "platform":
            about = found["seen"]
        elif found["check"] == "end":
            has_ended = True
        elif found["ok"]:
            passed += 1
        else:
            failed.append(f"{found['check']}: {found['seen']}")
    if not has_ended:
        last = " / ".join(output.strip().splitlines()[-3:])
        failed.append(f"it did not end: {last[-300:]}")
    return Result(name, about, passed, failed, seconds)


def main() -> int:
    """Run the platforms that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="PLATFORM", help=" ".join(PLATFORMS)
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("/var/cache/tcpstates-platforms")
    )
    parser.add_argument("--table", action="store_true", help="write tests/README.md")
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    results, absent = [], {}
    for name in given.names or PLATFORMS:
        start = time.monotonic()
        try:
            output = PLATFORMS[name](given.cache)
        except Cannot as error:
            absent[name] = str(error)
            print(f"{name}: not run: {error}", flush=True)
            continue
        result = read_results(name, output, time.monotonic() - start)
        results.append(result)
        print(f"{name}: {result.passed} right, {len(result.failed)} wrong,"
              f" {result.seconds:.0f} s ({result.about})", flush=True)  # fmt: skip
        for text in result.failed:
            print(f"  {text}", flush=True)
    if given.table:
        write_table(results, absent)
    return 1 if any(result.failed for result in results) else 0


def write_table(results: Sequence[Result], absent: dict[str, str]) -> None:
    """Put the results into tests/README.md; what was not run now stays as it is."""
    text = TABLE.read_text()
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    rows = {
        line.split("|")[1].strip(): line
        for line in table.splitlines()
        if line.startswith("| ")
    }
    for each in results:
        wrong = "; ".join(text.partition(":")[0] for text in each.failed) or "none"
        numbers = f"{each.passed} | {wrong} | {each.seconds:.0f}"
        rows[each.platform] = f"| {each.platform} | {each.about} | {numbers} |"
    for name, why in absent.items():
        rows.setdefault(name, f"| {name} | not run: {why} | | | |")
    head = "| platform | what it is | right | wrong | seconds |"
    lines = [head, "|---|---|---|---|---|"]
    lines += [rows[name] for name in PLATFORMS if name in rows]
    TABLE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
