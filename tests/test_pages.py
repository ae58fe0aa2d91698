"""Every command of the pages in .github is run, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import COMMAND, PATIENCE, Lab
from support.hosts.other_hosts import stand_ins

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / ".github").glob("*.md"))]
LISTING = (
    "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0 9 *:80 *:*\n"
)


def commands() -> list[str]:
    """The commands of the cookbook, in their order."""
    text = (ROOT / ".github/COOKBOOK.md").read_text()
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which they all work: files, and stand-ins for what is elsewhere."""
    folder = tmp_path_factory.mktemp("kitchen")
    stand_ins(folder / "bin")
    (folder / "bin/tcpstates").symlink_to(COMMAND[0])
    (folder / "fleet").write_text("web1\nweb2\n")
    (folder / "listing.txt").write_text(LISTING)
    return folder


@pytest.mark.skipif(os.name != "posix", reason="stand-ins are scripts of sh")
@pytest.mark.parametrize("command", dict.fromkeys(commands()))
def test_each_command_of_the_cookbook(command: str, lab: Lab, kitchen: Path) -> None:
    # None of its ports is used here, so what waits for its end has nothing to wait for.
    for long, short in (("--for 5s", "--for 0.2s"), ("--watch 5", "--watch 0.2")):
        command = command.replace(long, short)
    environment = {**os.environ, "PATH": f"{kitchen}/bin:{os.environ['PATH']}"}
    finished = subprocess.run(
        [*lab.enter, "bash", "-c", command],
        cwd=kitchen,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert finished.returncode in (0, 1), finished.stderr
    assert finished.stdout or {"--output", "-q"} & set(shlex.split(command))


def test_there_are_commands() -> None:
    assert len(commands()) >= 25
    for command in commands():
        words = shlex.split(command)
        assert words[0] == "tcpstates" or words[:2] == ["sudo", "tcpstates"]


def _anchors(text: str) -> set[str]:
    """The names by which GitHub links to headings."""
    titles = re.findall(
        r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE
    )
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.replace(" ", "-") for title in kept}


@pytest.mark.skipif(sys.platform == "win32", reason="paths are written with /")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith(("http:", "https:")):
            continue
        found = page.parent / path if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in _anchors(found.read_text()), target


def test_the_pages_are_found_from_the_readme_and_the_man_page() -> None:
    readme = (ROOT / "README.md").read_text()
    manual = (ROOT / "man/tcpstates.1").read_text().replace(r"\-", "-")
    for name in ("COOKBOOK", "FAQ", "MONITORING", "INSTALL", "COMING_FROM", "SPEED"):
        assert f".github/{name}.md" in readme, name
    for name in ("COOKBOOK", "FAQ", "MONITORING"):
        assert name in manual, name
