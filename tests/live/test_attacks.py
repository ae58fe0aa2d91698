"""What others put in our way: forged answers, planted programs, secrets, other names."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from conftest import COMMAND, SUPPORT, Lab, finish

from forger import FORGED
from lab import SECRET

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
    forger = [sys.executable, str(SUPPORT / "forger.py"), *COMMAND, "-ta", "--json"]
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
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho > {told}\n")
        program.chmod(0o755)
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
    owners = {owner["pid"] for owner in told[0]["processes"]}  # type: ignore[attr-defined]
    assert os.getpid() not in owners


def test_addresses_of_the_kernel_are_not_shown(lab: Lab) -> None:
    pointers = {
        line.split()[11]
        for line in lab.run("cat", "/proc/net/tcp").stdout.splitlines()[1:]
    }
    for arguments in FORMATS:
        finished = lab.tcpstates(*arguments.split())
        assert not any(len(p) > 8 and p in finished.stdout for p in pointers)
