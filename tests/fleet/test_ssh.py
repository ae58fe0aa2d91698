"""Fifty hosts behind a real sshd: right, in time, and without a trace on them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from conftest import COMMAND, Finished, finish
from support.hosts.other_hosts import (
    DEAD,
    HANGS,
    PORT,
    SshHosts,
    need_root,
    path_with,
    ssh_hosts,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ssh is a script of sh")
# It holds a connection; the second since OpenSSH 9.8.
HOLDERS = {"sshd", "sshd-session"}
SHELLS = ("dash", "bash", "zsh", "fish", "busybox sh")


@pytest.fixture(scope="module")
def hosts() -> Iterator[SshHosts]:
    need_root("only root starts sshd in a namespace")
    if not os.path.exists("/usr/sbin/sshd") or shutil.which("ssh") is None:
        pytest.skip("missing: openssh-server, openssh-client")
    with TemporaryDirectory(dir="/tmp") as folder, ssh_hosts(Path(folder)) as made:
        yield made


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shared connections, which would outlive a test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def ask(hosts: SshHosts, *arguments: str) -> Finished:
    return hosts.tcpstates(COMMAND, *arguments)


def test_fifty_hosts_answer_and_each_row_is_of_its_host(hosts: SshHosts) -> None:
    names = ",".join(hosts.addresses)
    finished = ask(hosts, "-tanp", "--json", "--host", names)
    assert (finished.returncode, finished.stderr) == (0, "")
    found = json.loads(finished.stdout)["sockets"]
    assert {row["host"] for row in found} == set(hosts.addresses)
    for address in hosts.addresses:
        mine = [row for row in found if row["host"] == address]
        ours = [
            row
            for row in mine
            if (row["local_address"], row["local_port"]) == (address, PORT)
            and row["state"] == "ESTABLISHED"
        ]
        assert ours, f"{address} has the connection of sshd that asks it"
        owners = {p["name"] for row in ours for p in row["processes"]}
        assert owners
        assert owners <= HOLDERS
        listening = [row for row in mine if row["state"] == "LISTEN"]
        assert len(listening) == len(hosts.addresses) + 1


def test_what_does_not_answer_is_a_line_and_an_exit_code(hosts: SshHosts) -> None:
    names = f"{hosts.addresses[0]},{DEAD},{HANGS},{hosts.addresses[1]}"
    start = time.monotonic()
    finished = ask(hosts, "-tlnc", "--by", "host", "--host", names, "--timeout", "3")
    assert time.monotonic() - start < 3 + 5
    assert finished.returncode == 3
    assert [line.split()[1] for line in finished.stdout.splitlines()] == (
        hosts.addresses[:2]
    )
    lines = finished.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"tcpstates: {DEAD}: ")
    assert "refused" in lines[0]
    assert lines[1].startswith(f"tcpstates: {HANGS}: ")
    partial = ask(hosts, "-tlnc", "--host", f"{hosts.addresses[0]},{DEAD}", "--partial")
    assert partial.returncode == 0
    assert DEAD in partial.stderr


@pytest.mark.parametrize(
    "words",
    [["doctor"], ["check", "-w", "close_wait=1000"], ["explain", "listen"], ["-s"]],
)
def test_every_command_says_which_host_failed(
    hosts: SshHosts, words: list[str]
) -> None:
    names = f"{hosts.addresses[0]},{DEAD}"
    finished = ask(hosts, *words, "--host", names)
    assert finished.returncode == 3
    assert DEAD in finished.stderr + finished.stdout


def test_no_host_at_all(hosts: SshHosts) -> None:
    for names in (DEAD, f"{DEAD},nowhere.invalid"):
        finished = ask(hosts, "-tan", "--host", names)
        assert (finished.returncode, finished.stdout) == (3, "")
        assert len(finished.stderr.splitlines()) == (3 if "," in names else 1)
        assert DEAD in finished.stderr


def test_a_wrong_key_is_said(hosts: SshHosts, tmp_path: Path) -> None:
    command = [*hosts.enter, *COMMAND, "-tan", "--host", hosts.addresses[0]]
    config = Path(hosts.ssh.split()[-1]).read_text()
    (tmp_path / "config").write_text(
        "".join(
            line for line in config.splitlines(keepends=True) if "Identity" not in line
        )
    )
    other = f"ssh -F {tmp_path}/config"
    finished = finish([*command, "--ssh", other])
    assert finished.returncode == 3
    assert "Permission denied" in finished.stderr


def test_nothing_is_written_on_the_far_side(hosts: SshHosts) -> None:
    names = ",".join(hosts.addresses[:3])
    for words in (["-tuanpeimo"], ["doctor"]):
        assert ask(hosts, *words, "--host", names).returncode in (0, 1)
    assert hosts.left_behind() == []
    # It would be seen.
    finish([*hosts.enter, "-m", "touch", "/tmp/something"])
    assert hosts.left_behind() == ["/tmp/something"]
    finish([*hosts.enter, "-m", "rm", "/tmp/something"])


def test_a_host_without_python_answers_through_ssh(
    hosts: SshHosts, tmp_path: Path
) -> None:
    """Its login shell starts with a PATH that has no Python."""
    path_with(tmp_path / "bin", "sh", "ss", "uname", "cat")
    shell = tmp_path / "ssh"
    shell.write_text(
        "#!/bin/sh\n"
        "for last; do :; done\n"
        f'exec env -i PATH={tmp_path}/bin {shutil.which("sh")} -c "$last"\n'
    )
    shell.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as server:
        chosen = f"sport = :{server.getsockname()[1]}"
        command = [*COMMAND, "-tlnc", chosen, "--host", "web1", "--ssh", str(shell)]
        finished = finish(command)
    assert (finished.returncode, finished.stdout) == (0, "1\n")
    assert "read the output of ss" in finished.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_understands_the_command(shell: str, tmp_path: Path) -> None:
    """What sshd does with the last argument of ssh: SHELL -c ARGUMENT."""
    if shutil.which(shell.split(maxsplit=1)[0]) is None:
        pytest.skip(f"missing: {shell}")
    script = tmp_path / "ssh"
    script.write_text(f'#!/bin/sh\nfor last; do :; done\nexec {shell} -c "$last"\n')
    script.chmod(0o755)
    finished = finish([*COMMAND, "-tanc", "--host", "web1", "--ssh", str(script)])
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.strip().isdecimal()


def test_windows_without_sh_prints_netstat(tmp_path: Path) -> None:
    sample = min((Path(__file__).parents[1] / "data/saved/windows").glob("*ano*"))
    script = tmp_path / "ssh"
    script.write_text(
        "#!/bin/sh\nfor last; do :; done\n"
        'case "$last" in netstat*) exec cat ' + str(sample) + ";; esac\n"
        "echo \"'sh' is not recognized as an internal or external command,\" >&2\n"
        "exit 1\n"
    )
    script.chmod(0o755)
    finished = finish(
        [*COMMAND, "-tan", "--json", "--host", "w1", "--ssh", str(script)]
    )
    assert finished.returncode == 0, finished.stderr
    expected = finish([*COMMAND, "-tan", "--json", "--from", str(sample)])
    there = json.loads(finished.stdout)["sockets"]
    here = json.loads(expected.stdout)["sockets"]
    assert len(there) == len(here) > 0
    assert {row["host"] for row in there} == {"w1"}


def test_a_second_command_shares_the_connection(
    hosts: SshHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory(dir="/tmp") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        name = hosts.addresses[0]
        try:
            for _ in range(2):
                finished = ask(hosts, "-tlnc", "--host", name)
                assert (finished.returncode, finished.stderr) == (0, "")
            folder = Path(runtime, "tcpstates-ssh")
            assert folder.stat().st_mode & 0o777 == 0o700
            (control,) = folder.iterdir()
            seen = finish(
                [
                    *hosts.enter,
                    "ss",
                    "-tnH",
                    "state",
                    "established",
                    f"( sport = :{PORT} and src {name} )",
                ]
            ).stdout
            assert len(seen.splitlines()) == 1
        finally:
            for control in Path(runtime).glob("*/*"):
                subprocess.run(
                    ["ssh", "-O", "exit", "-o", f"ControlPath={control}", "x"],
                    capture_output=True,
                    check=False,
                )
