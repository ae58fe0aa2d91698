"""What other tools print of this machine's sockets, read back, is the live listing."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Lab, finish, run_command

Socket = dict[str, Any]
PLACE: tuple[str, ...] = ("protocol", "family", "local_address", "local_port")
PLACE += ("remote_address", "remote_port", "state")


def read_back(text: str, folder: Path, *arguments: str) -> list[Socket]:
    path = folder / "saved.txt"
    path.write_text(text)
    finished = run_command("-tua", "--json", "--from", str(path), *arguments)
    assert (finished.returncode, finished.stderr) == (0, "")
    found: list[Socket] = json.loads(finished.stdout)["sockets"]
    return found


def pids(socket: Socket) -> tuple[int, ...]:
    return tuple(sorted({owner["pid"] for owner in socket["processes"] or ()}))


def holders(socket: Socket) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((o["pid"], o["fd"]) for o in socket["processes"] or ()))


def counted(
    sockets: list[Socket], *names: str, more: Callable[[Socket], Any] = lambda _: None
) -> Counter[Any]:
    return Counter((*(s[name] for name in names), more(s)) for s in sockets)


@pytest.fixture
def live(lab: Lab) -> list[Socket]:
    found = lab.sockets("-tuaep")
    # A thread's own table is seen by us, and by ss and lsof not.
    apart = lab.parts["own_table"]
    return [s for s in found if s["local_port"] != apart]


def told(lab: Lab, *command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing")
    finished = lab.run(*command)
    apart = f":{lab.parts['own_table']} "
    return "".join(
        line + "\n" for line in finished.stdout.split("\n")[:-1] if apart not in line
    )


@pytest.mark.parametrize("options", ["-tuanpeO", "-tuanpe", "-tuanpeoimO"])
def test_ss(lab: Lab, live: list[Socket], tmp_path: Path, options: str) -> None:
    found = read_back(told(lab, "ss", options), tmp_path)
    names = (*PLACE, "recv_q", "send_q", "inode", "uid", "cookie")
    assert counted(found, *names, more=holders) == counted(live, *names, more=holders)


def test_ss_with_a_second_line(lab: Lab, live: list[Socket], tmp_path: Path) -> None:
    found = read_back(told(lab, "ss", "-tanie"), tmp_path, "-i")
    tcp = [s for s in live if s["protocol"] == "tcp"]
    assert counted(found, *PLACE, "inode") == counted(tcp, *PLACE, "inode")
    states = ("ESTABLISHED", "CLOSE_WAIT")
    connected = [s for s in found if s["state"] in states]
    assert all(s["info"]["congestion_window"] > 0 for s in connected)
    assert all(s["idle_ms"] is not None for s in connected)


def test_netstat(lab: Lab, live: list[Socket], tmp_path: Path) -> None:
    found = read_back(told(lab, "netstat", "-tuanpeW"), tmp_path)
    names = (*PLACE, "recv_q", "inode", "uid")

    # It names one process of a socket.
    def first(socket: Socket) -> Any:
        return pids(socket)[:1] and True

    assert counted(found, *names, more=first) == counted(live, *names, more=first)
    sent = [s for s in live if s["state"] != "LISTEN"]
    back = [s for s in found if s["state"] != "LISTEN"]
    assert counted(back, *PLACE, "send_q") == counted(sent, *PLACE, "send_q")


def test_busybox(lab: Lab, live: list[Socket], tmp_path: Path) -> None:
    found = read_back(told(lab, "busybox", "netstat", "-tuan"), tmp_path)
    assert counted(found, *PLACE, "recv_q") == counted(live, *PLACE, "recv_q")


def test_lsof(lab: Lab, live: list[Socket], tmp_path: Path) -> None:
    found = read_back(told(lab, "lsof", "-nP", "-i"), tmp_path)
    held = [(s, owner) for s in live for owner in s["processes"] or ()]
    names = tuple(name for name in PLACE if name != "state")

    def state(socket: Socket) -> Any:
        return socket["state"] if socket["protocol"] == "tcp" else None

    expected = Counter(
        (*(s[name] for name in names), s["inode"], state(s), o["pid"], o["fd"])
        for s, o in held
        if s["state"] != "CLOSED"  # bound and no more: lsof cannot name its endpoints
    )
    got = Counter(
        (*(s[name] for name in names), s["inode"], state(s), o["pid"], o["fd"])
        for s in found
        for o in s["processes"]
    )
    assert got == expected


def test_proc(lab: Lab, live: list[Socket], tmp_path: Path) -> None:
    tables = ("tcp", "tcp6", "udp", "udp6")
    files = [f"/proc/thread-self/net/{table}" for table in tables]
    text = told(lab, "cat", *files)
    found = read_back(text, tmp_path)
    apart = lab.parts["own_table"]
    found = [s for s in found if s["local_port"] != apart]
    names = (*PLACE, "recv_q", "inode", "uid")
    assert counted(found, *names) == counted(live, *names)


@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_our_own(lab: Lab, tmp_path: Path, form: str) -> None:
    written = lab.tcpstates("-tuaepi", form).stdout
    found = read_back(written, tmp_path, "-epi")
    if form == "--json":
        rows = json.loads(written)["sockets"]
    else:
        rows = [json.loads(line) for line in written.splitlines()]
    times = ("age_ms", "age_max_ms", "idle_ms")

    def whole(row: Socket) -> str:
        return json.dumps({k: v for k, v in row.items() if k not in times})

    assert sorted(map(whole, found)) == sorted(map(whole, rows))


def test_the_doctor_comes_to_the_same_of_a_file(lab: Lab, tmp_path: Path) -> None:
    limits = ("--threshold", "kept=0s", "--threshold", "pool-count=1")
    live = json.loads(lab.tcpstates("doctor", "--json", *limits).stdout)
    path = tmp_path / "saved.jsonl"
    path.write_text(lab.tcpstates("-tapi", "--jsonl").stdout)
    command = [*lab.command, "doctor", "--json", *limits, "--from", str(path)]
    saved = json.loads(finish(command).stdout)
    kinds = {"close-wait", "fin-wait-2"}

    def told_of(found: dict[str, Any]) -> set[tuple[str, str]]:
        every = found["findings"]
        return {(f["rule"], f["subject"]) for f in every if f["rule"] in kinds}

    assert told_of(saved) == told_of(live) != set()
