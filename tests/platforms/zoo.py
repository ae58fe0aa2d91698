"""Runs on the platform itself: sockets of every kind, and what tcpstates says of them.

`python3 zoo.py` opens the sockets, compares every source with ss, runs the commands that
people use, and prints a line of JSON for each check: its name, whether it holds, and what
was seen. It needs nothing but tcpstates and, where there is one, ss.
"""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys
import time
from collections import Counter

from zoo_saved import check_saved
from zoo_tools import (
    BOUND_PORT,
    PORT,
    PORT6,
    PYTHON,
    SECONDS,
    SOURCES,
    UDP_PORT,
    ours,
    report,
    run,
    wrong,
)
from zoo_windows import check_windows

# Filters that the kernel decides on, and their equals for ss.
FILTERS = {
    "sport = :8080": "sport = :8080",
    "sport = :8080 or sport = :8081": "( sport = :8080 or sport = :8081 )",
    "sport >= 8080 and sport <= 8081": "( sport >= :8080 and sport <= :8081 )",
    "src 127.0.0.0/8": "src 127.0.0.0/8",
    "src [::1]": "src [::1]",
    "not sport = :8080": "not sport = :8080",
    "dst 127.0.0.1": "dst 127.0.0.1",
}
TUPLE = dict[str, object]


def open_zoo() -> list[socket.socket]:
    """Open listeners, connections, CLOSE_WAIT, TIME_WAIT, UDP and a bound socket."""
    held = []
    server = socket.create_server(("127.0.0.1", PORT), backlog=5)
    server6 = socket.create_server(("::1", PORT6), family=socket.AF_INET6)
    held += [server, server6]
    client = socket.create_connection(("127.0.0.1", PORT))
    client.send(b"x" * 100)
    held += [client, server.accept()[0]]
    held += [socket.create_connection(("::1", PORT6)), server6.accept()[0]]
    leaving = socket.create_connection(("127.0.0.1", PORT))
    held.append(server.accept()[0])
    leaving.close()  # CLOSE_WAIT here, FIN_WAIT_2 there
    leave_time_wait(server)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", UDP_PORT))
    bound = socket.socket()
    bound.bind(("127.0.0.1", BOUND_PORT))
    return [*held, udp, bound]


def leave_time_wait(server: socket.socket) -> None:
    """Leave one behind; it lasts a minute, as long as some checks under emulation."""
    first = socket.create_connection(("127.0.0.1", PORT))
    second = server.accept()[0]
    first.close()
    second.close()


def key(local: str, remote: str) -> tuple[str, str]:
    """Spell the ends of a socket in one way."""
    return local.replace("[", "").replace("]", ""), remote.replace("[", "").replace(
        "]", ""
    )


def by_ss(*words: str) -> Counter[tuple[str, str]]:
    """The ends of the TCP sockets that ss shows; since iproute2 7, bound ones, too."""
    rows = [line.split() for line in run("ss", "-Htan", *words).stdout.splitlines()]
    return Counter(
        key(row[3], row[4].replace("*", "0")) for row in rows if row[0] != "UNCONN"
    )


def by_us(*words: str) -> Counter[tuple[str, str]]:
    """The ends of the TCP sockets that tcpstates shows."""
    found = rows_of(*words)
    return Counter(
        key(
            f"{row['local_address']}:{row['local_port']}",
            f"{row['remote_address']}:{row['remote_port']}",
        )
        for row in found
    )


def rows_of(*words: str) -> list[TUPLE]:
    """The sockets that tcpstates lists as JSON."""
    finished = ours("-tan", "--json", *words)
    return json.loads(finished.stdout)["sockets"] if finished.returncode == 0 else []


def check_sources() -> None:
    """Each source against ss, or against what this program has opened."""
    has_ss = run("sh", "-c", "command -v ss").returncode == 0
    sources = SOURCES.get(sys.platform, ("auto",))
    for source in sources:
        found = by_us("--source", source)
        states = Counter(row["state"] for row in rows_of("--source", source))
        wanted = {"LISTEN": 2, "CLOSE_WAIT": 1}
        seen = {state: states[state] for state in wanted}
        report(
            f"{source}: states", all(states[s] >= n for s, n in wanted.items()), seen
        )
        if has_ss:
            theirs = by_ss()
            report(
                f"{source}: as ss", found == theirs, (found - theirs, theirs - found)
            )
        udp = ours("-uan", "--json", "--source", source)
        is_there = f'"local_port": {UDP_PORT}' in udp.stdout
        report(
            f"{source}: udp",
            is_there and '"protocol": "tcp"' not in udp.stdout,
            udp.stderr,
        )


