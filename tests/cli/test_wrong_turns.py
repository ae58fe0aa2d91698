"""Habits of other tools: understood where the meaning is certain, else shown the way."""

from __future__ import annotations

import os
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import finish, run_command
from tcpstates.cli.app import tcpstates
from tcpstates.cli.foreign_options import split_flags

# What is typed, what is proposed.
WRONG_TURNS = [
    ("-p 1234", "tcpstates -tanp pid = 1234"),
    ("-tanp 1234", "tcpstates -tanp pid = 1234"),
    ("-p no-server", "tcpstates -tanp process = no-server"),
    ("-c no-server", "tcpstates -tanp process = no-server"),
    ("-u root", "tcpstates -tanp user = root"),
    ("-c 1", "tcpstates -w 1"),
    ("-ctn 2", "tcpstates -tn -w 2"),
    ("-i 3", "tcpstates -i -w 3"),
    ("-ano 5", "tcpstates -ano -w 5"),
    ("-an 1", "tcpstates -an -w 1"),
    ("--port 80", "tcpstates -tap port = 80"),
    ("--port=80", "tcpstates -tap port = 80"),
    ("--sport 80", "tcpstates -tap sport = 80"),
    ("--dport 443", "tcpstates -tap dport = 443"),
    ("--local-port 80", "tcpstates -tap sport = 80"),
    ("--remote-port 443", "tcpstates -tap dport = 443"),
    ("--pid 7", "tcpstates -tanp pid = 7"),
    ("--process nginx", "tcpstates -tanp process = nginx"),
    ("--name nginx", "tcpstates -tanp process = nginx"),
    ("--command nginx", "tcpstates -tanp process = nginx"),
    ("--user root", "tcpstates -tanp user = root"),
    ("--uid 0", "tcpstates -tanp user = 0"),
    ("--state close_wait", "tcpstates -ta state close_wait"),
    ("--states LISTEN", "tcpstates -ta state LISTEN"),
    ("--ip 127.0.0.1", "tcpstates -ta host 127.0.0.1"),
    ("--src 127.0.0.1", "tcpstates -ta src 127.0.0.1"),
    ("--dst 127.0.0.1", "tcpstates -ta dst 127.0.0.1"),
    ("--local 127.0.0.1", "tcpstates -ta src 127.0.0.1"),
    ("--remote 127.0.0.1", "tcpstates -ta dst 127.0.0.1"),
    ("--interface lo", "tcpstates -ta dev lo"),
    ("--device lo", "tcpstates -ta dev lo"),
    ("--interval 2", "tcpstates -ta -w 2"),
    ("--repeat 2", "tcpstates -ta -w 2"),
    ("--refresh 2", "tcpstates -ta -w 2"),
    ("--follow", "tcpstates -ta -w"),
    ("--continuous", "tcpstates -ta -w"),
    ("--listen", "tcpstates -ltnp"),
    ("--listeners", "tcpstates -ltnp"),
    ("--ports", "tcpstates -ltnp"),
    ("--established", "tcpstates -ta established"),
    ("watch", "tcpstates -ta -w"),
    ("top", "tcpstates -ta -w"),
    ("list", "tcpstates -ta"),
    ("listen", ""),  # a state
    ("explian", "tcpstates explain"),
    ("docter", "tcpstates doctor"),
    ("chekc", "tcpstates check"),
    ("sequense", "tcpstates sequence"),
    ("nosuchprogram", "no process has that name"),
    ("–ano", "dash"),  # noqa: RUF001
    ("'“dport = :443”'", "quotation mark"),
    ("process ~ ^py", "quote it"),
    ("'recv-q 1'", "quote < and >"),
    ("'send-q 1'", "quote < and >"),
    ("'retrans 1'", "quote < and >"),
    ("-rn", "ip route"),
    ("-nr", "ip route"),
    ("-x", "use ss"),
    ("-E", "tcpstates trace"),
    ("-b", "-p shows programs"),
    ("-M", "conntrack"),
    ("--net web", "--netns NAME"),
    ("-P", "-t or -u"),
    ("-q", "-l shows listening"),
    ("-I", "ip -s link"),
    ("-k", "tcpstates kill FILTER"),
    ("-j", "--json"),
    ("-S", "tcpstates established"),
    ("-L", "backlog"),
    ("-g", "ip maddress"),
    ("-Z", "ss -Z"),
    ("--route", "ip route"),
    ("--interfaces", "ip -s link"),
    ("--groups", "ip maddress"),
    ("--statistics", "nstat"),
    ("--masquerade", "conntrack"),
    ("--unix", "use ss"),
    ("--raw", "use ss"),
    ("--udplite", "use ss"),
    ("--tcpip", "use -t"),
    ("--symbolic", "-n"),
    ("--bpf-maps", "ss -b"),
    ("-A unix", "-t, -u"),
    ("-f unix", "-4 or -6"),
    ("80", "port 80"),
    ("127.0.0.300", "host 127.0.0.300"),
    ("close_wait,time_wait", "state in close_wait,time_wait"),
    ("clsoe_wait", "close_wait"),
    ("dst 127.1", "all four numbers"),
    ("doctor -p 12", "tcpstates doctor pid = 12"),
    ("doctor -p no-server", "tcpstates doctor process = no-server"),
    ("doctor --port=80", "tcpstates doctor port = 80"),
    ("doctor --watch 2x", "5s"),
    ("doctor --watch 0", "between 0.1 and 86400 s"),
]


