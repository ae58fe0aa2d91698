"""Files that are written as root in other users' folders give nothing away."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import COMMAND, PATIENCE, finish, run_command

from tcpstates.cli.exit_codes import ExitCode

if sys.platform == "win32":
    pytest.skip("owners and modes as Unix has them", allow_module_level=True)

from swapper import STRANGER, swapping
from tcpstates.cli.whole_file import whole_file

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be robbed")
# Every way in which a command writes a file, but the name of the file.
WAYS = {
    "--output": ("-ltn", "--output"),
    "--json --output": ("-tanp", "--json", "--output"),
    "--openmetrics --output": ("--openmetrics", "--output"),
    "--svg": ("diagram", "--svg"),
    "--html": ("diagram", "--html"),
}


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder whose parents everybody may enter (pytest's own are private)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.fixture
def theirs(place: Path) -> Path:
    """Return a folder that belongs to somebody else."""
    folder = place / "theirs"
    folder.mkdir()
    os.chown(folder, STRANGER, STRANGER)
    return folder


@pytest.fixture
def victim(place: Path) -> Path:
    """Return a file that only root may read."""
    path = place / "victim"
    path.write_text("secret")
    path.chmod(0o600)
    return path


def looks(path: Path) -> tuple[int, int, int, str]:
    """Return owner, group and mode of a file, and what is in it."""
    found = path.lstat()
    return found.st_uid, found.st_gid, found.st_mode, path.read_text()


def left_over(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".tcpstates-")]


def write(path: Path) -> None:
    with whole_file(str(path)) as stream:
        stream.write(b"report\n")


@ROOT_ONLY
@pytest.mark.parametrize("mode", [None, 0o4777, 0o666])
def test_a_swapped_file_gives_no_other_away(
    theirs: Path, victim: Path, mode: int | None
) -> None:
    """A thousand files are written while somebody swaps them as fast as he can."""
    before, target = looks(victim), theirs / "out"
    with swapping(theirs, victim) as swaps:
        for _ in range(1000):
            if mode is not None:
                with suppress(OSError):
                    target.unlink()
                target.touch()
                os.chown(target, STRANGER, STRANGER)
                target.chmod(mode)
            with suppress(PermissionError):
                write(target)
            assert looks(victim) == before
        deadline = time.monotonic() + PATIENCE
        while not swaps.value:  # type: ignore[attr-defined]
            assert time.monotonic() < deadline, "nothing was ever swapped"
            with suppress(PermissionError):
                write(target)
            assert looks(victim) == before


@ROOT_ONLY
@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_writing_gives_another_file_away(
    theirs: Path, victim: Path, way: str
) -> None:
    before, target = looks(victim), theirs / "out"
    with swapping(theirs, victim):
        for _ in range(5):
            target.touch()
            os.chown(target, STRANGER, STRANGER)
            target.chmod(0o4777)
            finished = run_command(*WAYS[way], str(target))
            assert finished.returncode in (ExitCode.DONE, ExitCode.FAILED)
            if finished.returncode:
                assert "another user has replaced the file" in finished.stderr
            assert looks(victim) == before
            with suppress(FileNotFoundError):
                target.unlink()


@ROOT_ONLY
def test_a_swap_is_said(theirs: Path, victim: Path) -> None:
    target = theirs / "out"

    def be_robbed() -> None:
        with whole_file(str(target)):
            (waiting,) = left_over(theirs)
            (theirs / waiting).unlink()
            (theirs / waiting).symlink_to(victim)

    with pytest.raises(PermissionError, match="has replaced"):
        be_robbed()
    assert looks(victim)[2:] == (stat.S_IFREG | 0o600, "secret")
    assert os.listdir(theirs) == []


@ROOT_ONLY
@pytest.mark.parametrize(
    ("sticky", "owner", "mode"),
    [(0o1777, STRANGER, 0o4606), (0o1777, STRANGER, 0o666), (0o777, 0, 0o4777)],
)
def test_a_file_made_in_advance_keeps_neither_owner_nor_mode(
    place: Path, sticky: int, owner: int, mode: int
) -> None:
    place.chmod(sticky)
    target = place / "out"
    target.touch()
    os.chown(target, owner, owner)
    target.chmod(mode)
    umask = os.umask(0o027)
    try:
        write(target)
    finally:
        os.umask(umask)
    assert looks(target) == (0, 0, stat.S_IFREG | 0o640, "report\n")


def test_our_own_file_keeps_its_mode_but_no_set_id(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.touch()
    target.chmod(0o6751)
    write(target)
    found = target.stat()
    assert stat.S_IMODE(found.st_mode) == 0o751
    assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())


@ROOT_ONLY
def test_in_a_folder_of_root_the_owner_stays(place: Path) -> None:
    target = place / "out"
    target.touch()
    os.chown(target, STRANGER, STRANGER)
    target.chmod(0o640)
    write(target)
    found = target.stat()
    assert (found.st_uid, found.st_gid) == (STRANGER, STRANGER)
    assert stat.S_IMODE(found.st_mode) == 0o640


def make_link(folder: Path, owner: int, mode: int, to: Path) -> Path:
    folder.mkdir()
    link = folder / "out"
    link.symlink_to(to)
    os.chown(link, owner, owner, follow_symlinks=False)
    folder.chmod(mode)
    return link


@ROOT_ONLY
@pytest.mark.parametrize(
    ("mode", "owner"),
    [(0o1777, STRANGER), (0o777, 0), (0o777, STRANGER), (0o755, -1)],
    ids=["sticky", "open", "open and theirs", "their folder"],
)
@pytest.mark.parametrize("way", WAYS)
def test_a_planted_link_is_not_followed(
    place: Path, victim: Path, mode: int, owner: int, way: str
) -> None:
    before = looks(victim)
    link = make_link(place / "shared", max(owner, 0), mode, victim)
    if owner < 0:
        os.chown(place / "shared", STRANGER, STRANGER)
    finished = run_command(*WAYS[way], str(link))
    assert finished.returncode == ExitCode.FAILED
    assert "symbolic link that another user may have put there" in finished.stderr
    assert finished.stderr.startswith(f"tcpstates: cannot write '{link}': ")
    assert looks(victim) == before
    assert link.is_symlink()


@ROOT_ONLY
def test_a_planted_link_on_the_way_is_not_followed(theirs: Path, place: Path) -> None:
    (theirs / "logs").symlink_to(place)
    finished = run_command("-c", "--output", str(theirs / "logs" / "out"))
    assert finished.returncode == ExitCode.FAILED
    assert "may have put there; name the file itself" in finished.stderr
    assert os.listdir(place) == ["theirs"]


@ROOT_ONLY
def test_a_group_may_plant_links_for_root(place: Path, victim: Path) -> None:
    before = looks(victim)
    link = make_link(place / "shared", 0, 0o775, victim)
    os.chown(place / "shared", 0, 4)
    assert run_command("-c", "--output", str(link)).returncode == ExitCode.FAILED
    assert looks(victim) == before


def test_our_own_links_are_followed(tmp_path: Path) -> None:
    """Also one after the other, relative ones and those to folders."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").symlink_to("a/b")
    (tmp_path / "a" / "b" / "out").symlink_to("../real")
    (tmp_path / "d").symlink_to(tmp_path / "c" / "out")
    finished = run_command("-c", "sport = 1", "--output", str(tmp_path / "d"))
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "a" / "real").read_text() == "0\n"
    assert sorted(os.listdir(tmp_path)) == ["a", "c", "d"]
    sticky = tmp_path / "sticky"
    link = make_link(sticky, os.geteuid(), 0o1777, tmp_path / "a" / "real")
    write(link)
    assert (tmp_path / "a" / "real").read_text() == "report\n"


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    finished = run_command("-c", "--output", str(tmp_path / "a"))
    assert finished.returncode == ExitCode.FAILED
    assert "Too many levels of symbolic links" in finished.stderr


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "No such file or directory"),
        ("/", "Is a directory"),
        (".", "Is a directory"),
        ("..", "Is a directory"),
        ("/dev/null/x", "Not a directory"),
        ("nowhere/x", "No such file or directory"),
    ],
)
def test_what_is_no_place_for_a_file(path: str, text: str, tmp_path: Path) -> None:
    finished = run_command("-c", "--output", path, cwd=tmp_path)
    assert finished.returncode == ExitCode.FAILED
    assert finished.stderr == f"tcpstates: cannot write '{path}': {text}\n"