def check_linux(server: socket.socket) -> None:
    """What only Linux reports."""
    has_ss = run("ss", "-V").returncode == 0
    for words, theirs in FILTERS.items() if has_ss else ():
        report(
            f"filter {words}",
            by_us(words) == by_ss(theirs),
            by_us(words) - by_ss(theirs),
        )
    listed = run("ss", "-Htane").stdout.splitlines()
    unbound = "\n".join(line for line in listed if not line.startswith("UNCONN"))
    cookies = set(re.findall(r"\bsk:([0-9a-f]+)", unbound))
    found = {f"{int(str(row['cookie'])):x}" for row in rows_of("-e")}
    if has_ss:
        report("cookies as ss", found == cookies, (found ^ cookies))
    info = rows_of("-i", "established")
    report("tcp_info", bool(info) and all(row.get("info") for row in info))
    queue = [row["recv_q"] for row in rows_of("close_wait or established")]
    report("queues", 100 in queue, queue)
    leave_time_wait(server)
    timers = rows_of("-o", "time-wait")
    report("timers", bool(timers) and all(row["timer"] for row in timers))
    owners = ours("-tanp")
    report("owners", f"pid={os.getpid()}" in owners.stdout, owners.stderr)
    bound = ours("-tan", "bound")
    major, minor = map(int, re.findall(r"\d+", os.uname().release)[:2])
    has_bound = (major, minor) >= (6, 8)
    is_right = f":{BOUND_PORT}" in bound.stdout if has_bound else "6.8" in bound.stderr
    report("bound sockets, or why not", is_right, bound.stderr)
    live = ours("sequence", "close", "--live")
    report(
        "sequence close --live", live.returncode == 0, live.stdout[-300:] + live.stderr
    )
    start = time.monotonic()
    option = "--source", "netlink"
    report("deadline", ours("-ltn", *option).returncode == 0, time.monotonic() - start)


def check_commands() -> None:
    """What people type ends well, and says what the system lacks."""
    for words, wanted in (
        (["-ltpn"], f":{PORT}"),
        (["-s"], "LISTEN"),
        (["-ta", "--by", "state"], "CLOSE_WAIT"),
        (["doctor"], "examined"),
        (["explain", "close_wait"], "CLOSE_WAIT"),
        (["diagram"], "ESTABLISHED"),
        (["sequence", "close"], "FIN_WAIT_2"),
        (["check", "-w", "close_wait=999"], "TCPSTATES OK"),
        (["--csv", "-ta"], "protocol,family"),
        (["--openmetrics"], "# EOF"),
        (["--like", "ss", "-tan"], "State"),
        (["states"], "TIME_WAIT"),
        (["-V"], "tcpstates"),
    ):
        finished = ours(*words)
        is_right = finished.returncode in (0, 1) and wanted in finished.stdout
        report(" ".join(words), is_right, finished.stdout[-200:] + finished.stderr)
    checking = [PYTHON, "-m", "tcpstates", "check", "-c", "total=@0:"]
    with subprocess.Popen(checking, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()  # the reader leaves before there is anything to read
        code = process.wait(SECONDS)
    report("check keeps its exit code", code == 2, code)


def main() -> int:
    """Run every check; with --strict, the exit code is 1 if one does not hold."""
    held = open_zoo()
    here = platform.uname()
    kernel = f"{here.system} {here.release.split('-')[0]} on {here.machine}"
    about = f"Python {platform.python_version()}, {sys.byteorder}-endian, {kernel}"
    report("platform", True, about)
    time.sleep(0.2)
    check_sources()
    if sys.platform == "linux":
        check_linux(held[0])
    if sys.platform == "win32":
        check_windows(held)
    check_saved(held)
    check_commands()
    for each in held:
        each.close()
    report("end", True)
    return 1 if wrong and "--strict" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
