"""The examples of the documentation with other hosts, which programs of ours stand for."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from conftest import COMMAND, finish, run_command
from support.hosts.other_hosts import stand_ins

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / ".github").glob("*.md"))]


def examples() -> list[str]:
    text = run_command("--help").stdout
    found = re.findall(r"^ +tcpstates (-.*?)(?:  .*)?$", text, re.MULTILINE)
    for page in PAGES:
        block = "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL))
        found += re.findall(
            r"^(?:sudo )?tcpstates (.*?)(?: +#.*)?$", block, re.MULTILINE
        )
    wanted = [e for e in found if "--host" in e or "--via" in e]
    return list(dict.fromkeys(wanted))


@pytest.mark.skipif(os.name != "posix", reason="sh stands for the other hosts")
@pytest.mark.parametrize("example", examples())
def test_each_example_is_understood(example: str, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    stand_ins(folder)
    (tmp_path / "fleet").write_text("web1\nroot@web2:2222 # the second\n")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    words = shlex.split(
        example.split(" | ", maxsplit=1)[0].split(" && ", maxsplit=1)[0]
    )
    finished = finish(
        [*COMMAND, *words], cwd=tmp_path, env={**os.environ, "PATH": path}
    )
    assert finished.returncode in (0, 1), finished.stderr
    assert "unusable" not in finished.stderr


def test_there_are_examples() -> None:
    assert len(examples()) >= 6
