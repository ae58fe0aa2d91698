"""Filters select what ss selects, from every source, with the kernel's help or not."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import COMMAND, Lab, enter_lab

EXPRESSIONS = 200
SEED = 20
EVERYTHING = ("-tua", "-n")
CGROUPS = [
    root
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
    if (root / "cgroup.controllers").exists()
]

needs_ss = pytest.mark.skipif(
    shutil.which("ss") is None, reason="ss is missing (Debian: iproute2)"
)
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root"
)


@pytest.fixture(scope="module")
def crowd() -> Iterator[Lab]:
    """Return some hundred sockets that differ in all that ss can filter by."""
    yield from enter_lab("crowd", str(SEED))


def cookies_of_ss(lab: Lab, words: list[str]) -> set[int]:
    finished = lab.run("ss", "-tuaneH", *words)
    assert finished.stderr == "", finished.stderr
    return {int(c, 16) for c in re.findall(r"\bsk:([0-9a-f]+)", finished.stdout)}


class Expressions:
    """Fully parenthesised expressions in ss's language, at random.

    Left out is what ss answers in two ways: it asks the kernel and itself whether a
    port is autobound, and drops a socket of which they differ, so `not autobound`
    there is not the opposite; an address of zeros is to it like the first bytes of
    others, a network /0 like everything, and an empty set of states like none.
    """

    hosts: tuple[str, ...] = ("127.0.0.1", "127.0.0.0/8", "127.1.0.0/16", "127.1.2.3")
    hosts += ("[::1]", "*", "[::ffff:127.0.0.3]", "127.200.0.0/9", "[::ffff:0:0/96]")
    hosts += ("192.0.2.1", "[2001:db8::/32]", "192/8", "127.0.0/24")
    ports = ("22", "80", "443", "ssh", "https", "8080", "1024", "20000", "0x50", "*")
    operators: tuple[str, ...] = ("=", "==", "eq", "!=", "ne", "neq", "<", "lt", "<=")
    operators += ("le", "leq", ">", "gt", ">=", "ge", "geq")
    states: tuple[str, ...] = ("established", "listening", "time-wait", "syn-sent")
    states += ("close-wait", "fin-wait-2", "connected", "synchronized", "bucket", "big")
    states += ("closed",)

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def make(self) -> list[str]:
        dice = self._dice
        words = []
        for _ in range(dice.choice((0, 0, 1, 2))):
            words += ["state", dice.choice(self.states)]
        if not words and dice.random() < 0.3:
            words = [dice.choice(("exclude", "excl")), dice.choice(self.states)]
        depth = dice.randrange(4)
        return [*words, "(", *self._expression(depth, positive=True), ")"]

    def _expression(self, depth: int, *, positive: bool) -> list[str]:
        dice = self._dice
        if depth == 0 or dice.random() < 0.2:
            return self._term(positive=positive)
        if dice.random() < 0.2:
            inner = self._expression(depth - 1, positive=False)
            return [dice.choice(("not", "!")), "(", *inner, ")"]
        joined = dice.choice((["and"], ["&"], ["&&"], ["or"], ["|"], ["||"], []))
        first, second = (
            ["(", *self._expression(depth - 1, positive=positive), ")"]
            for _ in range(2)
        )
        return [*first, *joined, *second]

    def _term(self, *, positive: bool) -> list[str]:
        dice = self._dice
        kind = dice.randrange(10)
        if kind < 3:
            equals = dice.choice(([], ["="], ["=="], ["eq"]))
            return [dice.choice(("src", "dst")), *equals, self._endpoint()]
        if kind < 7:
            port = dice.choice(self.ports[:-1])
            side, operator = (
                dice.choice(("sport", "dport")),
                dice.choice(self.operators),
            )
            return [side, operator, dice.choice((":", "")) + port]
        if kind == 7:
            return ["dev", dice.choice(("=", "!=")), dice.choice(("lo", "1"))]
        if kind == 8:
            mark = dice.choice(("1", "0x10/0x10", "0/0xff", "0x11"))
            return ["fwmark", dice.choice(("=", "!=")), mark]
        return ["autobound"] if positive else self._term(positive=positive)

    def _endpoint(self) -> str:
        host = self._dice.choice(self.hosts)
        with_port = self._dice.random() < 0.5
        return f"{host}:{self._dice.choice(self.ports)}" if with_port else host


@needs_ss
@needs_root  # who is not may not ask the kernel for marks
def test_the_same_text_selects_the_same_sockets_as_in_ss(crowd: Lab) -> None:
    expressions = Expressions(SEED)
    before = cookies_of_ss(crowd, [])
    wrong, matched = [], 0
    for _ in range(EXPRESSIONS):
        words = expressions.make()
        theirs = cookies_of_ss(crowd, words)
        helped, alone = map(set, crowd.ask(words))
        now = cookies_of_ss(crowd, [])
        matched += 0 < len(theirs) < len(now)
        # TIME_WAIT ends by itself: what is there before and after can be compared.
        if any((theirs ^ ours) & before & now for ours in (helped, alone)):
            wrong.append(" ".join(words))
        before = now
    assert wrong == []
    assert len(before) > 150
    assert matched > EXPRESSIONS / 2  # most select some, and not all


@needs_ss
@pytest.mark.parametrize(
    "text",
    [
        "src 0.0.0.0",
        "dst [::]",
        "src = 127.0.0.1:22 or src = 127.0.0.1:80",
        "state established ( dport = :443 or sport = :22 )",
        "state time-wait state syn-sent",
        "sport > :1023 and sport < :9000",
    ],
)
def test_one_quoted_argument_or_many(crowd: Lab, text: str) -> None:
    theirs = cookies_of_ss(crowd, text.split())
    assert theirs
    for arguments in ([text], text.split()):
        rows = crowd.sockets(*EVERYTHING, "-e", *arguments)
        assert {row["cookie"] for row in rows} == theirs


def test_and_before_or_where_ss_reads_from_left_to_right(crowd: Lab) -> None:
    text = "sport = :22 or sport = :9 and sport = :9"
    rows = crowd.sockets(*EVERYTHING, text)
    assert {row["local_port"] for row in rows} == {22}
    assert len(rows) == len(crowd.sockets(*EVERYTHING, "sport = :22"))


def keys(rows: list[dict[str, object]]) -> list[str]:
    names = ("protocol", "local_address", "local_port", "remote_address")
    return sorted(
        str([row[n] for n in (*names, "remote_port", "state")]) for row in rows
    )


@pytest.mark.parametrize(
    "text",
    [
        "sport in 1-100,8080 and not dst 127.1.0.0/16",
        "src 127.0.0.0/8 listener",
        "not listener",
        "process = 'other (child)'",
        'process ~ "python|other" and dport != 22',
        "state in close_wait,fin_wait_2",
    ],
)
def test_every_source_selects_the_same(crowd: Lab, text: str) -> None:
    expected = keys(crowd.sockets(*EVERYTHING, text))
    assert expected
    for source in ("procfs", "psutil"):
        assert keys(crowd.sockets(*EVERYTHING, "--source", source, text)) == expected


def test_listener_is_the_side_that_was_connected_to(lab: Lab) -> None:
    port = lab.parts["v4"]
    rows = lab.sockets("-an", f"listener = :{port}")
    assert {row["local_port"] for row in rows} == {port}
    assert {"LISTEN", "CLOSE_WAIT"} <= {row["state"] for row in rows}
    others = lab.sockets("-an", f"dport = :{port} and not listener")
    assert {row["state"] for row in others} >= {"ESTABLISHED", "FIN_WAIT_2"}
    # LISTEN is meant too, so what leaves it out without -a does not.
    assert keys(lab.sockets("-n", f"listener = :{port}")) == keys(rows)
    # A listener of IPv6 may have the same number.
    listening = lab.sockets("-ln4", f"listener = :{port}")
    assert [row["state"] for row in listening] == ["LISTEN"]


@needs_root
def test_processes_users_and_inodes(lab: Lab) -> None:
    main, child = lab.parts["main"], lab.parts["child"]
    shared = lab.sockets("-lnp", f"pid = {child} sport = :{lab.parts['shared']}")
    assert len(shared) == 1
    by_name = lab.sockets("-lnp", 'process = "sharing child"')
    assert shared[0] in by_name
    assert len(lab.sockets("-lnp", f"pid = {main}")) > len(by_name)
    inode = str(shared[0]["inode"])
    assert lab.sockets("-lnp", "inode", "=", inode, "user", "=", "root") == shared
    hidden = lab.run(*lab.nobody(), "-ln", "process = 'sharing child'")
    assert len(hidden.stdout.splitlines()) == 1
    assert re.search(r"\d+ more sockets may match: processes are hidden", hidden.stderr)


def test_queues_timers_and_ages(lab: Lab) -> None:
    def ports(text: str) -> set[object]:
        return {row["local_port"] for row in lab.sockets("-an", text)}

    unread = lab.parts["unread"]
    assert unread in {
        row["remote_port"] for row in lab.sockets("-an", "recv-q = 6 estab")
    }
    assert lab.parts["syn_sent"] in ports("timer = on syn_sent")
    assert lab.parts["time_wait"] in ports("timer = timewait age < 61s")
    assert ports("time_wait age > 61s") == set()
    assert lab.parts["orphan"] in ports("fin_wait_2 timer = timewait")
    assert ports("close_wait age > 1h") == set()
    assert ports("rtt > 0us rtt < 10s")
    assert ports("idle > 1h") == set()


def test_what_a_source_cannot_tell_is_pointed_at(lab: Lab) -> None:
    for source, text, told in (
        ("psutil", "recv-q > 0", "does not report queues; netlink and procfs do"),
        ("procfs", "rtt > 1ms", "does not report tcp_info; netlink does"),
        ("psutil", "user = root", "does not report uid; netlink and procfs do"),
        ("procfs", "dev = lo", "does not report interface; netlink does"),
    ):
        finished = lab.tcpstates("-an", "--source", source, f"estab and {text}")
        assert finished.returncode == 2
        assert finished.stdout == ""
        lines = finished.stderr.splitlines()
        assert lines[0] == f"tcpstates: source {source} {told}"
        assert lines[1] == f"  estab and {text}"
        assert lines[2] == "            " + "^" * len(text)


@needs_root
def test_marks_take_a_privilege(crowd: Lab) -> None:
    assert crowd.sockets("-an", "fwmark = 1")
    finished = crowd.run(*crowd.nobody(), "-an", "fwmark = 1")
    assert finished.returncode == 2
    assert "only with CAP_NET_ADMIN; run as root" in finished.stderr


@needs_ss
@needs_root
@pytest.mark.skipif(not CGROUPS, reason="cgroup v2 is not mounted")
def test_cgroups(lab: Lab) -> None:
    folder = CGROUPS[0] / f"tcpstates-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no cgroup can be made here")
    program = "import socket, sys; s = socket.socket(); s.listen(); sys.stdin.read()"
    enter = f'echo $$ > "{folder}/cgroup.procs" && echo in && exec "$@"'
    holder = subprocess.Popen(
        [*lab.enter, "sh", "-c", enter, "sh", sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"in\n"
        text = ["cgroup", "=", f"/{folder.name}"]
        deadline = time.monotonic() + 10
        while not lab.sockets("-ln", *text):
            assert holder.poll() is None
            assert time.monotonic() < deadline
        (row,) = lab.sockets("-lne", *text)
        assert {row["cookie"]} == cookies_of_ss(lab, ["state", "listening", *text])
        others = lab.sockets("-lne", "cgroup", "!=", f"/{folder.name}")
        assert row not in others
        assert others
    finally:
        holder.kill()
        holder.communicate()
        folder.rmdir()


@needs_root
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing")
def test_only_what_matches_is_received(crowd: Lab) -> None:
    def received(*words: str) -> tuple[int, int]:
        calls = (
            "strace",
            "-qq",
            "-f",
            "-e",
            "trace=recvmsg,recvmmsg",
            "-o",
            "/dev/fd/2",
        )
        finished = crowd.run(*calls, *COMMAND, "-tanH", *words)
        got = re.findall(r"(?:recvmsg\(.*\) = |msg_len=)(\d+)", finished.stderr)
        return sum(map(int, got)), len(finished.stdout.splitlines())

    size, rows = received("dport = :443")
    everything, all_rows = received()
    assert 0 < rows < all_rows / 4
    assert size <= rows * 120 + 40  # a message each, and the end of the dump
    assert everything >= all_rows * 88
