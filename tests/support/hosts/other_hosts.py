"""Other hosts for `--host` and `--via`: a real sshd with many addresses, and fakes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from conftest import PATIENCE, Finished, finish

PORT = 2222
NUMBER = 50
MOST = 16  # addresses that one sshd listens on: MAX_LISTEN_SOCKS, sshd.c
PYENV = Path.home() / ".pyenv/versions"
HANGS, DEAD = "10.77.0.200", "10.77.0.201"  # accepts and says nothing; listens nowhere


def places() -> list[str]:
    """Where a program could leave something behind; sshd itself writes to /var/log."""
    wanted = (
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        "/root",
        "/home",
        "/opt",
        "/var/lib",
    )
    return [place for place in wanted if os.path.isdir(place)]


class SshHosts:
    """Addresses of one sshd in a network namespace of its own."""

    def __init__(self, enter: Sequence[str], folder: Path) -> None:
        self.enter = list(enter)
        self._own = folder
        self.addresses = [f"10.77.0.{number}" for number in range(1, NUMBER + 1)]
        config = folder / "ssh_config"
        config.write_text(
            f"Host *\n Port {PORT}\n User root\n IdentityFile {folder}/key\n"
            " StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n"
            " LogLevel ERROR\n"
        )
        self.ssh = f"ssh -F {config}"

    def left_behind(self) -> list[str]:
        """The files that are where a program could leave some, on the far side."""
        search = [
            "find",
            *places(),
            "-xdev",
            "-type",
            "f",
            "!",
            "-path",
            f"{self._own}/*",
        ]
        return finish([*self.enter, "-m", *search]).stdout.splitlines()

    def tcpstates(self, command: Sequence[str], *arguments: str) -> Finished:
        """Run tcpstates beside these hosts."""
        return finish([*self.enter, *command, *arguments, "--ssh", self.ssh])


@contextmanager
def ssh_hosts(folder: Path) -> Iterator[SshHosts]:
    """Start the hosts in a namespace, and end them."""
    folder.chmod(0o700)
    for name in ("host", "key"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"]
        subprocess.run([*made, str(folder / name)], check=True)
    shutil.copy(folder / "key.pub", folder / "authorized")
    Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "sshd_config").write_text(
        f"Port {PORT}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "PermitRootLogin yes\nStrictModes no\nUsePAM no\nPidFile none\n"
        "MaxStartups 1000\n"
    )
    script = (
        "ip link set lo up; "
        + "".join(f"ip addr add 10.77.0.{n}/32 dev lo; " for n in range(1, NUMBER + 1))
        + f"ip addr add {HANGS}/32 dev lo; ip addr add {DEAD}/32 dev lo; "
        # Empty folders there, so that whatever is found in them was left behind.
        f"mount --bind {folder} /mnt; "
        + "".join(f"mount -t tmpfs none {place}; " for place in places())
        + f"mkdir -p {folder}; mount --move /mnt {folder}; mkdir -p /run/sshd; "
        "echo ready; cat"
    )
    with subprocess.Popen(
        ["unshare", "-n", "-m", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        enter = ["nsenter", "-t", str(holder.pid), "-n"]
        config = folder / "sshd_config"
        addresses = [f"10.77.0.{n}" for n in range(1, NUMBER + 1)]
        servers = [
            [f"-oListenAddress={address}" for address in addresses[n : n + MOST]]
            for n in range(0, NUMBER, MOST)
        ]
        silent = (
            "import socket, time\n"
            f"s = socket.create_server(('{HANGS}', {PORT}))\n"
            "s.listen(100); time.sleep(10 ** 6)"
        )
        programs = [
            *(
                subprocess.Popen(
                    [*enter, "-m", "/usr/sbin/sshd", "-D", "-f", str(config), *each]
                )
                for each in servers
            ),
            subprocess.Popen([*enter, sys.executable, "-c", silent]),
        ]
        try:
            hosts = SshHosts(enter, folder)
            end = time.monotonic() + PATIENCE
            listening = f"-ltnH sport = :{PORT}".split()
            while _lines([*enter, "ss", *listening]) < NUMBER + 1:
                assert time.monotonic() < end, "sshd does not listen"
                time.sleep(0.05)
            yield hosts
        finally:
            for program in programs:
                program.kill()
                program.wait()
            holder.stdin.close()


def _lines(command: Sequence[str]) -> int:
    return len(finish(command).stdout.splitlines())


def path_with(folder: Path, *names: str, busybox: bool = False) -> str:
    """Make a folder with these programs only; return what runs others with it alone."""
    folder.mkdir(exist_ok=True)
    for name in names:
        found = shutil.which("busybox") if busybox else shutil.which(name)
        assert found is not None, name
        with suppress(FileExistsError):
            (folder / name).symlink_to(found)
    return f"env -i PATH={shlex.quote(str(folder))}"


# Each runs, here, the command that it would run elsewhere.
_SSH = '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n'
_EXEC = '#!/bin/sh\nwhile [ "$1" != sh ]; do shift; done\nexec "$@"\n'
_SUDO = '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n'


def stand_ins(folder: Path) -> None:
    """Make programs that stand for those that lead to other places."""
    folder.mkdir()
    programs = {"ssh": _SSH, "docker": _EXEC, "kubectl": _EXEC, "sudo": _SUDO}
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def pythons() -> dict[int, str]:
    """The path of each version of Python on this machine, by its minor version."""
    found = {sys.version_info.minor: os.path.realpath(sys.executable)}
    for number in range(10, 16):
        called = shutil.which(f"python3.{number}")
        managed = map(str, PYENV.glob(f"3.{number}.*/bin/python"))
        for path in filter(None, [called, *managed]):
            asked = finish([path, "-c", "import sys; print(sys.executable)"])
            if asked.returncode == 0:
                found.setdefault(number, asked.stdout.strip())
    return found


def need_root(reason: str) -> None:
    """Skip a test for another user."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip(reason)
