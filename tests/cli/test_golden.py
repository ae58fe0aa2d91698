"""What every command prints of the same sockets, literally.

The expected texts are in tests/golden/cli; `pytest --update-golden` writes them anew.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from conftest import Golden
from support.fakes.hostile_saved import OWN
from support.tools.inprocess import told
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.lifecycle.topics import TOPICS
from tcpstates.settings import KernelSettings

# Not the command of the same name, which hides it in the package.
explain = importlib.import_module("tcpstates.cli.commands.explain")
TAKEN_AT = 1_800_000_000  # seconds since the epoch
INFO = OWN["info"] | {"rto": 204_000, "rtt_variance": 250, "congestion_window": 10}
INFO |= {
    "unacked": 0,
    "lost": 1,
    "bytes_sent": 5,
    "bytes_acked": 6,
    "not_sent_bytes": 0,
}
INFO |= {"bytes_received": 7, "total_retransmits": 3, "delivery_rate": 1_250_000}
PLAIN = {
    "timer": None,
    "truncated": None,
    "congestion": None,
    "info": None,
    "memory": None,
}


def socket(state: str, **changes: Any) -> dict[str, Any]:
    return OWN | PLAIN | {"state": state, "raw_state": state} | changes


NOBODY = {"processes": [], "inode": 0}
LISTEN = {"remote_address": "0.0.0.0", "remote_port": 0, "recv_q": 3, "send_q": 128}
SHARED = [
    {"pid": 70, "name": "nginx", "name_raw": None, "fd": 6},
    {"pid": 71, "name": "nginx", "name_raw": None, "fd": 6},
    {"pid": 9, "name": 'a "(b', "name_raw": None, "fd": None},
]
SOCKETS = [
    socket("LISTEN", local_port=80, local_address="0.0.0.0", **LISTEN),
    socket("LISTEN", local_port=443, family="ipv6", local_address="::", processes=SHARED,
           v6only=True, **LISTEN | {"remote_address": "::"}),
    socket("ESTABLISHED", info=INFO, congestion="cubic", memory=OWN["memory"], uid=0,
           user="root", cgroup="/", mark=0x1F),
    socket("ESTABLISHED", local_port=80, remote_port=50001, recv_q=300_000, info=INFO,
           timer={"kind": "keepalive", "expires_ms": 7_100_000, "retransmits": 0}),
    socket("ESTABLISHED", family="ipv6", local_address="fe80::1", interface="eth0",
           remote_address="fe80::2", processes=None, no_process_reason="hidden"),
    *(socket("CLOSE_WAIT", remote_port=40_000 + n, info=INFO, recv_q=1) for n in range(6)),
    socket("TIME_WAIT", **NOBODY, no_process_reason="time-wait", uid=None, user=None,
           timer={"kind": "time-wait", "expires_ms": 12_345, "retransmits": 0}),
    socket("SYN_SENT", timer={"kind": "retransmit", "expires_ms": 900, "retransmits": 3}),
    socket("SYN_RECEIVED", **NOBODY, no_process_reason="half-open"),
    socket("FIN_WAIT_1", **NOBODY, no_process_reason="orphan", send_q=9,
           timer={"kind": "retransmit", "expires_ms": None, "retransmits": 2}),
    socket("FIN_WAIT_2", **NOBODY, no_process_reason="orphan",
           timer={"kind": "time-wait", "expires_ms": 50_000, "retransmits": 0}),
    socket("CLOSING", **NOBODY, no_process_reason="orphan"),
    socket("LAST_ACK", **NOBODY, no_process_reason="orphan", truncated=["remote_address"],
           remote_address="198.51.100.1"),
    socket("BOUND", local_port=9000, remote_address="0.0.0.0", remote_port=0),
    socket("WHAT\\EVER", processes=[{"pid": 5, "name": None, "name_raw": None, "fd": 1}]),
    socket("UNCONN", protocol="udp", local_port=53, **LISTEN),
    socket("ESTABLISHED", protocol="udp", local_port=4000, remote_port=53),
]  # fmt: skip

CASES = {
    "default": "-n",
    "listening": "-ltn",
    "listening-udp": "-lun",
    "udp": "-un",
    "all": "-an",
    "both": "-tuan",
    "ipv4": "-an -4",
    "ipv6": "-an -6",
    "extended": "-tuane",
    "timers": "-ano",
    "processes": "-tuanp",
    "info": "-ani",
    "memory": "-anm",
    "everything": "-tuanpeoim",
    "no-header": "-anH",
    "color": "-an --color always",
    "table": "-tuanpe --format table",
    "table-wide": "-tuanpeoim --format table -W",
    "table-color": "-tuan --format table --color always",
    "table-no-header": "-an --format table -H",
    "columns": "-an --columns state,local-port,raw-state,family,uid,pid,timer-kind",
    "columns-times": "-an --columns state,timer-ms,age-ms,age-max-ms,idle-ms,retrans,netns",
    "columns-added": "-an --columns +cookie,-protocol",
    "sort": "-tuan --sort -recv-q,local",
    "sort-process": "-tuanp --sort process,-pid",
    "sort-age": "-ano --sort -age",
    "limit": "-an --limit 3",
    "limit-one-left": "-an --limit 18",
    "json": "-tuanpeoim --json",
    "json-limit": "-an --json --limit 1",
    "jsonl": "-tuan --jsonl",
    "csv": "-tuanpeoim --csv",
    "csv-no-header": "-an --csv -H",
    "openmetrics": "--openmetrics -n",
    "openmetrics-by": "--openmetrics --by state,process -n",
    "openmetrics-limit": "--openmetrics --by state --limit 2 -tua",
    "count": "-tuac",
    "count-json": "-tac --json",
    "count-jsonl": "-tac --jsonl",
    "count-csv": "-tac --csv",
    "count-limit": "-tac --by state --limit 1 --json",
    "by-uid-json": "-ta --by uid,timer-kind,user --json",
    "by-uid-csv": "-ta --by uid,local-port,cookie --csv",
    "by-uid-metrics": "-ta --by uid,interface --openmetrics",
    "by-age": "-ta --by age,info,memory",
    "sort-two": "-tuan --sort -uid,timer-ms,-remote --columns uid,timer-ms,remote",
    "count-states": "-tac close_wait closing",
    "count-by": "-tac --by state",
    "summary": "-s",
    "summary-tcp4": "-s -t4",
    "summary-listening": "-s -l",
    "summary-json": "-s --json",
    "summary-csv": "-s --csv",
    "summary-table": "-s --format table",
    "summary-no-header": "-sH",
    "summary-names": "-s --state-names ss",
    "by": "-tua --by state,process",
    "by-user": "-tua --by user,interface,cgroup",
    "by-numbers": "-tua --by local-port --limit 2",
    "by-one-group-left": "-tua --by state --limit 11",
    "by-table": "-tua --by state,remote-address --format table",
    "by-json": "-tua --by state,family --json",
    "by-jsonl": "-tua --by process --jsonl",
    "by-csv": "-tua --by state,process --csv",
    "by-bsd": "-ta --by process,state,family --state-names bsd",
    "names-ss": "-an --state-names ss",
    "names-netstat": "-an --state-names netstat",
    "names-windows": "-an --state-names windows --json",
    "filter": "-anp 'close_wait or sport = :443'",
    "filter-json": "--json 'not ( close_wait or listen ) and dport in 50000,50001'",
    "filter-process": "-anp process = nginx",
    "nothing": "-an sport = 1",
    "doctor": "doctor",
    "doctor-json": "doctor --json",
    "doctor-filter": "doctor close_wait",
    "doctor-ipv6": "doctor -6",
    "explain": "explain",
    "explain-json": "explain --json",
    "explain-state": "explain close_wait",
    "explain-states": "explain fin_wait_1 time-wait",
    "explain-other-systems": "explain SYN_RCVD",
    "explain-state-json": "explain time_wait --json",
    "explain-topic": "explain busy-port",
    "explain-color": "explain listen --color always",
    "diagram": "diagram",
    "diagram-state": "diagram --state fin_wait_2 --color always",
    "diagram-svg": "diagram --svg - --state close_wait",
    "diagram-json": "diagram --json",
    "check-ok": "check -c close_wait=100 -w total=50",
    "check-warning": "check -w close_wait=5",
    "check-critical": "check -c close_wait=5 -c 'listen<3' established",
    "check-by": "check -c 5 close_wait",
}
WITHOUT_FILE = {
    "states": "states",
    "states-json": "states --json",
    "states-color": "states --color always",
    "sequence": "sequence",
    **{f"sequence-{name}": f"sequence {name}" for name in SCENARIOS},
    **{f"sequence-{name}-json": f"sequence {name} --json" for name in SCENARIOS},
    **{f"explain-{name}": f"explain {name}" for name in TOPICS},
    "completion-powershell": "completion powershell",
}
# What depends on the time a command takes, or on which rich and click are there.
VARYING = ((re.compile(r"(\(file, )[0-9.]+ s\)"), r"\1N s)"),
           (re.compile(r'"seconds": [0-9.]+'), '"seconds": N'))  # fmt: skip


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("golden") / "host.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in SOCKETS))
    os.utime(path, (TAKEN_AT, TAKEN_AT))
    return str(path)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(
        "tcpstates.collect.settings.read_settings",
        lambda: KernelSettings(is_known=True),
    )
    monkeypatch.chdir(tmp_path)


def words(line: str) -> list[str]:
    import shlex

    return shlex.split(line)


def shown(arguments: list[str], *, is_terminal: bool = False) -> str:
    """Return everything that a command says, as a golden file holds it."""
    code, text, errors = told(arguments, is_terminal=is_terminal)
    for pattern, replacement in VARYING:
        text = pattern.sub(replacement, text)
    return f"{text}--- stderr\n{errors}--- exit code {code}\n"


@pytest.mark.parametrize("name", CASES)
def test_of_saved_sockets(name: str, listing: str, golden: Golden) -> None:
    text = shown([*words(CASES[name]), "--from", listing])
    assert "internal error" not in text
    golden(f"cli/{name}.txt", text.replace(listing, "host.jsonl"))


TEXT = """\
Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
tcp   LISTEN 0      128    0.0.0.0:myservice  0.0.0.0:*         users:(("a",pid=1,fd=2))
tcp   LISTEN 0      128    *:81               *:*
tcp   ESTAB  0      0      10.0.0.1:81        10.0.0.2:other    timer:(keepalive,2min,0)
tcp   ESTAB  0      0      [fe80::1]%eth0:81  [fe80::2]:99      uid:33 ino:7 sk:1f cgroup:/x
udp   UNCONN 0      0      127.0.0.1%lo:53    0.0.0.0:*
tcp   ESTAB  0      0      10.0.0.1:99999     10.0.0.2:1
"""


@pytest.mark.parametrize(
    "arguments",
    [
        "-tuan",
        "-tuanpe",
        "-tua --by local-port,interface",
        "-tuan --csv",
        "-tua --json",
        "-an sport = 81",
        "-an dport = 80",
        "-an process = a",
        "doctor",
        "explain listen",
    ],
)
def test_of_what_ss_printed(arguments: str, tmp_path: Path, golden: Golden) -> None:
    path = tmp_path / "ss.txt"
    path.write_text(TEXT)
    os.utime(path, (TAKEN_AT, TAKEN_AT))
    text = shown([*words(arguments), "--from", str(path)])
    name = arguments.replace(" ", "_").replace("=", "is").replace(",", "-")
    golden(f"ss/{name}.txt", text.replace(str(path), "ss.txt"))


@pytest.mark.parametrize("name", WITHOUT_FILE)
def test_without_sockets(name: str, golden: Golden) -> None:
    golden(f"cli/{name}.txt", shown(words(WITHOUT_FILE[name])))


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize(
    "arguments", ["-tuanpe", "-ano", "-s", "-ta --by state,process"]
)
def test_on_a_terminal(
    width: int,
    arguments: str,
    listing: str,
    golden: Golden,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = shown([*words(arguments), "--from", listing], is_terminal=True)
    name = f"terminal{arguments.replace(' ', '').replace(',', '-')}-{width}"
    golden(f"cli/{name}.txt", text)


@pytest.mark.parametrize(
    "arguments",
    ["explain", "explain close_wait", "diagram", "doctor", "-ta --by process,state"],
)
def test_on_a_narrow_terminal(
    arguments: str, listing: str, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    text = shown([*words(arguments), "--from", listing], is_terminal=True)
    golden(f"cli/narrow-{arguments.replace(' ', '_').replace(',', '-')}.txt", text)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_has_two_names(option: str) -> None:
    assert told([option]) == told(["--help"])
    assert told(["doctor", option])[0] == 0
