"""Every line that may be a socket is read, or reported with its number."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from tcpstates.collect.saved.source import service_port
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import to_batches
from tcpstates.parse.saved.suspicion import may_be_socket

DATA = Path(__file__).parents[2] / "data" / "saved"
SS = """\
State   Recv-Q  Send-Q   Local Address:Port   Peer Address:Port  Process
LISTEN  0       128            0.0.0.0:22          0.0.0.0:*     users:(("s",pid=7,fd=3))
"""
NETSTAT = """\
Proto Recv-Q Send-Q Local Address           Foreign Address         State
tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      7/s
"""
WINDOWS = """\
  Proto  Local Address          Foreign Address        State           PID
  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING       900
"""
BSD = """\
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  *.22                   *.*                    LISTEN
"""
LSOF = """\
COMMAND  PID USER   FD   TYPE DEVICE SIZE/OFF NODE NAME
sshd     700 root    3u  IPv4  12345      0t0  TCP *:22 (LISTEN)
"""
PROC = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\
        0 12345 1 0000000000000000 100 0 0 10 0
"""


def read(text: str) -> tuple[list[str], list[int]]:
    """Return the rows as text, and the numbers of unreadable lines."""
    reader = Reader(service_port)
    batches = list(reader.batches(text.split("\n")))
    batches += to_batches(reader.finish())
    rows = []
    for batch in batches:
        for label, here, port, there, other, owners in batch.rows(
            "state_label",
            "local_address",
            "local_port",
            "remote_address",
            "remote_port",
            "processes",
        ):
            names = "".join(
                f" {(o.name or b'?').decode()}[{o.pid}]" for o in owners or ()
            )
            kind = f"{batch.protocol} {label}"
            rows.append(f"{kind} {here}:{port} {there}:{other}{names}")
    return rows, reader.numbers


ANY = "0.0.0.0:0"
READ = [
    (SS, "[2022/9/23 15:43:47] LISTEN 0 128 0.0.0.0:23 0.0.0.0:*", "tcp LISTEN"),
    (SS, "Sep 23 15:43:47 h x[1]: LISTEN 0 128 0.0.0.0:23 0.0.0.0:*", "tcp LISTEN"),
    (SS, "node1 | LISTEN 0 128 0.0.0.0:23 0.0.0.0:*", "tcp LISTEN"),
    (SS, "[pod/web/nginx] LISTEN 0 128 0.0.0.0:23 0.0.0.0:*", "tcp LISTEN"),
    (SS, "* LISTEN 0 128 0.0.0.0:23 0.0.0.0:*", "tcp LISTEN"),
    (SS, "1. LISTEN 0 128 0.0.0.0:23 0.0.0.0:*", "tcp LISTEN"),
    (SS, "# LISTEN 0 128 0.0.0.0:23 0.0.0.0:*", "tcp LISTEN"),
    (SS, "// LISTEN 0 128 0.0.0.0:23 0.0.0.0:*", "tcp LISTEN"),
    (SS, "**LISTEN 0 128 0.0.0.0:23 0.0.0.0:***", "tcp LISTEN"),
    (SS, "| LISTEN | 0 | 128 | 0.0.0.0:23 | 0.0.0.0:* |", "tcp LISTEN"),
    (SS, "LISTEN  0.0.0.0:23  0.0.0.0:*", "tcp LISTEN"),
    (SS, "tcp LISTEN 0 128 0.0.0.0:23 0.0.0.0:*", "tcp LISTEN"),
    (SS, 'udp UNCONN 0 0 0.0.0.0:23 0.0.0.0:* users:(("d",pid=6,fd=1))', "udp UNCONN"),
    (SS, "tcp 0 0 0.0.0.0:23 0.0.0.0:* LISTEN 27/a", "tcp LISTEN"),
    (SS, "udp 0 0 0.0.0.0:23 0.0.0.0:* 27/a", "udp UNCONN"),
    (SS, "LISTEN 0 1 0.0.0.0:23 0.0.0.0:* users:((d,pid=6,fd=1))", "tcp LISTEN"),
    (NETSTAT, r"tcp 0 0 \*:23 \*:\* LISTEN", "tcp LISTEN"),
    (NETSTAT, "Sep 23 15:43:47 tcp 0 0 0.0.0.0:23 0.0.0.0:* LISTEN", "tcp LISTEN"),
    (NETSTAT, 'tcp LISTEN 0 1 0.0.0.0:23 0.0.0.0:* users:(("h",pid=1,fd=5))', "tcp"),
    (NETSTAT, "tcp *:23 *:0 SSH-Server LISTEN", "tcp LISTEN"),
    (BSD, "Sep 23 1:2:3 tcp4 0 0 *.23 *.* LISTEN", "tcp LISTEN"),
    (LSOF, "node1 | x 12 root 4u IPv4 1 0t0 TCP *:23 (LISTEN)", "tcp LISTEN"),
    (LSOF, "Sep 23 15:43:47 x 12 root 4u IPv4 1 0t0 TCP *:23 (LISTEN)", "tcp LISTEN"),
]


