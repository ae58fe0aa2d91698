"""What the checks of the zoo share: running commands, and reporting what was seen."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

PYTHON = sys.executable
SECONDS = int(os.environ.get("ZOO_SECONDS", "300"))  # a command; emulation is slow
PORT, PORT6, UDP_PORT, BOUND_PORT = 8080, 8081, 5353, 7777
SOURCES = {
    "linux": ("netlink", "procfs", "psutil"),
    "win32": ("iphlpapi", "psutil"),
}


wrong: list[str] = []  # the checks that do not hold


def report(name: str, holds: bool, seen: object = "") -> None:
    """Print the result of a check."""
    if not holds:
        wrong.append(name)
    print(
        json.dumps({"check": name, "ok": holds, "seen": str(seen)[-600:]}), flush=True
    )


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    try:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, -9, "", "too late")
    except FileNotFoundError:
        return subprocess.CompletedProcess(words, 127, "", "not found")


def ours(*words: str) -> subprocess.CompletedProcess[str]:
    """Run tcpstates."""
    return run(PYTHON, "-m", "tcpstates", *words)


def connections(held: list[socket.socket]) -> set[tuple[int, int]]:
    """Return the local and the remote port of each TCP socket that systems list."""
    return {
        (each.getsockname()[1], _peer_port(each))
        for each in held
        if each.type == socket.SOCK_STREAM and each.getsockname()[1] != BOUND_PORT
    }


def _peer_port(held: socket.socket) -> int:
    try:
        return int(held.getpeername()[1])
    except OSError:
        return 0
