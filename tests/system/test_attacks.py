"""What others put in our way: forged answers, planted programs, secrets, other names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import COMMAND, Lab, enter_lab, finish, program, run_command
from support.fakes.hostile_saved import strange_in
from support.labs.forger import FORGED
from support.labs.lab import SECRET
from tcpstates.collect.names import cgroup_mount

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can do that"
)
needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is missing (Debian: strace)"
)
FORMATS = ["-tanpei", "--json -tapei", "--csv -tapei", "--source procfs -tanpe", "-s"]


@needs_root
@needs_strace
def test_another_process_cannot_answer_for_the_kernel(lab: Lab) -> None:
    expected = {row["cookie"] for row in lab.sockets("-ta")}
    forger = [*program("labs.forger"), *COMMAND, "-ta", "--json"]
    finished = lab.run(*forger)
    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout)
    assert told["forged"] == 4
    found = {row["cookie"] for row in told["sockets"]}
    assert FORGED not in found
    assert found == expected
    assert told["source"] == "netlink"
    assert told["limitations"] == []


@needs_root
@pytest.mark.parametrize("arguments", FORMATS)
def test_keys_of_tcp_md5_are_in_no_output(lab: Lab, arguments: str) -> None:
    if not lab.parts["keyed"]:
        pytest.skip("this kernel has no TCP-MD5")
    finished = lab.tcpstates(*arguments.split())
    assert finished.returncode == 0
    assert str(lab.parts["keyed"]) in finished.stdout or arguments == "-s"
    for text in (finished.stdout, finished.stderr):
        assert SECRET.decode() not in text
        assert SECRET.hex() not in text


def test_modules_and_programs_that_lie_around_are_not_run(tmp_path: Path) -> None:
    told = tmp_path / "told"
    for name in ("json", "click", "tcpstates", "psutil", "socket", "struct"):
        (tmp_path / f"{name}.py").write_text(
            f"open({str(told)!r}, 'w')\nraise ValueError"
        )
    for name in ("ss", "netstat", "lsof", "ip", "sh"):
        planted = tmp_path / name
        planted.write_text(f"#!/bin/sh\necho > {told}\n")
        planted.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    for arguments in ("-tanp", "--json", "doctor", "--source psutil -ta", "-s"):
        finished = finish(
            [*COMMAND, *arguments.split()],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
        )
        assert finished.returncode in (0, 1), finished.stderr
    assert not told.exists()


@needs_root
def test_a_file_in_the_way_is_no_socket(lab: Lab, tmp_path: Path) -> None:
    inode = lab.sockets("-lt")[0]["inode"]
    name = tmp_path / f"socket:[{inode}]"
    with name.open("w"):
        told = lab.sockets("-ltp", f"inode = {inode}")
    owners = {owner["pid"] for owner in told[0]["processes"]}
    assert os.getpid() not in owners


def test_addresses_of_the_kernel_are_not_shown(lab: Lab) -> None:
    pointers = {
        line.split()[11]
        for line in lab.run("cat", "/proc/net/tcp").stdout.splitlines()[1:]
    }
    for arguments in FORMATS:
        finished = lab.tcpstates(*arguments.split())
        assert not any(len(p) > 8 and p in finished.stdout for p in pointers)


# What no process has, and names that are made by others.


@pytest.fixture(scope="module")
def hidden() -> Iterator[Lab]:
    """Return a laboratory with sockets that no process has as a descriptor."""
    yield from enter_lab("out_of_sight")


HONEST = {"unattributed", "not found", "not in this pid namespace"}


@needs_root
@pytest.mark.parametrize("part", ["in_flight", "nested", "ring"])
def test_a_socket_that_no_process_has_gets_no_false_reason(
    hidden: Lab, part: str
) -> None:
    if not hidden.parts[part]:
        pytest.skip("this kernel allows no io_uring")
    (row,) = hidden.sockets("-ltp", "sport", "=", str(hidden.parts[part]))
    assert row["processes"] == []
    assert row["no_process_reason"] in HONEST
    text = hidden.tcpstates("-ltpn", "sport", "=", str(hidden.parts[part]))
    assert "hidden" not in text.stdout + text.stderr
    # Where every process can be looked into, it is said so.
    alone = [*hidden.enter, "unshare", "-p", "-f", "--kill-child", "--mount-proc"]
    finished = finish(
        [*alone, *COMMAND, "-ltp", "--json", f"sport = {hidden.parts[part]}"]
    )
    (row,) = json.loads(finished.stdout)["sockets"]
    assert row["no_process_reason"] == "not in this pid namespace"


HOSTILE_HOSTS = [
    b"evil\x1b[2J.example",
    b"two\nrows.example",
    b"\xff\xfe.example",
    b"a b.example",
    b"$(id).example",
    b"10.0.0.1",
    b"x" * 63 + b"." + b"y" * 63,
]


@needs_root
@pytest.mark.parametrize("name", HOSTILE_HOSTS, ids=lambda n: ascii(n)[2:20])
def test_a_name_server_cannot_write_on_the_terminal(
    tmp_path: Path, name: bytes
) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    order = tmp_path / "nsswitch.conf"
    order.write_text("hosts: dns\n")
    server = [*program("labs.name_server"), name.hex()]
    script = (
        f"mount --bind {resolver} /etc/resolv.conf &&"
        f" {{ [ ! -e /etc/nsswitch.conf ] || mount --bind {order} /etc/nsswitch.conf; }} &&"
        ' exec "$@"'
    )
    inside = ["unshare", "-n", "-m", "sh", "-c", script, "sh", *server, *COMMAND, "-lt"]
    finished = finish(inside)
    if "mount:" in finished.stderr:
        pytest.skip("this machine allows no mounts")
    assert finished.returncode == 0, finished.stderr
    (row,) = finished.stdout.splitlines()[1:]
    assert not strange_in(row)
    address = row.split()[4].rpartition(":")[0]
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", address)
    is_name = name.startswith(b"xxx")
    assert address == (name.decode() if is_name else "127.0.0.1")


@needs_root
def test_names_of_programs_arguments_and_cgroups(tmp_path: Path) -> None:
    """A leaking process with a hostile name, arguments and, if possible, cgroup."""
    script = tmp_path / "leak.py"
    script.write_text(
        "import socket, sys, time\n"
        "held, server = [], socket.create_server(('127.0.0.1', 0))\n"
        "for _ in range(8):\n"
        "    client = socket.create_connection(server.getsockname())\n"
        "    held.append(server.accept()[0])\n"
        "    client.close()\n"
        "print(server.getsockname()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    program = tmp_path / "pro\x1b[2J\ngram"
    program.symlink_to(sys.executable)
    arguments = ["\x1b]52;c;cm0=\x07", "a\nb", "\u202eevil", "$(id)"]
    process = subprocess.Popen(
        [program, str(script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONHOME": sys.base_prefix},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    mount = cgroup_mount()
    group = Path(mount or "/nowhere") / "evil\x1b[31m\ngroup"
    try:
        port = process.stdout.readline().strip()
        with suppress(OSError):
            group.mkdir()
            (group / "cgroup.procs").write_text(str(process.pid))
        limits = ("--threshold", "kept=0s", "--threshold", "pool-count=1")
        for asked in (
            ("-tanpe", f"port = {port}"),
            ("-tape", "--format", "table", f"port = {port}"),
            ("--csv", "-tanpe", f"port = {port}"),
            ("--openmetrics", "--by", "process,cgroup", f"port = {port}"),
            ("doctor", *limits, f"port = {port}"),
        ):
            finished = run_command(*asked)
            assert finished.returncode in (0, 1), finished.stderr
            assert not strange_in(finished.stdout.replace("\r\n", "\n"))
            assert "\\x1b" in finished.stdout
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
        with suppress(OSError):
            group.rmdir()


@needs_root
def test_a_changed_root_without_proc(lab: Lab, tmp_path: Path) -> None:
    enter = 'mount --bind / "$1" && shift && exec chroot "$@"'
    inside = ["unshare", "-m", "sh", "-c", enter, "sh", str(tmp_path), str(tmp_path)]
    finished = lab.run(*inside, *COMMAND, "-ltnp")
    if "mount:" in finished.stderr:
        pytest.skip("this machine allows no mounts")
    assert finished.returncode == 0, finished.stderr
    assert len(finished.stdout.splitlines()) == len(lab.sockets("-ltn")) + 1
    assert "Traceback" not in finished.stderr


def test_a_kill_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """As the kernel does where memory is out; no program can clean up after it."""
    target = tmp_path / "kept"
    target.write_text("old\n")
    program = (
        "import os, signal, sys\n"
        "from tcpstates.cli.atomic_file import whole_file\n"
        "with whole_file(sys.argv[1]) as stream:\n"
        "    stream.write(b'x' * 100_000)\n"
        "    stream.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    finished = finish([sys.executable, "-c", program, str(target)])
    assert finished.returncode == -9
    assert target.read_text() == "old\n"
    assert run_command("-c", "sport = 1", "--output", str(target)).returncode == 0
    assert target.read_text() == "0\n"