@pytest.mark.parametrize(("above", "line", "start"), READ)
def test_what_stands_around_a_row_does_not_hide_it(
    above: str, line: str, start: str
) -> None:
    rows, unreadable = read(f"{above}{line}\n")
    assert unreadable == []
    assert len(rows) == 2
    (row,) = (row for row in rows if " 0.0.0.0:23 " in row)
    assert row.startswith(start)
    assert f"0.0.0.0:23 {ANY}" in row


NAMED = [
    (LSOF, "Sep 23 15:43:47 x 12 root 4u IPv4 1 0t0 TCP *:23 (LISTEN)", "x[12]"),
    (SS, "LISTEN 0 1 0.0.0.0:23 0.0.0.0:* users:((&quot;d&quot;,pid=6,fd=1))", "d[6]"),
    (NETSTAT, "tcp 0 0 0.0.0.0:23 0.0.0.0:* LISTEN 27/a<br>", "a[27]"),
    ("", "tcp4 0 0 *.23 *.* LISTEN 0 0 131072 131072 node:4242 00180", "node[4242]"),
]


@pytest.mark.parametrize(("above", "line", "owner"), NAMED)
def test_the_process_is_that_of_the_text(above: str, line: str, owner: str) -> None:
    rows, _ = read(f"{above}{line}\n")
    (row,) = (row for row in rows if " 0.0.0.0:23 " in row)
    assert row.endswith(f" {owner}")


LSOF_FIELDS = "p1\ncsshd\ntIPv4\nPTCP\nn*:23\n"
ENDPOINTS = "LocalAddress LocalPort\n------------ ---------\n0.0.0.0      53\n"
SOLARIS = (
    "UDP: IPv4\n   Local Address        Remote Address      State\n"
    "-------------------- -------------------- ----------\n"
    "127.0.0.1.32859      127.0.0.1.514        Connected\n"
)

REPORTED = [
    (SS, "LISTEN,0,128,0.0.0.0:23,0.0.0.0:*"),
    (SS, "LISTEN 0 128"),
    (SS, "LISTEN 0 128 0.0.0.0"),
    (SS, "LISTEN 128 0.0.0.0:24 0.0.0.0:*"),
    (SS, "0 128 0.0.0.0:24 0.0.0.0:*"),
    (SS, 'LISTEN 0 128 0.0.0.0:* users:(("x",pid=1,fd=3))'),
    (SS, "ESTAB 0 0 10.0.0.2:33 ino:5 sk:1"),
    (NETSTAT, "tcp 0 0 0.0.0.0:23 LISTEN"),
    (NETSTAT, "tcp 0 593 host:smtp ESTABLISHED"),
    (NETSTAT, "tcp 0 0 10.0.0.1:25 10.0.0.9:"),
    (NETSTAT, "tcp 0 0 10.0.0.1:25 10.0."),
    (NETSTAT, "tcp 0 0 192.168.1.2:2222 122.22"),
    (NETSTAT, "tcp6 1 0 44.225.164.27:43434 44.225.1"),
    (NETSTAT, "tcp 0 0 192.168.1.2:2222 10.0.0.9"),
    (NETSTAT, "tcp 0 0 192.168.1.2:2222 10.0.0.9:44"),
    (NETSTAT, "tcp 0"),
    (NETSTAT, "0 0 10.0.0.1:25 10.0.0.9:44 ESTABLISHED 99/x"),
    (WINDOWS, "  TCP    10.0.0.1:50000         10.0.0.2"),
    (WINDOWS, "  TCP    10.0.0.1:50000"),
    (WINDOWS, "  TCP    api:1032               ESTABLISHED"),
    (BSD, "tcp4 0 0 10.0.0.1.22  10.0.0"),
    (LSOF, "nginx 1250 root 4u IPv4 123 0t0 TCP 10.0.0.1:80->"),
    (LSOF, "nginx 1250 root 4u IPv4 123 0t0 *:80 (LISTEN)"),
    (LSOF, "nginx 1250 root 4u IPv4 123"),
    (LSOF, "nginx 1250 root 4u <ip> 123 0t0 UDP host:bootpc"),
    (LSOF_FIELDS, "tIPv4\nPTC\nn*:22"),
    (ENDPOINTS, "5353"),
    (ENDPOINTS, "fe80::1%12"),
    (SOLARIS, "<ip> 127.0.0.1.514 Connected"),
    (PROC, "0100007F:1F91 00000000:0000 0A"),
]