@pytest.mark.parametrize(("typed", "proposed"), WRONG_TURNS)
def test_the_way_is_shown(typed: str, proposed: str) -> None:
    finished = run_command(*_as_typed(typed))
    if not proposed:
        assert finished.returncode == 0
        return
    assert finished.returncode == 2
    line = finished.stderr.splitlines()[0]
    assert proposed in line
    assert "no such option" not in line
    for command in re.findall(r"tcpstates (-[^;:,?()]*)", line):
        once = re.sub(r"-w\b( \d+)?", "", command)  # not for ever
        words = shlex.split(once.partition(" --help")[0])
        ran = run_command(*words)
        assert ran.returncode == 0, (command, ran.stderr)


@pytest.mark.parametrize("typed", ["/ano", "/ANO", "-ano"])
def test_slashes_of_windows_are_dashes(typed: str) -> None:
    heading = run_command(typed).stdout.splitlines()[0]
    last = ["address", "Pid"] if os.name == "nt" else ["Timer", "Age"]
    assert heading.split()[-2:] == last
    assert run_command("/?").stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    ("typed", "split"),
    [
        ("-tN", ["--tcp", "--netns"]),
        ("-Nall", ["--netns", "all"]),
        ("-tNmesh", ["--tcp", "--netns", "mesh"]),
        ("-tONh", ["--tcp", "--netns", "h"]),
        ("-Nweb1", ["--netns", "web1"]),
        ("-tx", ["-tx"]),
        ("-", ["-"]),
        ("--tcp", ["--tcp"]),
    ],
)
def test_what_follows_a_letter_with_a_value_is_the_value(
    typed: str, split: list[str]
) -> None:
    assert split_flags([typed], tcpstates.params) == split


def test_programs_are_shown_for_b_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert split_flags(["-anob"], tcpstates.params)[-1] == "-anob"
    monkeypatch.setattr("sys.platform", "win32")
    assert split_flags(["-anob"], tcpstates.params)[-1] == "--processes"


def _as_typed(text: str) -> list[str]:
    """Return the words that a shell makes of a line; ~ is a home directory."""
    home = {**os.environ, "HOME": "/root"}
    printed = finish(["sh", "-c", f"printf '%s\\n' {text}"], env=home).stdout
    return printed.splitlines()


TABLE = Path(__file__).parents[2] / ".github" / "COMING_FROM.md"
ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \| (.+) \|$", re.MULTILINE)


@pytest.mark.skipif(os.name == "nt", reason="some of ours need Linux")
def test_the_table_of_other_tools_commands() -> None:
    rows = ROW.findall(TABLE.read_text())
    assert len(rows) == TABLE.read_text().count("\n| `") >= 40
    ours = [command for _, command, _ in rows if command.startswith("tcpstates ")]
    assert len(ours) >= 35
    for command in ours:
        finished = run_command(*shlex.split(command)[1:])
        unknown = "unknown user" in finished.stderr  # alice, who need not exist
        assert finished.returncode == 0 or unknown, (command, finished.stderr)


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """Return a listener of this process, to look for."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.mark.parametrize(
    "typed",
    [
        ":{0}",
        "tcp:{0}",
        "{0}/tcp",
        "TCP :{0}",
        "@127.0.0.1:{0}",
        "127.0.0.1 :{0}",
        "{0},1",
        "{0}-{0}",
        ":1,{0}",
        "tcp port {0}",
        "src port {0}",
        "src host 127.0.0.1 :{0}",
    ],
)
def test_what_can_mean_one_thing_is_taken(listener: socket.socket, typed: str) -> None:
    port = listener.getsockname()[1]
    finished = run_command("-lnH", *typed.format(port).split(" "))
    assert finished.returncode == 0, finished.stderr
    assert f"127.0.0.1:{port}" in finished.stdout
    assert finished.stdout.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="the name is that of /proc")
def test_the_name_of_a_process_selects_it(listener: socket.socket) -> None:
    with open("/proc/self/comm", encoding="utf-8") as name:
        finished = run_command("-lnpH", name.read().strip())
    assert f"127.0.0.1:{listener.getsockname()[1]}" in finished.stdout


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("-ltnv", "-ltn"),
        ("-ltnO", "-ltn"),
        ("-ltnT", "-ltn"),
        ("-v -ltn", "-ltn"),
        ("--program -ltn", "-ltnp"),
        ("--programs -ltn", "-ltnp"),
        ("--extend -ltn", "-ltne"),
        ("--oneline -ltn", "-ltn"),
        ("--options -ltn", "-ltno"),
        ("--numeric-hosts -lt", "-ltn"),
        ("--numeric-ports -lt", "-ltn"),
        ("--numeric-users -lt", "-ltn"),
        ("--inet -ltn", "-4ltn"),
        ("--inet6 -ltn", "-6ltn"),
        ("-A inet -ltn", "-4ltn"),
        ("-f inet6 -ltn", "-6ltn"),
        ("-A tcp,udp -ln", "-tuln"),
        ("help", "--help"),
        ("help doctor", "doctor --help"),
    ],
)
def test_synonyms(theirs: str, ours: str) -> None:
    expected = run_command(*ours.split())
    finished = run_command(*theirs.split())
    assert (finished.returncode, finished.stderr) == (0, expected.stderr)
    assert finished.stdout == expected.stdout