@ROOT_ONLY
@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o755])
def test_a_planted_pipe_does_not_hold_root_up(place: Path, mode: int) -> None:
    shared = place / "shared"
    shared.mkdir()
    os.mkfifo(shared / "out")
    os.chown(shared / "out", STRANGER, STRANGER)
    shared.chmod(mode)
    if mode == 0o755:
        os.chown(shared, STRANGER, STRANGER)
    finished = run_command("-c", "--output", str(shared / "out"))
    assert finished.returncode == ExitCode.FAILED
    assert "not a plain file, and another user may have put it" in finished.stderr


def test_a_pipe_without_a_reader_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    finished = run_command("-c", "--output", str(tmp_path / "pipe"))
    assert finished.returncode == ExitCode.FAILED
    assert "no process has read this pipe for 5 s" in finished.stderr


def test_a_pipe_with_a_late_reader_gets_everything(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    writing = subprocess.Popen([*COMMAND, "-c", "--output", str(tmp_path / "pipe")])
    reader = threading.Thread(
        target=lambda: got.append((tmp_path / "pipe").read_bytes())
    )
    reader.start()
    assert writing.wait(PATIENCE) == 0
    reader.join(PATIENCE)
    assert got[0].strip().isdigit()


def ending_signals() -> list[int]:
    names = "SIGTERM SIGHUP SIGQUIT SIGXCPU SIGUSR1 SIGUSR2 SIGALRM SIGABRT SIGRTMIN"
    return [getattr(signal, name) for name in names.split() if hasattr(signal, name)]


WRITER = """
import signal, sys, time
if len(sys.argv) > 2:
    signal.signal(int(sys.argv[2]), signal.SIG_DFL)
from tcpstates.cli.whole_file import whole_file
with whole_file(sys.argv[1]):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", ending_signals(), ids=str)
def test_no_signal_leaves_a_file_behind(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "out"), str(int(number))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert left_over(tmp_path)
    process.send_signal(number)
    assert process.wait(PATIENCE) == -number
    process.stdout.close()
    assert os.listdir(tmp_path) == []


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    command = ["nohup", sys.executable, "-c", WRITER, str(tmp_path / "out")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == -signal.SIGTERM
    process.stdout.close()


def test_signals_are_as_before_afterwards(tmp_path: Path) -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    write(tmp_path / "out")
    with suppress(ZeroDivisionError), whole_file(str(tmp_path / "other")):
        _ = 1 // 0
    after = {number: signal.getsignal(number) for number in signal.valid_signals()}
    assert after == before
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_needs_no_standard_output(tmp_path: Path, way: str) -> None:
    closing = ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, *WAYS[way]]
    finished = finish([*closing, str(tmp_path / "out")])
    assert finished.returncode == ExitCode.DONE, finished.stderr
    assert (tmp_path / "out").stat().st_size


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = os.listdir("/dev/fd")
    for _ in range(3):
        write(tmp_path / "out")
        with suppress(OSError):
            write(tmp_path)
    assert os.listdir("/dev/fd") == before
