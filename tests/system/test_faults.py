"""On a machine that is blocked, broken or bare, rows still come, or a reason."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import COMMAND, Finished, Lab, enter_lab, finish
from support.labs.hoarder import UNKNOWN_USER

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is missing (Debian: strace)"
)
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount"
)


@pytest.fixture(scope="module")
def hoard() -> Iterator[Lab]:
    """Return a laboratory with a process that keeps all it gets."""
    yield from enter_lab("hoarder")


def failing(lab: Lab, call: str, fault: str, *arguments: str) -> Finished:
    """Run tcpstates with a system call that fails, and without BPF."""
    inject = ["-e", f"trace={call},bpf", "-e", f"inject={call}:{fault}"]
    inject += ["-e", "inject=bpf:error=EPERM"]
    with tempfile.NamedTemporaryFile("r") as log:
        strace = ["strace", "-f", "-qq", "-o", log.name, *inject]
        finished = lab.run(*strace, *COMMAND, *arguments)
        calls = [line for line in log if " bpf(" not in line]
        assert "(INJECTED)" in "".join(calls), "no call was made to fail"
    return finished


def words(finished: Finished) -> list[str]:
    """Return the states and addresses listed."""
    return sorted(
        " ".join(line.split()[1:2] + line.split()[4:6])
        for line in finished.stdout.splitlines()[1:]
    )


@needs_strace
@pytest.mark.parametrize(
    "error", ["EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT"]
)
def test_without_netlink_procfs_is_read_and_it_is_said(lab: Lab, error: str) -> None:
    finished = failing(lab, "socket", f"error={error}", "-tan")
    assert finished.returncode == 0
    assert words(finished) == words(lab.tcpstates("-tan"))
    assert finished.stderr.startswith("tcpstates: source netlink: ")
    assert "using procfs instead, without cookie" in finished.stderr
    assert finished.stderr.count("\n") == 1


@needs_strace
def test_netlink_asked_for_by_name_is_not_replaced(lab: Lab) -> None:
    finished = failing(lab, "socket", "error=EPERM", "-tan", "--source", "netlink")
    assert finished.returncode == 3
    assert finished.stdout == ""
    assert finished.stderr == "tcpstates: source netlink: Operation not permitted\n"


@needs_strace
@pytest.mark.parametrize(
    "fault", ["error=ENOBUFS", "retval=0", "error=EIO", "error=EAGAIN"]
)
def test_an_answer_that_cannot_be_had_is_replaced(lab: Lab, fault: str) -> None:
    finished = failing(lab, "recvmsg", fault, "-tan")
    assert finished.returncode == 0
    assert words(finished) == words(lab.tcpstates("-tan"))
    assert "using procfs instead" in finished.stderr


def calls_before_the_scan(lab: Lab, call: str) -> int:
    """Return how many calls a command makes that does not look at processes."""
    strace = ["strace", "-f", "-qq", "-e", f"trace={call}", "-o", "/dev/stdout"]
    counted = lab.run(*strace, *COMMAND, "-tanH", "closing")
    return counted.stdout.count("(")


@needs_strace
@pytest.mark.parametrize("call", ["readlink,readlinkat", "openat", "getdents64"])
@pytest.mark.parametrize("error", ["ESRCH", "EACCES", "ENOENT", "EMFILE", "EIO"])
def test_processes_that_vanish_cost_no_row(lab: Lab, call: str, error: str) -> None:
    # A few more: the modules that the scan needs are opened first. And only some:
    # those that print are opened after it.
    first = calls_before_the_scan(lab, call) + 12
    fault = f"error={error}:when={first}..{first + 15}"
    # Other states end by themselves between the two listings.
    lasting = ("state", "listen", "state", "established")
    finished = failing(lab, call, fault, "-tanp", *lasting)
    assert finished.returncode == 0, finished.stderr
    assert words(finished) == words(lab.tcpstates("-tan", *lasting))
    # What is gone is normal; that a process could not be looked at is said.
    lines = finished.stderr.splitlines()
    assert all(line.startswith("tcpstates: ") for line in lines)
    if error in ("ESRCH", "ENOENT"):
        assert [line for line in lines if "not found" not in line] == []


@needs_root
def test_without_proc_the_sockets_are_there_and_owners_unknown(lab: Lab) -> None:
    bare = 'mount -t tmpfs none /proc && exec "$@"'
    finished = lab.run("unshare", "-m", "sh", "-c", bare, "sh", *COMMAND, "-ltnp")
    assert finished.returncode == 0, finished.stderr
    rows = finished.stdout.splitlines()[1:]
    assert len(rows) == len(lab.sockets("-ltn"))
    assert all(row.endswith("(unknown)") for row in rows)
    assert "owners are unknown" in finished.stderr


@needs_root
@pytest.mark.parametrize("hidepid", ["1", "2", "4"])
def test_hidden_processes_are_said_to_be_hidden(lab: Lab, hidepid: str) -> None:
    hiding = f'mount -t proc -o hidepid={hidepid} proc /proc && exec "$@"'
    nobody = lab.nobody()
    finished = lab.run("unshare", "-m", "sh", "-c", hiding, "sh", *nobody, "-ltnp")
    assert finished.returncode == 0, finished.stderr
    rows = finished.stdout.splitlines()[1:]
    assert len(rows) == len(lab.sockets("-ltn"))
    assert all("(hidden: user 0)" in row for row in rows)


@pytest.mark.parametrize("limit", [8, 20])
def test_few_descriptors_are_enough(lab: Lab, limit: int) -> None:
    limited = f'ulimit -n {limit} && exec "$@"'
    finished = lab.run("sh", "-c", limited, "sh", *COMMAND, "-tanp")
    assert finished.returncode == 0, finished.stderr
    assert words(finished) == words(lab.tcpstates("-tan"))


@needs_root
def test_too_few_descriptors_are_a_reason(lab: Lab) -> None:
    finished = lab.run("sh", "-c", 'ulimit -n 5 && exec "$@"', "sh", *COMMAND, "-ltnp")
    assert finished.returncode == 0
    assert all("(not found)" in row for row in finished.stdout.splitlines()[1:])
    assert "tcpstates may open too few files (ulimit -n)\n" in finished.stderr


@needs_root
def test_without_proc_net_netlink_still_answers(lab: Lab) -> None:
    subset = 'mount -t proc -o subset=pid proc /proc && exec "$@"'
    finished = lab.run("unshare", "-m", "sh", "-c", subset, "sh", *COMMAND, "-tanp")
    assert finished.returncode == 0, finished.stderr
    assert words(finished) == words(lab.tcpstates("-tan"))
    by_name = lab.run(
        *["unshare", "-m", "sh", "-c", subset, "sh"],
        *[*COMMAND, "-tan", "--source", "procfs"],
    )
    assert by_name.returncode == 3
    assert by_name.stderr.startswith("tcpstates: source procfs: ")


@needs_root
def test_processes_of_another_pid_namespace_are_said_to_be_elsewhere(lab: Lab) -> None:
    finished = lab.run("unshare", "-p", "-f", "--mount-proc", *COMMAND, "-ltnp")
    assert finished.returncode == 0, finished.stderr
    rows = finished.stdout.splitlines()[1:]
    assert len(rows) == len(lab.sockets("-ltn"))
    assert all(row.endswith("(not in this pid namespace)") for row in rows)


@needs_root
def test_a_disk_that_is_read_only_is_enough(lab: Lab) -> None:
    locked = (
        "mount --rbind / /mnt && mount -o remount,bind,ro /mnt &&"
        " mount --rbind /proc /mnt/proc &&"
        ' exec chroot /mnt env -i "$@"'
    )
    finished = lab.run("unshare", "-m", "sh", "-c", locked, "sh", *COMMAND, "-tan")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    assert words(finished) == words(lab.tcpstates("-tan"))


# An interpreter without any memory left tried for ever to unwind long functions: at 85
# and 98.5 MB, nearly always.
@pytest.mark.parametrize("limit", [100_000, 98_500, 85_000, 70_000])
def test_too_little_memory_is_said_in_a_line(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "ss.txt"
    row = "ESTAB 0 0 192.0.2.1:22 198.51.100.7:{}\n"
    path.write_text("".join(row.format(n % 65536) for n in range(200_000)))
    sort = [*COMMAND, "-ta", "--sort", "remote", "--from", str(path)]
    finished = finish(["sh", "-c", f'ulimit -v {limit}; exec "$@"', "sh", *sort])
    assert (finished.returncode, finished.stdout) == (3, "")
    assert finished.stderr == "tcpstates: out of memory\n"


def test_a_process_with_a_hundred_thousand_descriptors(hoard: Lab) -> None:
    (socket,) = hoard.sockets("-ltp")
    owners: Any = socket["processes"]
    assert len(owners) == hoard.parts["descriptors"]
    assert {owner["pid"] for owner in owners} == {hoard.parts["hoarder"]}


def test_users_who_are_gone_are_numbers(hoard: Lab) -> None:
    (socket,) = hoard.sockets("-ua")
    if hoard.parts["uid"] != UNKNOWN_USER:
        pytest.skip("this namespace has no other users")
    assert (socket["uid"], socket["user"]) == (UNKNOWN_USER, None)
    shown = hoard.tcpstates("-uae").stdout.splitlines()[1]
    assert f" {hoard.parts['uid']} " in shown


def test_users_outside_a_user_namespace_are_numbers(hoard: Lab) -> None:
    finished = hoard.run("unshare", "-U", *COMMAND, "-ltn", "--json")
    assert finished.returncode == 0, finished.stderr
    (socket,) = json.loads(finished.stdout)["sockets"]
    overflow = int(Path("/proc/sys/kernel/overflowuid").read_text())
    assert socket["uid"] == overflow


@needs_strace
def test_without_threads_everything_is_read(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "ss.txt"
    row = "ESTAB 0 0 192.0.2.1:22 198.51.100.7:{}\n"
    path.write_text("".join(row.format(n) for n in range(60_000)))
    refused = "error=EAGAIN"
    # Without -n there would be a thread for each host's name; -r waits long enough for
    # them on a busy machine, and nobody waits where there is none.
    finished = failing(lab, "clone,clone3", refused, "-tar", "--from", str(path))
    assert len(finished.stdout.splitlines()) == 60_001
    assert finished.stderr == ""
    named = failing(lab, "clone,clone3", refused, "-tapr")
    assert named.returncode == 0
    assert named.stderr.count("\n") <= 1