@pytest.mark.parametrize(("above", "line"), REPORTED)
def test_what_cannot_be_read_is_reported(above: str, line: str) -> None:
    rows, unreadable = read(f"{above}{line}\n")
    assert len(rows) == 1
    assert unreadable == [len(above.splitlines()) + 1]


@pytest.mark.parametrize(
    "line",
    [
        "The tcp port is in LISTEN state.",
        "unix  2 [ ACC ] STREAM LISTENING 12345 /run/x.sock",
        "u_str ESTAB 0 0 * 12345 * 12346",
        "Active Internet connections (servers and established)",
        "$ ss -tanp | grep 10.0.0.1:22",
        "$ curl http://10.0.0.1:8080/",
        "TCP   5   0   1",
        "Thanks, Anna",
    ],
)
def test_what_is_no_socket_is_not_reported(line: str) -> None:
    assert not may_be_socket(line)
    assert read(f"{SS}{line}\n")[1] == []


def test_several_runs_are_told_apart() -> None:
    rows, unreadable = read(
        "$ ss -tlnp\n" + SS + "$ ss -uanp | grep 5353\nUNCONN 0 0 127.0.0.1:5353 *:*\n"
        "ESTAB 0 0 127.0.0.1:9 127.0.0.1:10\n"
        "$ ss -Htn\nESTAB 0 0 127.0.0.1:11 127.0.0.1:12\n"
    )
    assert unreadable == []
    assert {" ".join(row.split()[:3]) for row in rows} == {
        "tcp LISTEN 0.0.0.0:22",
        "udp UNCONN 127.0.0.1:5353",
        "udp ESTABLISHED 127.0.0.1:9",
        "tcp ESTABLISHED 127.0.0.1:11",
    }


def test_a_command_names_the_state() -> None:
    rows, _ = read(
        "Every 2.0s: ss -lnt state syn-recv    host: Mon\n\n"
        "Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
        "0      0      10.0.0.1:80        10.0.0.2:4000\n"
    )
    assert rows == ["tcp SYN_RECEIVED 10.0.0.1:80 10.0.0.2:4000"]


@pytest.mark.parametrize("end", ["&#10;", "<br>", r"\n"])
def test_line_ends_may_be_written_out(end: str) -> None:
    line = end.join((SS + "LISTEN 0 9 0.0.0.0:23 0.0.0.0:*").splitlines())
    assert len(read(line)[0]) == 2


def test_line_ends_may_be_lost() -> None:
    line = " ".join((SS + "LISTEN 0 9 0.0.0.0:23 0.0.0.0:*").splitlines())
    assert len(read(line)[0]) == 2


LIST = """\
LocalAddress   : 0.0.0.0
LocalPort      : 23
RemoteAddress  : 0.0.0.0
RemotePort     : 0
State          : Listen
OwningProcess  : 900
"""
FIELDS = "p12\ncnginx\nf4\ntIPv4\nPTCP\nn*:23\n"


