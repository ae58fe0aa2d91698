"""What Windows reports of the zoo, and what is said of what it lacks."""

from __future__ import annotations

import json
import os
import socket

from zoo_tools import BOUND_PORT, PYTHON, SOURCES, connections, ours, report

LINUX_ONLY = ("ss -K", "sysctl", "/proc/", "tcp_max_orphans", "sudo ", "apt ")


def check_windows(held: list[socket.socket]) -> None:
    """What Windows reports of the sockets that this program has opened."""
    ports = connections(held)
    for source in SOURCES["win32"]:
        finished = ours("-tanp", "--json", "--source", source)
        rows = json.loads(finished.stdout)["sockets"]
        mine = [r for r in rows if os.getpid() in [o["pid"] for o in r["processes"]]]
        found = {(row["local_port"], row["remote_port"]) for row in mine}
        found.discard((BOUND_PORT, 0))  # Wine lists it, as CLOSED
        report(f"{source}: owners", found == ports, found ^ ports)
        named = {owner["name"] for row in mine for owner in row["processes"]}
        report(f"{source}: names", named == {os.path.basename(PYTHON)}, named)
        nobody = [row for row in rows if 0 in [o["pid"] for o in row["processes"]]]
        report(f"{source}: pid 0 is no owner", not nobody, nobody)
    netstat = ours("-tan", "--source", "netstat")
    report("netstat: an answer or a reason", netstat.returncode in (0, 3), netstat)
    for words, lacks in (
        (["-tani"], "tcp_info"),
        (["-tan", "recv-q > 0"], "queues"),
        (["--source", "netlink", "-tan"], "netlink"),
        (["--netns", "all", "-tan"], "Linux"),
        (["sequence", "close", "--live"], "only Linux"),
        (["kill", "--dry-run", "sport = :1"], "Linux"),
        (["trace", "--for", "1"], "Linux"),
    ):
        finished = ours(*words)
        first, *others = finished.stderr.splitlines() or [""]
        is_right = lacks in first and not any("tcpstates:" in line for line in others)
        seen = finished.returncode, finished.stderr
        report(f"{' '.join(words)}: what is missing", is_right, seen)
    age = ours("-tan", "age < 1h", "--source", "iphlpapi")
    report("ages", age.returncode == 0, age.stderr)
    for words in ([], ["explain", "listen"], ["explain", "time_wait"], ["doctor"]):
        finished = ours(*words)
        advice = [each for each in LINUX_ONLY if each in finished.stdout]
        report(f"{' '.join(words)}: no advice for Linux", not advice, advice)
