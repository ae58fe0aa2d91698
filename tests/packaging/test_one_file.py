"""`tcpstates.pyz`: one file, on every version of Python that is here."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from conftest import Finished, finish
from support.hosts.other_hosts import PYENV, path_with, pythons

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".ci/pyz"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
# Every command, and what its output has.
COMMANDS = {
    "-tan": "Proto",
    "-tanp --json": '"sockets"',
    "-s": "total",
    "doctor": "examined",
    "explain close_wait": "CLOSE_WAIT",
    "sequence close": "FIN_WAIT_2",
    "sequence reset --live": "RST",
    "diagram": "ESTABLISHED",
    "diagram --html -": "<html",
    "states": "TIME_WAIT",
    "completion bash": "complete",
    "man": ".TH TCPSTATES",
    "check -w close_wait=99999": "TCPSTATES",
    "exporter --print alerts": "alert",
    "trace --help": "Usage",
    "-tac --via env\tx=1": "",
    "--like ss -tan": "State",
}

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not BUILD.exists(),
    reason="built in a checkout, for Linux",
)


def build(target: Path, *versions: str) -> str:
    finished = finish([sys.executable, str(BUILD), str(target), *versions])
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pyz") / "tcpstates.pyz"
    build(target)
    return target


def run(built: Path, *arguments: str, python: str = sys.executable) -> Finished:
    """Run it with an empty environment, in a folder with traps."""
    command = ["env", "-i", f"HOME={built.parent}", python, "-I", str(built)]
    return finish([*command, *arguments], cwd=built.parent)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_works(built: Path, command: str) -> None:
    words = [word.replace("\t", " ") for word in command.split(" ")]
    finished = run(built, *words)
    assert finished.returncode in (0, 1), finished.stderr
    assert COMMANDS[command] in finished.stdout


@pytest.mark.parametrize("python", pythons().values())
def test_every_version_of_python_runs_it(built: Path, python: str) -> None:
    for words in (
        ["-tan"],
        ["doctor"],
        ["explain", "listen"],
        ["-ta", "--via", "env x=1"],
    ):
        finished = run(built, *words, python=python)
        assert finished.returncode in (0, 1), finished.stderr
        assert finished.stdout
        assert "Traceback" not in finished.stderr


def test_it_starts_by_its_own_name(built: Path) -> None:
    if not os.access("/usr/bin/python3", os.X_OK):
        pytest.skip("missing: /usr/bin/python3")
    assert built.stat().st_mode & 0o777 == 0o755
    finished = finish(["env", "-i", str(built), "-tan", "--json"])
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["source"] == "netlink"


def test_modules_of_others_are_not_loaded(built: Path, tmp_path: Path) -> None:
    for name in ("json", "click", "tcpstates", "zlib"):
        (tmp_path / f"{name}.py").write_text("print('hijacked')\n")
    if not os.access("/usr/bin/python3", os.X_OK):
        pytest.skip("missing: /usr/bin/python3")
    command = ["env", "-i", f"PYTHONPATH={tmp_path}", str(built), "-tan", "--json"]
    finished = finish(command, cwd=tmp_path)
    assert finished.returncode == 0
    assert "hijacked" not in finished.stdout + finished.stderr


def test_an_old_python_is_told_what_is_needed(built: Path) -> None:
    olds = [path for n in (6, 8, 9) for path in PYENV.glob(f"3.{n}.*/bin/python")]
    if not olds:
        pytest.skip("no Python older than 3.10 here")
    alone = (
        "import os, runpy, sys; os.access = lambda *given: False; sys.argv = ['x'];"
        f" runpy.run_path({str(built)!r}, run_name='__main__')"
    )
    for old in olds:
        finished = finish([str(old), "-I", "-c", alone])
        assert finished.returncode == 3
        assert finished.stderr.startswith(
            "tcpstates: needs Python 3.10 or newer; this is 3."
        )
        assert len(finished.stderr.splitlines()) == 1
        # Beside a newer one, that one is run.
        newer = finish(
            [str(old), "-I", str(built), "-V"], env={"PATH": os.environ["PATH"]}
        )
        assert newer.returncode == 0, newer.stderr


def test_what_is_missing_is_said(built: Path, tmp_path: Path) -> None:
    bare = ["env", "-i", sys.executable, "-I", "-S", str(built)]
    for words, text in (
        (["-tan", "--source", "psutil"], "psutil is missing; install it for"),
        (["exporter"], "(Debian: python3-prometheus-client)"),
    ):
        finished = finish([*bare, *words])
        assert finished.returncode == 3
        assert text in finished.stderr
        assert len(finished.stderr.splitlines()) == 1
    # Nothing else needs what is outside of it.
    for words in (["-tanp"], ["doctor"], ["-ltn", ":1"]):
        assert finish([*bare, *words]).returncode in (0, 1)


def test_other_hosts_get_their_part_of_it(built: Path, tmp_path: Path) -> None:
    """A host with another version of Python gets what was compiled for that one."""
    for number, python in enumerate(pythons().values()):
        folder = tmp_path / str(number)
        prefix = path_with(folder, "sh", "ss", "uname", "cat")
        (folder / "python3").symlink_to(os.path.realpath(python))
        finished = run(built, "-tan", "--json", "--via", prefix)
        assert finished.stderr == ""
        assert json.loads(finished.stdout)["source"] == "netlink"


def test_a_host_cannot_choose_what_it_is_sent(built: Path, tmp_path: Path) -> None:
    greeting = tmp_path / "greeting"
    greeting.write_text("tcpstates-program __main__.py\n")
    finished = run(built, "-tan", "--via", f"sh -c 'cat {greeting}' web1")
    assert (finished.returncode, finished.stdout) == (3, "")
    assert "the connection was closed" in finished.stderr


def test_two_builds_are_equal(built: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    told = build(first, HERE)
    build(second, HERE)
    assert first.read_bytes() == second.read_bytes()
    assert "click " in told
    assert first.stat().st_size < built.stat().st_size or len(set(pythons())) == 1
    assert first.stat().st_size < 4_500_000


def test_a_version_that_is_not_here_starts_from_the_sources(tmp_path: Path) -> None:
    target = tmp_path / "tcpstates.pyz"
    assert "from the sources" in build(target, "3.99")
    assert run(target, "-tan").returncode == 0


def test_docs_come_out_of_it(built: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    finished = run(built, "install-docs", "--prefix", str(prefix))
    paths = [Path(line) for line in finished.stdout.splitlines()]
    assert [path.name for path in paths] == [
        *("tcpstates.1", "tcpstates", "_tcpstates", "tcpstates.fish")
    ]
    page = (ROOT / "man/tcpstates.1").read_bytes()
    assert paths[0].read_bytes() == page
    assert run(built, "man").stdout.encode() == page
    removed = run(built, "install-docs", "--prefix", str(prefix), "--remove")
    assert len(removed.stdout.splitlines()) == 4
    assert not any(path.exists() for path in paths)
    again = run(built, "install-docs", "--prefix", str(prefix), "--remove")
    assert again.stdout == f"nothing was installed below {prefix}\n"


def test_a_prefix_that_is_no_folder_is_refused(built: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for prefix, code in (("", 2), ("~nobody-of-that-name/x", 2), (f"{file}/x", 3)):
        finished = run(built, "install-docs", "--prefix", prefix)
        assert (finished.returncode, finished.stdout) == (code, ""), prefix
        assert len(finished.stderr.splitlines()) == 1
        assert "Errno" not in finished.stderr


def test_a_reader_that_leaves_keeps_the_exit_code(built: Path) -> None:
    check = f"{sys.executable} -I {built} check -c total=@0:"
    finished = finish(["bash", "-c", f"{check} | head -0; echo ${{PIPESTATUS[0]}}"])
    assert finished.stdout == "2\n"
