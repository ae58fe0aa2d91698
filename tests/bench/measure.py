"""Time tcpstates against ss, netstat, lsof and psutil on the same sockets.

    .venv/bin/python tests/bench/measure.py [--sizes 10,1000,100000] [--rounds 5]

As root. It makes a private network namespace, fills it (`population.py`), runs
each command as a whole process in turn, round after round, its output in a pipe
(one row: on a pseudo-terminal), and prints medians, ratios and peak memory as
Markdown: of the time on the clock, and of the processor's time in brackets. Every
command has a time limit; the sockets go with the workers. A million sockets take 4 GB
of memory and twenty minutes. `--crowd` measures a host with 1,500 processes of 200
descriptors, and few sockets.
"""

from __future__ import annotations

import argparse
import os
import platform
import pty
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1]))

from population import Crowd, Population

from support.labs.lab import loopback_up

LIMIT = 200  # seconds for one command
QUADRATIC = 100_000  # above it `ss -p` and `netstat -p` do not end
OURS = str(Path(sys.executable).with_name("tcpstates"))  # as installed
PSUTIL = "import psutil\nfor c in psutil.net_connections('tcp'): print(c)"


class Command(NamedTuple):
    """What to time, and what it is measured against."""

    name: str
    words: tuple[str, ...]
    against: tuple[str, ...] = ()
    most: int = 10**9  # sockets
    terminal: bool = False


def ours(arguments: str, *against: str, terminal: bool = False) -> Command:
    """Return one of our own commands."""
    words = (OURS, *arguments.split())
    name = f"tcpstates {arguments}" + (" (terminal)" if terminal else "")
    return Command(name, words, against, terminal=terminal)


def theirs(line: str, most: int = 10**9) -> Command:
    """Return a command of another tool."""
    return Command(line, tuple(line.split()), most=most)


def python(name: str, call: str, *against: str) -> Command:
    """Return a program that calls a function some times, for a process of the crowd."""
    program = LOOP.format(TIMES, call)
    return Command(name, (sys.executable, "-c", program), against)


