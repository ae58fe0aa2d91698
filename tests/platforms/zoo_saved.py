"""The output of this system's own tools, saved and read again with --from."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile

from zoo_tools import connections, ours, report, run

_POWERSHELL = "Get-NetTCPConnection | Format-Table -AutoSize | Out-String -Width 200"
TOOLS = {
    "linux": (
        *("ss -tan", "ss -tanp", "ss -tanpoei", "netstat -tan", "netstat -tanp"),
        *("lsof -nP -iTCP", "busybox netstat -tan", "cat /proc/net/tcp"),
    ),
    "darwin": ("netstat -an", "netstat -anv", "lsof -nP -iTCP"),
    "win32": ("netstat -ano", f"powershell -NoProfile -Command {_POWERSHELL}"),
    "freebsd": ("netstat -an", "sockstat -P tcp -s"),
    "openbsd": ("netstat -an", "fstat"),
    "netbsd": ("netstat -an", "sockstat"),
}
_IPV4_ONLY = ("cat /proc/net/tcp",)


def check_saved(held: list[socket.socket]) -> None:
    """Compare what --from finds in a tool's output with the sockets of the zoo."""
    system = next((name for name in TOOLS if sys.platform.startswith(name)), "")
    for command in TOOLS.get(system, ()):
        program = command.partition(" ")[0]
        if shutil.which(program) is None:
            continue
        words = command.split(maxsplit=3 if program == "powershell" else -1)
        output = run(*words).stdout
        if not output:
            continue  # Wine has a powershell that does nothing
        is_part = command in _IPV4_ONLY or "WINEPREFIX" in os.environ
        expected = connections(
            [each for each in held if each.family == socket.AF_INET]
            if is_part
            else held
        )
        if "WINEPREFIX" in os.environ:  # whose netstat lists no listeners
            expected = {(local, remote) for local, remote in expected if remote}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "saved")
            with open(path, "w", encoding="utf-8") as file:
                file.write(output)
            finished = ours("-tan", "--json", "--from", path)
        rows = json.loads(finished.stdout)["sockets"] if finished.stdout else []
        found = {(row["local_port"], row["remote_port"]) for row in rows}
        report(
            f"--from {command.replace(_POWERSHELL, 'Get-NetTCPConnection')}",
            expected <= found,
            (expected - found, finished.stderr, output[-200:]),
        )
