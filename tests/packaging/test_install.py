"""Each documented way to install, upgrade and remove, with the real programs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from conftest import Finished, finish
from support.hosts.other_hosts import PYENV

ROOT = Path(__file__).parents[2]
PAGE = ROOT / ".github/INSTALL.md"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not PAGE.exists(),
    reason="from a checkout, on Linux",
)


class Home:
    """A user with a home of his own, and the programs that install for him."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder, self.tools = folder, tools
        kept = {
            name: os.environ[name]
            for name in os.environ
            if "PIP" in name or "UV" in name
        }
        self.environment = {
            **kept,
            "HOME": str(folder),
            "PATH": f"{folder}/.local/bin:{tools}/bin:/usr/local/bin:/usr/bin:/bin",
            "UV_PYTHON": sys.executable,
            "UV_CACHE_DIR": str(folder / "cache"),
            "PIPX_DEFAULT_PYTHON": sys.executable,
            "PIPX_HOME": str(folder / "pipx"),
            "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
        }

    def run(self, command: str) -> Finished:
        """Run a line of the page, as this user types it, who is not root."""
        command = command.replace(
            "install-docs", f"install-docs --prefix {self.folder}/.local"
        )
        return finish(["bash", "-c", command], env=self.environment, cwd=ROOT)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install pipx and uv beside the project; skip where no index can be reached."""
    target = tmp_path_factory.mktemp("tools")
    install = ["python3", "-m", "pip", "install", "-q", "--target", str(target)]
    if finish([*install, "pipx", "uv"]).returncode:
        pytest.skip("pipx and uv cannot be installed here")
    return target


@pytest.fixture
def home(tmp_path: Path, tools: Path) -> Home:
    return Home(tmp_path, tools)


def blocks() -> list[list[str]]:
    """The commands of the page, block by block."""
    found = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [block.strip().splitlines() for block in found]


def works(home: Home, tool: str, upgrade: str, remove: str) -> None:
    (block,) = [lines for lines in blocks() if lines[0].startswith(tool)]
    modules = f"env PYTHONPATH={home.tools} {sys.executable} -m pipx"
    program = modules if tool == "pipx" else tool
    for line in block:
        finished = home.run(line.replace(tool, program, 1))
        assert finished.returncode == 0, (line, finished.stderr)
    assert home.run("tcpstates -ltpn").returncode == 0
    assert home.run("command -v tcpstates").stdout.startswith(str(home.folder))
    assert home.run('"$(command -v tcpstates)" -V').stdout.startswith("tcpstates ")
    for place in ("man/man1/tcpstates.1", "bash-completion/completions/tcpstates"):
        assert (home.folder / ".local/share" / place).exists()
    if shutil.which("manpath"):
        assert f"{home.folder}/.local/share/man" in home.run("manpath -q").stdout
    assert upgrade in PAGE.read_text()
    upgraded = home.run(upgrade.replace(tool, program, 1))
    assert upgraded.returncode == 0, upgraded.stderr
    home.run("tcpstates install-docs --remove")
    removed = home.run(remove.replace(tool, program, 1))
    assert removed.returncode == 0, removed.stderr
    assert not os.path.lexists(home.folder / ".local/bin/tcpstates")
    left = [p for p in (home.folder / ".local").rglob("*tcpstates*") if p.is_file()]
    assert left == []


def test_pipx(home: Home) -> None:
    works(home, "pipx", "pipx upgrade tcpstates", "pipx uninstall tcpstates")


def test_uv(home: Home) -> None:
    works(home, "uv", "uv tool upgrade tcpstates", "uv tool uninstall tcpstates")


def test_for_every_user(home: Home, tmp_path: Path) -> None:
    """The commands of the page and of the README, below another root."""
    (block,) = [lines for lines in blocks() if "/opt/tcpstates" in lines[0]]
    readme = (ROOT / "README.md").read_text()
    assert "\n".join(block[:4]) in readme
    local = tmp_path / "usr/local"
    (local / "bin").mkdir(parents=True)
    for line in block[:4]:
        moved = line.replace("sudo ", "").replace("/opt", f"{tmp_path}/opt")
        moved = moved.replace("/usr/local", str(local))
        if "install-docs" in moved:
            moved += f" --prefix {local}"
        finished = finish(["bash", "-c", moved], env=home.environment, cwd=ROOT)
        assert finished.returncode == 0, (moved, finished.stderr)
    # As sudo and cron find programs, without this user's variables.
    minimal = {"PATH": f"{local}/bin:/usr/bin:/bin"}
    finished = finish(["sh", "-c", "tcpstates -ltpn"], env=minimal, cwd="/")
    assert finished.returncode == 0, finished.stderr
    assert (local / "share/man/man1/tcpstates.1").exists()


def test_the_set_up_of_the_readme_leaves_a_shell_in_which_it_works(
    home: Home, tmp_path: Path
) -> None:
    (command,) = re.findall(
        r"^python3 .*tcpstates -ltpn$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    copy = tmp_path / "copy"
    shutil.copytree(
        ROOT,
        copy,
        ignore=shutil.ignore_patterns(
            ".venv*", ".git", "tests", "__pycache__", ".*cache"
        ),
    )
    (copy / "tests").mkdir()
    script = f"cd {shlex.quote(str(copy))} && {command} && tcpstates -V"
    python = Path(sys.executable).resolve().parent
    home.environment["PATH"] = f"{python}:/usr/bin:/bin"
    finished = home.run(script)
    assert finished.returncode == 0, finished.stderr
    assert re.search("^tcpstates [0-9]", finished.stdout, re.MULTILINE)


def test_a_python_that_is_too_old_is_a_line() -> None:
    """Where no pip has refused it: from the source itself."""
    paths = [
        *map(str, sorted(PYENV.glob("3.[7-9].*/bin/python"))),
        "/usr/bin/python3.9",
    ]
    old = paths[0]
    if not os.path.exists(old):
        pytest.skip("no Python older than 3.10 here")
    finished = finish([old, "-m", "tcpstates"], cwd=ROOT)
    assert finished.returncode == 1
    assert finished.stderr.startswith("tcpstates: this needs Python 3.10 or newer, not")
    assert len(finished.stderr.splitlines()) == 1
