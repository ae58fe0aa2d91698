"""Processes that change while they are looked at. Run as a program, with a race's name.

`rename` is run as `lab.py` is: a process that calls itself by two names in turn. `reuse`
needs a pid namespace of its own, too (`unshare -n -p -f --mount-proc`): the holder of a
socket ends in the middle of the scan, and another process gets its pid. It prints what
tcpstates said, and whether the pid was the same.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from support.labs.lab import (
    HELD,
    in_child,
    listener,
    loopback_up,
    port,
    rename,
    tell_and_wait,
    wait_until,
)

NAMES = (b"aaaaaaaaaaaa", b"bbbbbbbbbbbb")
VICTIM, IMPOSTOR = b"victim", b"impostor"
_DESCRIPTORS = 60
_DELAY = 20_000  # microseconds that each look at a descriptor takes: 1.2 s for all


def renaming() -> None:
    """Call a listener's process by two names, as fast as it goes."""
    made = listener()
    pid = os.fork()
    if pid == 0:
        while os.getppid() == parts["main"]:
            for name in NAMES:
                rename(name)
        os._exit(0)
    parts.update(flipping=pid, port=port(made))
    made.close()
    tell_and_wait(parts)


def reuse() -> None:
    """Let a pid pass to another process while its descriptors are read."""

    def hold() -> None:
        made = listener()
        for _ in range(_DESCRIPTORS):
            HELD.append(made.dup())

    victim = in_child(hold, VICTIM)
    inject = f"inject=readlinkat:delay_enter={_DELAY}"
    strace = [
        "strace",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=readlinkat",
        "-e",
        inject,
    ]
    tcpstates = str(Path(sys.executable).with_name("tcpstates"))
    command = [*strace, tcpstates, "-ltnp", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: looks_at(victim, process.pid))
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(victim - 1))
    impostor = in_child(lambda: None, IMPOSTOR)
    output, _ = process.communicate(timeout=60)
    told = {"reused": impostor == victim, "code": process.returncode}
    sys.stdout.write(json.dumps(told | {"sockets": json.loads(output)["sockets"]}))


def looks_at(pid: int, tracer: int) -> bool:
    """Tell whether a child of strace has a process's descriptors open."""
    children = Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()
    for child in children:
        with suppress(OSError):
            for link in Path(f"/proc/{child}/fd").iterdir():
                with suppress(OSError):
                    if os.readlink(link) == f"/proc/{pid}/fd":
                        return True
    return False


if __name__ == "__main__":
    loopback_up()
    parts = {"main": os.getpid()}
    {"rename": renaming, "reuse": reuse}[sys.argv[1]]()
