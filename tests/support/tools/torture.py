"""Runs commands again and again, each time with another system call failing.

    cd tests && unshare -n -p -f --kill-child --mount-proc python -m support.tools.torture \\
        [--most N] [--seconds N] [--interrupt] [-- COMMAND...]

Every call that a command makes after its interpreter has started is made to fail by
strace, one at a time, with each of ERRORS; with --most N only some: at most so many
calls of each kind, with one error each; --seconds bounds the time. With --interrupt the calls succeed, and SIGINT
arrives with them. Afterwards the command must have ended with a
documented exit code, without a traceback, and with no row that is wrong or silently
missing. What went wrong is printed, then a summary as JSON; the exit code is 1 if
anything did.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from support.labs.lab import (
    HELD,
    connected,
    in_child,
    listener,
    loopback_up,
    port,
    reach,
)
from support.tools.judge import Ended, Judge, lines_of

TCPSTATES = str(Path(sys.executable).with_name("tcpstates"))
INTERRUPT = "SIGINT"  # instead of an error: the call is made, then comes the signal
ERRORS = [
    "ENOENT",
    "ESRCH",
    "EACCES",
    "EPERM",
    "EIO",
    "EMFILE",
    "ENOMEM",
    "EINTR",
    "ENOBUFS",
]
# What is found now is found later, too: a connection that waits grows old.
STRICT = " ".join(
    f"--threshold {limit}"
    for limit in ("kept=0s", "many=0s", "many-count=1", "accept-never=1d", "unread=1d")
)
COMMANDS = (
    "-tanp --json",
    "-tanp --json --source procfs",
    "-tanp --json --source psutil",
    "-tulpen",
    "-tanpoi -W",
    "-tac --by state,process",
    "-s",
    f"doctor {STRICT}",
    f"doctor --json {STRICT}",
    "explain",
    "check -w close_wait=50",
)
# These cannot fail, and brk() fails without an error: it leaves everything as it is.
_NEVER = ("exit", "exit_group", "brk")
_OURS = re.compile(r"tcpstates/cli")  # main() imports it first
_HIT = re.compile(r"\(INJECTED\)|--- SIGINT")
_CALL = re.compile(r"^\d+\s+(\w+)\(")
_PATIENCE = 30  # seconds


class Fault(NamedTuple):
    """The Nth call of a kind fails."""

    call: str
    number: int  # from 1, the interpreter's start included
    error: str

    def __str__(self) -> str:
        """Return it as strace takes it."""
        kind = "signal" if self.error == INTERRUPT else "error"
        return f"{self.call}:{kind}={self.error}:when={self.number}"


def build() -> None:
    """Make sockets that stay as they are for as long as all this takes."""
    server = listener()
    connected(server)
    client, accepted = connected(server)
    client.sendall(b"unread")
    accepted.shutdown(socket.SHUT_WR)
    reach("05", port(accepted))
    connected(listener("::1", v6only=True))
    connected(listener("::", v6only=False), "127.0.0.1")
    waiting = listener()
    HELD.append(socket.create_connection(waiting.getsockname()))
    in_child(lambda: None, b"sharing) child")
    for address in ("127.0.0.1", "::1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        plain = socket.socket(family, socket.SOCK_DGRAM)
        plain.bind((address, 0))
        HELD.append(plain)


def run(command: list[str], fault: Fault | None = None) -> Ended:
    """Run a command to its end."""
    with tempfile.NamedTemporaryFile("r") as log:
        strace = []
        if fault is not None:
            strace = ["strace", "-f", "-qq", "-o", log.name]
            if fault.error != INTERRUPT:  # strace 6.1 would not deliver the signal
                strace.append("--seccomp-bpf")
            strace += ["-e", f"trace={fault.call}", "-e", f"inject={fault}"]
        try:
            finished = subprocess.run(
                [*strace, TCPSTATES, *command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Ended(-1, "", "it hangs")
        failed = next((line.strip() for line in log if _HIT.search(line)), "")
    streams = finished.stdout, finished.stderr
    output, errors = (stream.decode("utf-8", "replace") for stream in streams)
    return Ended(finished.returncode, output, errors, failed)


def count_calls(command: list[str]) -> tuple[Counter[str], Counter[str]]:
    """Return how many calls of each kind the interpreter's start takes, and all."""
    with tempfile.NamedTemporaryFile("r") as log:
        strace = ["strace", "-f", "-qq", "-o", log.name, TCPSTATES, *command]
        subprocess.run(strace, capture_output=True, check=False, timeout=_PATIENCE)
        before: Counter[str] = Counter()
        all_: Counter[str] = Counter()
        for line in log:
            if not before and _OURS.search(line):
                before = all_.copy()
            found = _CALL.match(line)
            if found and found[1] not in _NEVER:
                all_[found[1]] += 1
    return before, all_


def faults(
    command: list[str], most: int | None, errors: Sequence[str]
) -> Iterator[Fault]:
    """Yield what is to fail, of each kind `most` calls at equal distances."""
    before, all_ = count_calls(command)
    turn = 0
    for call in sorted(all_):
        numbers = range(before[call] + 1, all_[call] + 1)
        if most is None:
            yield from (Fault(call, n, error) for n in numbers for error in errors)
            continue
        step = max(1, len(numbers) / most)
        for place in range(min(most, len(numbers))):
            yield Fault(call, numbers[int(place * step)], errors[turn % len(errors)])
            turn += 1


def torture(
    command: list[str], most: int | None, errors: Sequence[str], end: float
) -> tuple[Counter[str], list[str]]:
    """Return how runs have ended, and what went wrong; none is begun after `end`."""
    judge = Judge(command, run)
    codes: Counter[str] = Counter()
    wrong = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        planned = list(faults(command, most, errors))
        ends = pool.map(
            lambda f: run(command, f) if time.monotonic() < end else None, planned
        )
        for fault, ended in zip(planned, ends, strict=True):
            if ended is None:
                continue
            codes[f"exit {ended.code}"] += 1
            complaint = judge.complaint(ended)
            if complaint:
                last = " ".join(lines_of(ended.errors)[-1:])
                wrong.append(
                    f"{shlex.join(command)}: {ended.failed or fault}: {complaint}; {last}"
                )
    return codes, wrong


def main() -> int:
    """Torture every command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, metavar="N")
    parser.add_argument("--seconds", type=float, default=float("inf"), metavar="N")
    parser.add_argument("--interrupt", action="store_true", help="Ctrl-C instead")
    parser.add_argument("commands", nargs="*", default=COMMANDS)
    options = parser.parse_args()
    loopback_up()
    # In a process that starts no others: those would hold the sockets, too, for a time.
    in_child(build)
    errors = [INTERRUPT] if options.interrupt else ERRORS
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # shells make jobs ignore it
    end = time.monotonic() + options.seconds
    summary: dict[str, Any] = {}
    failures = 0
    for text in options.commands:
        codes, wrong = torture(shlex.split(text), options.most, errors, end)
        summary[text] = {"runs": codes.total(), **codes, "wrong": len(wrong)}
        failures += len(wrong)
        for each in wrong:
            sys.stdout.write(each + "\n")
        sys.stdout.flush()
    sys.stdout.write(json.dumps(summary) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