@pytest.mark.parametrize("block", [LIST, FIELDS], ids=["Format-List", "lsof -F"])
def test_a_block_without_its_address_is_reported(block: str) -> None:
    assert [row.split()[2] for row in read(f"{block}\n{block}")[0]] == [
        "0.0.0.0:23"
    ] * 2
    for damaged_part in ("LocalAddress", "LocalPort", "PTCP", "n*"):
        lines = [x for x in block.splitlines() if not x.startswith(damaged_part)]
        if len(lines) < len(block.splitlines()):
            rows, unreadable = read(block + "\n" + "\n".join(lines) + "\n")
            assert len(rows) == 1
            assert unreadable


SAMPLES = [
    "ss/local-tuanp.txt",
    "linux-nettools/local-tuanp.txt",
    "windows/recon-netstat-anoq-bound.txt",
    "lsof/local-nP-i.txt",
    "proc/local-net-tcp.txt",
]


def damaged(line: str) -> list[str]:
    fields = re.findall(r"\S+\s*", line)
    without = [
        "".join(fields[:i] + fields[i + 1 :]) for i in range(min(6, len(fields)))
    ]
    placed = [
        "".join([*fields[:i], "<ip> ", *fields[i + 1 :]])
        for i in range(min(6, len(fields)))
    ]
    before = [p + line.lstrip() for p in ("node1 | ", "# ", "[2022/9/23 15:43:47] ")]
    return [line[: len(line) * 6 // 10], *before, *without, *placed]


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_damage_loses_a_row_in_silence(sample: str) -> None:
    lines = (DATA / sample).read_text(encoding="utf-8").split("\n")
    chance = random.Random(7)
    rows, unread = read("\n".join(lines))
    assert not unread
    whole = Counter(" ".join(row.split()[:4]) for row in rows)
    tried = 0
    for number, line in enumerate(lines):
        blank = [*lines[:number], "", *lines[number + 1 :]]
        if not line.strip() or len(read("\n".join(blank))[0]) != whole.total() - 1:
            continue
        for wrong in chance.sample(damaged(line), 4):
            found, unreadable = read(
                "\n".join([*lines[:number], wrong, *lines[number + 1 :]])
            )
            tried += 1
            assert unreadable or len(found) == whole.total(), wrong
    assert tried > 20


LSOF_ROW = "sshd     700 root    3u  IPv4  12345      0t0  TCP *:22 (LISTEN)"
FOUND_IN_PASTES = [
    ("    " + LSOF_ROW, ["tcp LISTEN 0.0.0.0:22 0.0.0.0:0 sshd[700]"]),
    ("# " + LSOF_ROW, ["tcp LISTEN 0.0.0.0:22 0.0.0.0:0 sshd[700]"]),
    ("     2\t" + LSOF_ROW, ["tcp LISTEN 0.0.0.0:22 0.0.0.0:0 sshd[700]"]),
    # An old ss: a star is the wildcard of IPv4, whatever comes first.
    (
        "LISTEN 0 128 *:22 *:*\nLISTEN 0 128 :::22 :::*",
        ["tcp LISTEN 0.0.0.0:22 0.0.0.0:0", "tcp LISTEN :::22 :::0"],
    ),
    ("$ ss -4tln\nLISTEN 0 511 *:80 *:*", ["tcp LISTEN 0.0.0.0:80 0.0.0.0:0"]),
    # Rows in the source of a program.
    (
        '"tcp        0      0 0.0.0.0:22     0.0.0.0:*      LISTEN      811/sshd",',
        ["tcp LISTEN 0.0.0.0:22 0.0.0.0:0 sshd[811]"],
    ),
    ('"LISTEN 0 128 0.0.0.0:22 0.0.0.0:*",', ["tcp LISTEN 0.0.0.0:22 0.0.0.0:0"]),
    (
        "while true; do ss -nump; sleep 1; done\nESTAB 0 0 127.0.0.1:45 127.0.0.2:46",
        ["udp ESTABLISHED 127.0.0.1:45 127.0.0.2:46"],
    ),
    (
        '"ESTAB      0      0      10.0.0.1:22      203.0.113.5:51012\\n"',
        ["tcp ESTABLISHED 10.0.0.1:22 203.0.113.5:51012"],
    ),
    (
        (
            "#TCP: IPv4\n#192.0.2.1.2510         *.*                0      0 24576      0"
            " LISTEN\n"
        ),
        ["tcp LISTEN 192.0.2.1:2510 0.0.0.0:0"],
    ),
    (
        r"LISTEN     0      128     \\\*:80                  \\\*:\\\*",
        ["tcp LISTEN :::80 :::0"],
    ),
    (
        "tcp 0 0 [my server]:22 [my home ip]:51234 ESTABLISHED",
        ["tcp ESTABLISHED my-server:22 my-home-ip:51234"],
    ),
    # States of several words.
    (
        "  TCP    127.0.0.1:8123    0.0.0.0:0    \u00c0 L'\u00c9COUTE    4242",
        ["tcp LISTEN 127.0.0.1:8123 0.0.0.0:0 ?[4242]"],
    ),
    # Without headings, as after grep.
    (
        "root     sshd       821   4  tcp6   *:22                  *:*",
        ["tcp UNKNOWN :::22 :::0 sshd[821]"],
    ),
    (
        "host1.txt:tcp6  0  0 :::22 :::*  LISTEN  811/sshd",
        ["tcp LISTEN :::22 :::0 sshd[811]"],
    ),
    (
        (
            "Local Address        Remote Address    Swind Send-Q Rwind Recv-Q    State\n"
            "192.0.2.1.22         192.0.2.9.1063   16445      0 24820      0 ESTABLISHED"
        ),
        ["tcp ESTABLISHED 192.0.2.1:22 192.0.2.9:1063"],
    ),
    (
        (
            "    //TCP    0.0.0.0:80  0.0.0.0:0  LISTENING  3480\n"
            "    //TCP    0.0.0.0:135 0.0.0.0:0  LISTENING  1708"
        ),
        [
            "tcp LISTEN 0.0.0.0:80 0.0.0.0:0 ?[3480]",
            "tcp LISTEN 0.0.0.0:135 0.0.0.0:0 ?[1708]",
        ],
    ),
    # Line ends are lost.
    (
        "tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN tcp 0 0 127.0.0.1:25 0.0.0.0:* LISTEN",
        ["tcp LISTEN 0.0.0.0:22 0.0.0.0:0", "tcp LISTEN 127.0.0.1:25 0.0.0.0:0"],
    ),
    (
        SS + "LISTEN 0 128 0.0.0.0:23 0.0.0.0:* LISTEN 0 128 0.0.0.0:24 0.0.0.0:*",
        [
            "tcp LISTEN 0.0.0.0:22 0.0.0.0:0 s[7]",
            "tcp LISTEN 0.0.0.0:23 0.0.0.0:0",
            "tcp LISTEN 0.0.0.0:24 0.0.0.0:0",
        ],
    ),
    # -e prints a user and an inode behind the state.
    (
        (
            "tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN     "
            " 0          12345      7/sshd: listener"
        ),
        ["tcp LISTEN 0.0.0.0:22 0.0.0.0:0 sshd: listener[7]"],
    ),
    # Not sockets, or not ours.
    ("Pour UDP :\n" + NETSTAT, ["tcp LISTEN 0.0.0.0:22 0.0.0.0:0 s[7]"]),
    (
        LSOF + "x   7 root    3u  IPv4  12345      0t0  RAW *:*\n",
        ["tcp LISTEN 0.0.0.0:22 0.0.0.0:0 sshd[700]"],
    ),
    (
        (
            "LocalAddress LocalPort OwningProcess\n------------ --------- -------------\n"
            "::               49668           640\n\n    d-r--          12/13/2020\n"
        ),
        ["udp UNCONN :::49668 :::0 ?[640]"],
    ),
    (SS + "seen on 12/13/2020 www.example.com\n", None),
]


@pytest.mark.parametrize(("text", "expected"), FOUND_IN_PASTES)
def test_what_people_paste(text: str, expected: list[str] | None) -> None:
    rows, unreadable = read(text)
    assert unreadable == []
    if expected is not None:
        assert sorted(rows) == sorted(expected)
