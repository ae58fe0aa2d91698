"""Two hosts on one wire: network namespaces with a veth pair, and programs in them.

Only root can make them. Everything that was started in them is ended with them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from conftest import COMMAND, PATIENCE, Finished, finish, program

SERVER, CLIENT = "10.9.0.1", "10.9.0.2"
# Wait as long as the doctor's own thresholds take, instead of lowering them.
FULL_LENGTH = "TCPSTATES_FULL_LENGTH" in os.environ


class Host:
    """One network namespace."""

    def __init__(self, name: str, device: str, address: str) -> None:
        self.name, self.device, self.address = name, device, address
        self._enter = ["ip", "netns", "exec", name]
        self._started: list[subprocess.Popen[bytes]] = []

    def run(self, *command: str, **settings: Any) -> Finished:
        """Run a command to its end."""
        return finish([*self._enter, *command], **settings)

    def must(self, *command: str) -> str:
        """Run a command that has to succeed; return what it printed."""
        finished = self.run(*command)
        assert finished.returncode == 0, (command, finished.stderr)
        return finished.stdout

    def start(self, *command: str, **settings: Any) -> subprocess.Popen[bytes]:
        """Start a program that goes on; its pid is that of the process."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        given = {"stdin": subprocess.DEVNULL, **quiet, **settings}
        started = subprocess.Popen(
            [*self._enter, *command], start_new_session=True, **given
        )
        self._started.append(started)
        return started

    def client(self, name: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Start one of `labs.clients`; return when it has said that it is ready."""
        return self._start_small("labs.clients", name, arguments)

    def server(self, name: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Start one of `labs.small_servers`, in the same way."""
        return self._start_small("labs.small_servers", name, arguments)

    def _start_small(
        self, module: str, name: str, arguments: Sequence[object]
    ) -> subprocess.Popen[bytes]:
        command = [*program(module), name, *map(str, arguments)]
        started = self.start(*command, stdout=subprocess.PIPE)
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n", name
        return started

    def doctor(self, *arguments: str) -> dict[str, Any]:
        """Return a diagnosis of this host; its exit code fits its severities."""
        given = _without_thresholds(arguments) if FULL_LENGTH else arguments
        finished = self.run(*COMMAND, "doctor", "--json", *given)
        assert finished.stdout, finished.stderr
        found: dict[str, Any] = json.loads(finished.stdout)
        grave = [f for f in found["findings"] if f["severity"] != "notice"]
        assert finished.returncode == bool(grave), finished.stderr
        return found

    def end(self) -> None:
        """End all processes in this namespace, by pid."""
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number == signal.SIGTERM:
                end = time.monotonic() + 3
                while self.pids() and time.monotonic() < end:
                    for started in self._started:
                        started.poll()
                    time.sleep(0.05)
        for started in self._started:
            started.wait(PATIENCE)
            if started.stdout is not None:
                started.stdout.close()

    def pids(self) -> list[int]:
        """Return the processes in this namespace."""
        return list(map(int, finish(["ip", "netns", "pids", self.name]).stdout.split()))

    def count(self, *arguments: str) -> int:
        """Count sockets, as `tcpstates -c` does."""
        return int(self.must(*COMMAND, "-c", "-n", *arguments))


def _without_thresholds(arguments: Sequence[str]) -> list[str]:
    before = ("", *arguments)
    return [
        argument
        for previous, argument in zip(before, arguments, strict=False)
        if "--threshold" not in (previous, argument)
    ]


def children(pid: int) -> list[int]:
    """Return the pids of the children of a process."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return list(map(int, path.read_text().split()))


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait for a condition, with a bound; return what it returned."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"never: {condition}"
        time.sleep(0.05)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Make a server and a client that see nothing but each other."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can make two hosts")
    if shutil.which("ip") is None:
        pytest.skip("ip is missing (Debian: iproute2)")
    tag = os.getpid()
    hosts = (
        Host(f"tcpst-s{tag}", f"tss{tag}", SERVER),
        Host(f"tcpst-c{tag}", f"tsc{tag}", CLIENT),
    )
    try:
        _wire(*hosts)
        yield hosts
    finally:
        for host in hosts:
            host.end()
            finish(["ip", "netns", "del", host.name])


def _wire(server: Host, client: Host) -> None:
    for host in (server, client):
        _must("ip", "netns", "add", host.name)
    _must(
        *("ip", "link", "add", server.device, "netns", server.name, "type", "veth"),
        *("peer", "name", client.device, "netns", client.name),
    )
    for host in (server, client):
        host.must("ip", "address", "add", f"{host.address}/24", "dev", host.device)
        for device in ("lo", host.device):
            host.must("ip", "link", "set", device, "up")


def _must(*command: str) -> None:
    finished = finish(command)
    assert finished.returncode == 0, (command, finished.stderr)


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip a test where programs are missing."""
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"missing: {', '.join(missing)}")


def finding(
    host: Host, rule: str, *arguments: str, seconds: float = 20, **wanted: Any
) -> dict[str, Any]:
    """Return the finding of a rule, as soon as it is there with these parts."""
    end = time.monotonic() + seconds * (12 if FULL_LENGTH else 1)
    while True:
        found = host.doctor(*arguments)["findings"]
        for each in found:
            parts = {**each, **each["numbers"]}
            if each["rule"] == rule and wanted.items() <= parts.items():
                return dict(each)
        assert time.monotonic() < end, [(f["rule"], f["verdict"]) for f in found]
        time.sleep(0.2)


__all__: Sequence[str] = (
    "CLIENT",
    "PATIENCE",
    "SERVER",
    "Host",
    "children",
    "finding",
    "needs",
    "two_hosts",
    "until",
)