# Files of these names, in a folder of their own, with what the tools have printed.
SAVED = {
    "listing-of-ss": "ss -tan",
    "listing-of-netstat": "netstat -tan",
    "listing-of-lsof": "lsof -nP -iTCP",
}
CLICK = "python -c 'import click'"
COMMANDS = (
    theirs("ss -tan"),
    ours("-tan", "ss -tan"),
    ours("-tas", "ss -tan"),
    ours("-tac", "ss -tan"),
    ours("--json -tan", "tcpstates -tan"),
    ours("-tan", "tcpstates -tan", terminal=True),
    theirs("ss -tano"),
    ours("-tano", "ss -tano"),
    theirs("ss -tani"),
    ours("-tani", "ss -tani"),
    ours("--json -tani", "ss -tani"),
    ours("doctor", "ss -tani"),
    theirs("ss -tan state close-wait"),
    ours("-tan close_wait", "ss -tan state close-wait"),
    theirs("ss -tan dport = :443"),
    ours("-tan dport = :443", "ss -tan dport = :443", "ss -tan"),
    ours("-tan recv-q > 0", "ss -tan"),
    ours("--csv -tan", "tcpstates -tan"),
    ours("--jsonl -tan", "tcpstates -tan"),
    Command(
        "tcpstates --jsonl -ta | head -1",
        ("sh", "-c", f"{OURS} --jsonl -ta | head -1"),
        (CLICK,),
    ),
    ours("-tan --sort -recv-q --limit 20", "tcpstates -tan"),
    ours("-ta --by state", "ss -tan"),
    ours("-ta --by state,process", "tcpstates -tanp"),
    *(ours(f"-tan --from {name}", "tcpstates -tan") for name in SAVED),
    theirs("lsof -nP -iTCP"),
    theirs("ss -tanp", QUADRATIC),
    theirs("netstat -tanp", QUADRATIC // 10),
    ours("-tanp", "ss -tanp", "lsof -nP -iTCP"),
    theirs("netstat -tan"),
    theirs("busybox netstat -tan"),
    theirs("cat /proc/net/tcp /proc/net/tcp6"),
    Command("psutil", (sys.executable, "-c", PSUTIL)),
    ours("-tan --source procfs", "psutil", "netstat -tan"),
    ours("-tan --source psutil", "psutil"),
    Command(CLICK, (sys.executable, "-c", "import click")),
    theirs("ss -ltn"),
    ours("-ltn", CLICK, "ss -ltn"),
    ours("-ltnp", CLICK),
    ours("-s", CLICK),
    ours("--version", CLICK),
)

CROWD = 1500, 200  # processes, and descriptors of each
TIMES = 200  # calls, beside which the start of Python matters little
LOOP = """
import os, psutil, tcpstates
pid = psutil.Process(os.getppid()).children()[0].pid
for _ in range({}): {}
"""
CROWD_COMMANDS = (
    theirs("ss -ltnp"),
    theirs("lsof -nP -iTCP -sTCP:LISTEN"),
    ours("-ltnp", "ss -ltnp", "lsof -nP -iTCP -sTCP:LISTEN"),
    python("psutil.Process(pid)", "psutil.Process(pid).net_connections()"),
    python(
        "snapshot by pid",
        "tcpstates.snapshot(f'pid = {pid}')",
        "psutil.Process(pid)",
    ),
)


class Result(NamedTuple):
    """Medians of a command's runs, and what was read once."""

    seconds: float  # on the clock
    cpu: float  # seconds of the processor, in the kernel and outside
    peak_mb: float  # of resident memory
    received: int | None  # bytes from the kernel's sock_diag; None: not counted


def run(command: Command) -> tuple[float, float] | None:
    """Run a command to its end; return its seconds, None when it took too long.

    The first number is the time on the clock, the second the processor's.
    """
    with output(terminal=command.terminal) as stdout:
        started = time.perf_counter()
        process = start(command, stdout)
        limit = Timer(LIMIT, process.kill)
        limit.start()
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0  # it has been waited for
        seconds = time.perf_counter() - started
        limit.cancel()
    return None if seconds >= LIMIT else (seconds, used.ru_utime + used.ru_stime)


def peak_memory(command: Command) -> float:
    """Return a command's peak of resident memory in MB, watched from outside.

    The kernel's own figure for a finished child includes ours at its start.
    """
    peak = 0
    with output(terminal=command.terminal) as stdout:
        process = start(command, stdout)
        while process.poll() is None:
            with suppress(OSError, ValueError, IndexError):
                status = Path(f"/proc/{process.pid}/status").read_text()
                peak = max(peak, int(status.split("VmHWM:")[1].split()[0]))
            time.sleep(0.001)
    return peak / 1024


def received(command: Command) -> int | None:
    """Return how many bytes a filtered listing has received, as strace tells."""
    if "=" not in command.name or not shutil.which("strace"):
        return None
    calls = ("strace", "-qq", "-f", "-e", "trace=recvmsg,recvmmsg", *command.words)
    traced = subprocess.run(
        calls, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    )
    # ss looks at each datagram's length before it takes it.
    lines = [line for line in traced.stderr.splitlines() if "MSG_PEEK" not in line]
    numbers = re.findall(r"(?:recvmsg\(.*\) = |msg_len=)(\d+)", "\n".join(lines))
    return sum(map(int, numbers))


def start(command: Command, stdout: int) -> subprocess.Popen[bytes]:
    """Start a command that writes to `stdout`, which is then closed here."""
    try:
        return subprocess.Popen(command.words, stdout=stdout, stderr=subprocess.DEVNULL)
    finally:
        os.close(stdout)


@contextmanager
def output(*, terminal: bool) -> Iterator[int]:
    """Give a descriptor to write to, whose other end is read until it closes."""
    reading, writing = pty.openpty() if terminal else os.pipe()
    drain = subprocess.Popen(
        ["cat"], stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(reading)
    try:
        yield writing
    finally:
        drain.wait()


def measure(
    population: Population | Crowd, commands: list[Command], rounds: int
) -> dict[str, Result]:
    """Return what each command takes among these sockets."""
    times: dict[Command, list[tuple[float, float]]] = {c: [] for c in commands}
    folder = TemporaryDirectory()
    os.chdir(folder.name)
    try:
        for name, line in SAVED.items():
            if shutil.which(line.split()[0]):
                with open(name, "wb") as file:
                    subprocess.run(line.split(), stdout=file, check=False)
        for _ in range(rounds):
            population.refresh()
            for command in list(times):
                seconds = run(command)
                if seconds is None:
                    del times[command]
                else:
                    times[command].append(seconds)
        return {
            command.name: Result(
                statistics.median(seconds for seconds, _ in taken),
                statistics.median(cpu for _, cpu in taken),
                peak_memory(command),
                received(command),
            )
            for command, taken in times.items()
        }
    finally:
        population.close()
        os.chdir("/")
        folder.cleanup()


def chosen(sockets: int, only: str) -> list[Command]:
    """Return the commands to run, and those that they are measured against."""
    asked = [command for command in COMMANDS if only in command.name]
    against = {name for command in asked for name in command.against}
    return [
        command
        for command in COMMANDS
        if (command in asked or command.name in against)
        and sockets <= command.most
        and shutil.which(command.words[0])
    ]


def report(title: str, commands: Sequence[Command], results: dict[str, Result]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        f"\n{title}\n",
        "| command | seconds | CPU | peak MB | ratio of time [CPU] |",
        "|---|--:|--:|--:|---|",
    ]
    for command in commands:
        result = results.get(command.name)
        if result is None:
            continue
        ratios = [
            f"{result.seconds / other.seconds:.2f} [{result.cpu / other.cpu:.2f}]"
            f" of `{name}`"
            for name in command.against
            if (other := results.get(name))
        ]
        if result.received is not None:
            ratios.append(f"{result.received:,} bytes received")
        lines.append(
            f"| `{command.name}` | {result.seconds:.3f} | {result.cpu:.3f}"
            f" | {result.peak_mb:.0f}"
            f" | {', '.join(ratios)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Enter a namespace of our own, measure each size, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default="10,1000,100000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="part of the commands' names")
    parser.add_argument("--crowd", action="store_true", help="many processes instead")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    # An installed program has its bytecode: without it, a start takes twice as long.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if arguments.inside:
        loopback_up()
        if arguments.crowd:
            commands, title = list(CROWD_COMMANDS), "{:,} processes x {} descriptors"
            results = measure(Crowd(*CROWD), commands, arguments.rounds)
            sys.stdout.write(report(title.format(*CROWD), commands, results))
            return
        size = int(arguments.sizes)
        commands = chosen(size, arguments.only)
        results = measure(Population(size), commands, arguments.rounds)
        sys.stdout.write(report(f"{size:,} sockets", commands, results))
        return
    sys.stdout.write(
        f"Linux {platform.release()}, {os.cpu_count()} cores,"
        f" Python {platform.python_version()}, medians of {arguments.rounds} rounds\n"
    )
    for each in ["0"] if arguments.crowd else arguments.sizes.split(","):
        sys.stdout.flush()
        again = [sys.executable, __file__, "--inside", "--sizes", each]
        again += ["--crowd"] if arguments.crowd else []
        again += ["--rounds", str(arguments.rounds), "--only", arguments.only]
        subprocess.run(["unshare", "-n", *again], check=True)


if __name__ == "__main__":
    main()
