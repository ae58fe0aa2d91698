"""Files that are written as root in other users' folders give nothing away."""

from __future__ import annotations

import importlib
import os
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import COMMAND, PATIENCE, Lab, finish, run_command
from tcpstates.cli.app import tcpstates
from tcpstates.cli.exit_codes import ExitCode

if sys.platform == "win32":
    pytest.skip("owners and modes as Unix has them", allow_module_level=True)

from support.labs.swapper import STRANGER, swapping
from tcpstates.cli.atomic_file import whole_file

ROOT_ONLY = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be robbed"
)
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
                assert "it was removed or replaced while" in finished.stderr
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

    with pytest.raises(PermissionError, match="removed or replaced"):
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
    assert looks(target) == (0, 0, stat.S_IFREG | (0o640 & mode), "report\n")


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
    [(0o1777, STRANGER), (0o1777, 0), (0o777, 0), (0o777, STRANGER), (0o755, -1)],
    ids=["sticky", "sticky and moved there", "open", "open and theirs", "their folder"],
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
    assert "symbolic link that another user may have created" in finished.stderr
    assert finished.stderr.startswith(f"tcpstates: cannot write '{link}': ")
    assert looks(victim) == before
    assert link.is_symlink()


@ROOT_ONLY
def test_a_planted_link_on_the_way_is_not_followed(theirs: Path, place: Path) -> None:
    (theirs / "logs").symlink_to(place)
    finished = run_command("-c", "--output", str(theirs / "logs" / "out"))
    assert finished.returncode == ExitCode.FAILED
    assert "may have created; name the file itself" in finished.stderr
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
    if os.geteuid() == 0:  # who owns a folder can move root's links out of it
        with pytest.raises(PermissionError):
            write(link)
    else:
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
    assert "not a regular file, and another user may have created it" in finished.stderr


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
from tcpstates.cli.atomic_file import whole_file
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


def grant(folder: Path, user: int) -> None:
    """Let a user write by an access list; the mode keeps saying root:root rwxrwxr-x."""
    none = 0xFFFFFFFF
    entries = ((1, 7, none), (2, 7, user), (4, 5, none), (16, 7, none), (32, 5, none))
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)
    try:
        os.setxattr(folder, "system.posix_acl_access", packed)
    except OSError:
        pytest.skip("this file system has no access lists")


@ROOT_ONLY
@pytest.mark.skipif(
    not hasattr(os, "setxattr"), reason="access lists as Linux has them"
)
def test_an_access_list_may_let_others_plant_links(place: Path, victim: Path) -> None:
    before = looks(victim)
    link = make_link(place / "shared", STRANGER, 0o755, victim)
    grant(place / "shared", STRANGER)
    finished = run_command("-c", "--output", str(link))
    assert finished.returncode == ExitCode.FAILED
    assert looks(victim) == before


def as_user(uid: int, gid: int, work: Callable[[], None]) -> str:
    """Return what goes wrong when a forked child does something as another user."""
    for name in ("grp", "pwd"):  # that user may not be able to read them
        importlib.import_module(name)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        told = "nothing"
        try:
            os.setgroups([gid])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            work()
        except BaseException as error:  # noqa: BLE001  (told to the test)
            told = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, told.encode())
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return told


@ROOT_ONLY
def test_colleagues_of_a_group_may_plant_links_too(place: Path) -> None:
    """Who runs the command is an ordinary user; the group has other members."""
    (place / "home").mkdir()
    mine = place / "home" / "mine"
    mine.write_text("mine")
    for path in (place / "home", mine):
        os.chown(path, 4711, 4712)
    link = make_link(place / "shared", 4713, 0o775, mine)
    os.chown(place / "shared", 0, 4712)
    assert "symbolic link" in as_user(4711, 4712, lambda: write(link))
    assert mine.read_text() == "mine"
    os.chown(place / "shared", 4711, 4711)
    (place / "shared").chmod(0o755)
    assert as_user(4711, 4711, lambda: write(link)) == "nothing"
    assert mine.read_text() == "report\n"


@ROOT_ONLY
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o604])
def test_a_report_never_becomes_wider(place: Path, mode: int) -> None:
    """Also where owner and mode of the file before are not trusted."""
    for owner, folder_mode in ((0, 0o775), (STRANGER, 0o755)):
        folder = place / f"of-{owner}"
        folder.mkdir()
        target = folder / "out"
        target.touch()
        target.chmod(mode)
        os.chown(folder, owner, 4)
        folder.chmod(folder_mode)
        write(target)
        assert stat.S_IMODE(target.stat().st_mode) & ~mode == 0
        assert target.stat().st_uid == 0


def test_a_link_to_standard_output_is_it(tmp_path: Path) -> None:
    """As containers have their logs."""
    link = tmp_path / "log"
    link.symlink_to("/dev/stdout")
    for path in (str(link), "//dev/stdout", "/dev/../dev/stdout"):
        finished = run_command("-c", "sport = 1", "--output", path)
        assert (finished.returncode, finished.stdout) == (0, "0\n"), finished.stderr


def test_standard_output_that_is_closed_is_no_file() -> None:
    closing = ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "-c", "--output"]
    finished = finish([*closing, "/dev/stdout"])
    assert finished.returncode == ExitCode.FAILED
    assert "cannot write '/dev/stdout'" in finished.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces of Linux")
def test_devices_are_written_to_in_a_user_namespace() -> None:
    command = ["unshare", "-Ur", *COMMAND, "-c", "--output", "/dev/null"]
    if finish(["unshare", "-Ur", "true"]).returncode:
        pytest.skip("this user may not make namespaces")
    finished = finish(command)
    assert finished.returncode == 0, finished.stderr


def test_a_file_to_write_need_not_be_readable(lab: Lab) -> None:
    """A pipe of another user on standard output may be written to only."""
    finished = lab.run(*lab.nobody(), "-c", "--output", "/dev/stdout")
    assert finished.stdout.strip().isdecimal(), finished.stderr


def test_the_user_of_a_file_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is not judged by its permissions before it is used."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    options = {each.name: each for each in tcpstates.params}
    for name in ("output", "files"):
        assert options[name].type.convert(__file__, None, None) == __file__
