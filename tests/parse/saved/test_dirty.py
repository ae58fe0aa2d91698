"""Real files are dirty; some are hostile."""

from __future__ import annotations

import random
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import run_command
from tcpstates.collect.saved.source import FileSource, SavedFiles
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, Request
from tcpstates.parse.saved.layouts import FORMATS
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import Row, to_batches

DATA = Path(__file__).parents[2] / "data" / "saved"
GERMAN = (DATA / "windows-l10n/recon-de-rare-states.txt").read_text(encoding="utf-8")


def rows(text: str, **how: Any) -> list[Row]:
    reader = Reader({"https": 443, "ssh": 22}.get, **how)
    return [*reader.read(text.split("\n")), *reader.finish()]


def words(found: list[Row]) -> list[str]:
    return [word for batch in to_batches(found) for word in batch.column("state_label")]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp850", "cp1252", "cp437"],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_german_windows_in_its_code_pages(
    encoding: str, ends: str, tmp_path: Path
) -> None:
    path = tmp_path / "netstat.txt"
    path.write_bytes(GERMAN.replace("\n", ends).encode(encoding))
    limitations: list[Limitation] = []
    batches = list(FileSource(SavedFiles((str(path),))).read(Request(), limitations))
    found = [word for batch in batches for word in batch.column("state_label")]
    assert sorted(found) == [
        "CLOSE_WAIT",
        "CLOSING",
        "ESTABLISHED",
        "FIN_WAIT_2",
        "LAST_ACK",
        "LISTEN",
        "SYN_SENT",
        "TIME_WAIT",
    ]
    assert limitations == []


def test_an_unknown_language_of_windows() -> None:
    text = """
  Proto  Lokaal adres           Extern adres           Status          PID
  TCP    0.0.0.0:135            0.0.0.0:0              LUISTEREN       912
  TCP    192.0.2.5:50011        198.51.100.9:443       GEVESTIGD       3340
  TCP    [::]:135               [::]:0                 BOUND           912
  UDP    0.0.0.0:500            *:*                                    3012
"""
    found = rows(text)
    assert sorted(words(found)) == ["BOUND", "LISTEN", "UNCONN", "UNKNOWN(GEVESTIGD)"]
    assert {row.raw_state for row in found} == {"LUISTEREN", "GEVESTIGD", "BOUND", None}
    (udp,) = [row for row in found if row.protocol == "udp"]
    assert udp.more is not None
    assert udp.more["processes"] == ((3012, None, None),)


def test_programs_of_windows_stand_below_their_rows() -> None:
    text = """
  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING       912
  RpcSs
 [svchost.exe]
  TCP    0.0.0.0:445            0.0.0.0:0              LISTENING       4
 Can not obtain ownership information
  TCP    127.0.0.1:5354         127.0.0.1:49672        ESTABLISHED     3516
 [mDNSResponder.exe]
"""
    owners = [(row.more or {}).get("processes") for row in rows(text)]
    assert owners == [
        ((912, b"svchost.exe", None),),
        ((4, None, None),),
        ((3516, b"mDNSResponder.exe", None),),
    ]


def test_macos_with_pids() -> None:
    text = """Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)     rhiwat shiwat    pid   epid  state    options
tcp4       0      0  192.0.2.5.49152        198.51.100.9.443       ESTABLISHED 131072 131768    412      0  00102    00000000
tcp46      0      0  *.22                   *.*                    LISTEN      131072 131072      1      0  00100    00000106
udp4       0      0  *.5353                 *.*                                786896   9216    234      0  00100    00000000
"""
    found = rows(text)
    assert [(row.protocol, row.family, row.raw_state) for row in found] == [
        ("tcp", "ipv4", "ESTABLISHED"),
        ("tcp", "ipv6", "LISTEN"),
        ("udp", "ipv4", None),
    ]
    assert [(row.more or {})["processes"][0].pid for row in found] == [412, 1, 234]


def test_newer_macos_names_processes() -> None:
    text = """Proto Recv-Q Send-Q  Local Address  Foreign Address  (state)  rxbytes txbytes rhiwat shiwat process:pid state
tcp4       0      0  192.0.2.5.49152  198.51.100.9.443  ESTABLISHED  100 200 131072 131768 Safari:412 00102
"""
    (row,) = rows(text)
    assert (row.more or {})["processes"] == ((412, b"Safari", None),)


def test_openbsd_aix_hpux_and_solaris() -> None:
    text = """Active Internet connections (including servers)
Proto   Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp          0      0  192.0.2.5.22           198.51.100.9.50123     ESTABLISHED
tcp6         0      0  *.22                   *.*                    LISTEN
f1000e00 tcp4  0  0  *.13  *.*  LISTEN
tcp        0      0  *.515                  *.*                     LISTEN
tcp        0      0  192.0.2.5.1022         192.0.2.6.514           SYN_RCVD
TCP: IPv4
   Local Address        Remote Address    Swind Send-Q Rwind Recv-Q    State
-------------------- -------------------- ----- ------ ----- ------ -----------
192.0.2.5.22         192.0.2.6.40000      64128      7 64240      9 CLOSE_WAIT
      *.8080               *.*                0      0 128000     0 LISTEN
      *.*                  *.*                0      0 128000     0 IDLE
"""
    found = rows(text)
    assert words(found).count("LISTEN") == 4
    assert "SYN_RECEIVED" in words(found)
    assert "IDLE" in words(found)
    (waiting,) = [row for row in found if row.raw_state == "CLOSE_WAIT"]
    assert (waiting.recv_q, waiting.send_q) == (9, 7)


def test_powershell_in_all_its_forms() -> None:
    table = """
LocalAddress                        LocalPort RemoteAddress                       RemotePort State       AppliedSetting OwningProcess
------------                        --------- -------------                       ---------- -----       -------------- -------------
::                                  445       ::                                  0          Listen                     4
192.0.2.5                           50101     198.51.100.9                        443        Established Internet       5120
"""
    listed = """
LocalAddress   : 192.0.2.5
LocalPort      : 50101
RemoteAddress  : 198.51.100.9
RemotePort     : 443
State          : TimeWait
OwningProcess  : 0
"""
    separated = (
        "#TYPE Microsoft.Management.Infrastructure.CimInstance\n"
        '"LocalAddress";"LocalPort";"RemoteAddress";"RemotePort";"State";"OwningProcess"\n'
        '"192.0.2.5";"50101";"198.51.100.9";"443";"CloseWait";"77"\n'
    )
    objects = """[
    {"LocalAddress": "192.0.2.5", "LocalPort": 50101, "RemoteAddress": "198.51.100.9",
     "RemotePort": 443, "State": 5, "OwningProcess": 77},
    {"LocalAddress": "::", "LocalPort": 445, "RemoteAddress": "::", "RemotePort": 0,
     "State": "Listen", "OwningProcess": 4}
]"""
    assert words(rows(table)) == ["LISTEN", "ESTABLISHED"]
    assert words(rows(listed)) == ["TIME_WAIT"]
    assert words(rows(separated)) == ["CLOSE_WAIT"]
    assert sorted(words(rows(objects))) == ["ESTABLISHED", "LISTEN"]


def test_names_of_hosts_and_services() -> None:
    text = "tcp  0  0 localhost:ssh  web-1.example:https  ESTABLISHED\n"
    (row,) = rows(text)
    assert (row.local_address, row.local_port) == ("localhost", 22)
    assert (row.remote_address, row.remote_port) == ("web-1.example", 443)
    (row,) = rows(text.replace("ssh", "nosuchservice"))
    assert row.local_port is None


def test_names_that_are_no_addresses_break_nothing(tmp_path: Path) -> None:
    path = tmp_path / "netstat.txt"
    path.write_text("tcp  0  0 localhost:nosuch  web-1.example:https  ESTABLISHED\n")
    source = ("--from", str(path))
    for arguments in (
        ("-tan",),
        ("-ta", "--json"),
        ("-ta", "--csv"),
        ("-ta", "--sort", "local,remote-address,local-port"),
        ("-ta", "--by", "remote"),
        ("-ta", "dport = :443 and src 127.0.0.1"),
        ("-ta", "sport > :5"),
        ("doctor",),
    ):
        finished = run_command(*arguments, *source)
        assert finished.returncode == 0, (arguments, finished.stderr)


def test_unreadable_lines_are_counted_with_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "ss.txt"
    good = "ESTAB 0 0 192.0.2.1:22 192.0.2.2:4000\n"
    path.write_text(
        f"{good}{good.replace(':22', ':99999')}{good}ESTAB 0 0 192.0.2.1:2\n"
    )
    finished = run_command("-tac", "--from", str(path))
    assert finished.stdout == "2\n"
    assert (
        "2 lines that look like a socket but cannot be parsed: line 2, 4"
        in finished.stderr
    )


def test_wrapped_lines_are_joined() -> None:
    text = """State Recv-Q Send-Q Local Address:Port Peer Address:Port
ESTAB 0      0
      192.0.2.1:22      192.0.2.2:4000
ESTAB 0      0      192.0.2.1:22
192.0.2.2:4001
tcp        0      0 192.0.2.1:22
   192.0.2.2:4002     CLOSE_WAIT
"""
    found = rows(text)
    assert [row.remote_port for row in found] == [4000, 4001, 4002]


def test_prose_is_no_socket() -> None:
    text = "tcp is a protocol: see RFC 9293.\nTCP window full\nListen to me.\n> hello\n"
    assert rows(text) == []


N = 30_000


@pytest.mark.parametrize(
    "line",
    [
        "ESTAB 0 0 1.2.3.4:5 1.2.3.4:6 users:((" + '("' * N + "))",
        "ESTAB 0 0 1.2.3.4:5 1.2.3.4:6 " + "users:((" * (N // 4),
        "ESTAB 0 0 1.2.3.4:5 1.2.3.4:6 " + "timer:(" * (N // 4) + "skmem:(" * (N // 4),
        "State Recv-Q Local Address" + " " * N + "x",
        "Proto Recv-Q " + " x" * N,
        "tcp 0 0 1.2.3.4:5 1.2.3.4:6 ESTABLISHED " + "1/ " * N,
        "tcp 0 0 1.2.3.4:5 1.2.3.4:6 ESTABLISHED 1/" + " " * N + "x",
        "COMMAND PID " + "FD TYPE " * (N // 4),
        "a " * N + "IPv4 1 0t0 TCP *:1 (LISTEN)",
        "x 1 u 2u IPv4 1 0t0 TCP *:1" + " (" * N,
        "\x1b]" * N,
        "> " * N,
        "   1: 0100007F:0016 " + "0" * N,
        '{"a": ' + "[" * N,
        "[" * N,
        '"LocalAddress","LocalPort"' + ',"' * N,
        "LocalAddress LocalPort" + " x" * N,
        "USER PROCESS PID " + "tcp4 " * N,
        f"ESTAB {'9' * N} 0 1.2.3.4:5 1.2.3.4:6",
        f"tcp 0 {'9' * N} 1.2.3.4:5 1.2.3.4:6 ESTABLISHED",
        f"ESTAB 0 0 1.2.3.4:5 1.2.3.4:6 ino:{'9' * N} timer:(on,{'9' * N}ms,1)",
        '{"protocol": "tcp", "family": "ipv4", "recv_q": ' + "9" * N + "}",
    ],
)
def test_no_line_takes_long(line: str) -> None:
    began = time.process_time()
    rows(f"{line}\n{line}\n")
    assert time.process_time() - began < 2


SAMPLES = sorted(path for path in DATA.rglob("*.txt"))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutated_samples_give_rows_or_nothing(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SAMPLES)).read_text("utf-8", "surrogateescape")
    dice = random.Random(data.draw(st.integers(0, 2**32)))
    letters = list(text[:6000])
    for _ in range(data.draw(st.integers(1, 40))):
        place = dice.randrange(len(letters))
        match dice.randrange(4):
            case 0:
                letters[place] = chr(
                    dice.choice((0, 9, 10, 27, 58, 46, 91, 255, 0x2028))
                )
            case 1:
                del letters[place : place + dice.randrange(1, 40)]
                letters = letters or ["x"]
            case 2:
                letters.insert(place, dice.choice(text))
            case _:
                letters[place] = dice.choice("0123456789abcdefXYZ:.[]()%*/\"'")
    for row in rows("".join(letters)):
        assert row.protocol in ("tcp", "udp")
        assert row.local_port is None or 0 <= row.local_port <= 65535
    list(to_batches(rows("".join(letters))))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_are_survived(tmp_path_factory: Any, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "file"
    path.write_bytes(raw)
    for name in (None, *FORMATS):
        source = FileSource(SavedFiles((str(path),), format=name))
        with suppress(SourceUnavailable):  # nothing else
            list(source.read(Request(), []))


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_line_of_100_mb_takes_little_memory(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "long.txt"
    with path.open("w") as file:
        file.write("ESTAB 0 0 192.0.2.1:22 192.0.2.2:4000\n")
        for _ in range(100):
            file.write("x" * 1_000_000)
        file.write("\nESTAB 0 0 192.0.2.1:22 192.0.2.2:4001\n")
    limit = 400 * 1024 * 1024

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    finished = run_command("-tac", "--from", str(path), preexec_fn=bound)
    assert finished.stdout == "2\n"
    assert "cannot be parsed: line 2" in finished.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="scripts of a shell")
def test_nothing_planted_is_run(tmp_path: Path) -> None:
    for name in ("netstat", "netstat.exe", "ss", "lsof", "ip"):
        planted = tmp_path / name
        planted.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\n")
        planted.chmod(0o755)
    environment = {"PATH": str(tmp_path), "SystemRoot": str(tmp_path)}
    for arguments in (("-tan",), ("doctor",), ("-tan", "--source", "netstat")):
        run_command(*arguments, cwd=tmp_path, env=environment)
    assert not (tmp_path / "run").exists()


# What a trial of hand-written files has found.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            (
                "[root@web01 ~]# netstat -tan\n"
                "Proto Recv-Q Send-Q Local Address  Foreign Address  State\n"
                "tcp        0      0 0.0.0.0:22     0.0.0.0:*        LISTEN\n"
            ),
            ["LISTEN"],
        ),
        (
            (
                "  TCP    0.0.0.0:135   0.0.0.0:0    LISTENING\n  RpcSs\n [svchost.exe]\n"
                "  TCP    0.0.0.0:445   0.0.0.0:0    LISTENING\n"
                " Can not obtain ownership information\n"
                "  TCP    10.0.0.5:50101  52.1.2.3:443  ESTABLISHED\n [chrome.exe]\n"
            ),
            ["LISTEN", "LISTEN", "ESTABLISHED"],
        ),
        (
            (
                '[{"LocalAddress":"::","LocalPort":49670,"RemoteAddress":"::",'
                '"RemotePort":0,"State":2,"OwningProcess":696}]\n'
            ),
            ["LISTEN"],
        ),
        (
            (
                "    State  Recv-Q Send-Q Local Address:Port  Peer Address:Port\n"
                "    ESTAB  0      0      10.0.2.15:22        10.0.2.2:50123\n"
            ),
            ["ESTABLISHED"],
        ),
        (
            (
                '"Caption","Description","LocalAddress","LocalPort","OwningProcess"\n'
                ',,"0.0.0.0","123","1500"\n'
            ),
            ["UNCONN"],
        ),
        (
            (
                "LocalAddress LocalPort State\n------------ --------- -----\n"
                "0.0.0.0            135 Listen\n"
            ),
            ["LISTEN"],
        ),
        (
            (
                "TCP: IPv4\n10.0.0.1.22  10.0.0.2.50123  49640 51 49640 0 ESTABLISHED\n\n"
                "SCTP:\n0.0.0.0      0.0.0.0             0      0 102400 0  32/32  CLOSED\n"
            ),
            ["ESTABLISHED"],
        ),
        (
            (
                "State  Recv-Q Send-Q  Local Address:Port   Peer Address:Port\n"
                "LISTEN 0      128     127.0.0.1:53         0.0.0.0:*\n"
                "UNCONN 0      0       127.0.0.1:53         0.0.0.0:*\n"
                "ESTAB  0      0       10.0.0.1:5353        10.0.0.2:53\n"
            ),
            ["LISTEN", "CLOSED", "ESTABLISHED"],
        ),
        (
            (
                "State  Recv-Q Send-Q  Local Address:Port   Peer Address:Port\n"
                "ESTAB  0      0       10.0.0.1:5353        10.0.0.2:53\n"
                "UNCONN 0      0       127.0.0.1:53         0.0.0.0:*\n"
            ),
            ["ESTABLISHED", "UNCONN"],
        ),
        (
            (
                "State         : Listen\nLocalAddress  : 0.0.0.0\nLocalPort     : 135\n"
                "RemoteAddress : 0.0.0.0\nRemotePort    : 0\n"
            ),
            ["LISTEN"],
        ),
        (
            (
                "LocalAddress LocalPort RemoteAddress RemotePort       State ProcessName\n"
                "------------ --------- ------------- ----------       ----- -----------\n"
                "192.168.1.5      50231 52.1.2.3             443 Established Google Chrome\n"
            ),
            ["ESTABLISHED"],
        ),
        ("udp 17 20 src=10.0.0.1 dst=8.8.8.8 sport=5000 dport=53 mark=0 use=1\n", []),
        ("The tcp 5 sockets: 1.2.3.4:80 and more\n", []),
        (
            (
                "USER     COMMAND    PID   FD  PROTO  LOCAL ADDRESS     FOREIGN ADDRESS\n"
                "root     sshd       800   3   tcp4   *:22\n"
                "root     sshd       1500  5   tcp4   10.0.0.1:22       10.0.0.2:50123\n"
            ),
            ["UNKNOWN"],
        ),
        (
            (
                "tcp   ESTAB  0  0  [2001:db8:1234:5678:9abc:def0:1234:5678]:51234  [2001:\n"
                "db8::1]:443\n"
            ),
            [],
        ),
        (
            (
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
                "   uid  timeout inode\n   1: 00000000:0044 00000000:0000 07 00000000:00000000"
                " 00:00000000 00000000     0        0 20001 2 ffff9b1\n"
            ),
            ["UNCONN"],
        ),
        (
            (
                "2025-03-03T10:00:00 State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
                "2025-03-03T10:00:00 ESTAB 0      0      10.0.2.15:22      10.0.2.2:50123\n"
            ),
            ["ESTABLISHED"],
        ),
        ("out.txt:12:tcp  0  0 0.0.0.0:22  0.0.0.0:*  LISTEN\n", ["LISTEN"]),
        ("| tcp | 0 | 0 | 0.0.0.0:22 | 0.0.0.0:* | LISTEN |\n", ["LISTEN"]),
        (
            (
                "Proto Recv-Q Send-Q Local Address  Foreign Address  R-MBUF S-MBUF R-CLUS\n"
                "tcp4       0     44 10.0.0.1.22    10.0.0.2.50123        0      1      0\n"
            ),
            ["UNKNOWN"],
        ),
        (
            (
                '{"schema": 1, "sockets": [{"protocol": "tcp", "family": "ipv4",'
                ' "raw_state": "LISTEN", "local_address": "0.0.0.0", "local_port": 1,'
                ' "remote_address": "0.0.0.0", "remote_port": 0, "recv_q": 0,'
                ' "send_q": 5}]}\n'
            ),
            ["LISTEN"],
        ),
    ],
)
def test_variants(text: str, expected: list[str]) -> None:
    assert words(rows(text)) == expected


def test_fields_of_variants() -> None:
    (row,) = rows("p1215\ncsshd\nf3\nPTCP\nn*:22\nTST=LISTEN\nTQR=0\nTQS=0\n")
    assert (row.more or {})["processes"] == ((1215, b"sshd", 3),)
    assert row.send_q is None
    (row,) = rows(
        "sshd 1500 root 3u IPv4 20002 0t0 TCP 10.0.0.1:22->10.0.0.2:50123"
        " (ESTABLISHED QR=0 QS=36)\n"
    )
    assert (row.raw_state, row.recv_q, row.send_q) == ("ESTABLISHED", 0, 36)
    (row,) = rows(
        'LISTEN 0 128 *:22 *:* users:(("sshd",pid=1215,'
        "proc_ctx=system_u:system_r:sshd_t:s0-s0:c0.c1023,fd=3))\n"
    )
    assert (row.more or {})["processes"] == ((1215, b"sshd", 3),)
    (row,) = rows('LISTEN 0 128 *:22 *:* users:(("sshd",1215,3))\n')
    assert row.family == "ipv4"
    (row,) = rows(
        "TCP: IPv4\n10.0.0.1.22 10.0.0.2.50123 root 1234 /usr/lib/ssh/sshd 64128 51"
        " 128872 7 ESTABLISHED\n"
    )
    assert (row.raw_state, row.recv_q, row.send_q) == ("ESTABLISHED", 7, 51)
    assert (row.more or {})["processes"] == ((1234, b"/usr/lib/ssh/sshd", None),)
    (row,) = rows(
        "Proto Recv-Q Send-Q  Local Address  Foreign Address  (state)  rxbytes txbytes"
        " rhiwat shiwat process:pid state\n"
        "tcp4  0  0  192.168.1.5.51234  17.57.146.20.5223  ESTABLISHED  4567  890"
        "  131072  131768  Google Chrome He:342  00102 00000000\n"
    )
    assert (row.more or {})["processes"] == ((342, b"Google Chrome He", None),)


def test_a_heading_for_each_family_is_no_snapshot() -> None:
    heading = "Proto Recv-Q Send-Q  Local Address  Foreign Address  TCP-State\n"
    first = f"{heading}tcp 0 0 10.0.0.1.22 10.0.0.2.50123 ESTABLISHED\n"
    second = f"{heading}tcp6 0 0 *.22 *.* LISTEN\n"
    reader = Reader(lambda name: None)
    reader.read((first + second).split("\n"))
    reader.finish()
    assert reader.snapshots == 1
    reader.read((first + second).split("\n"))
    reader.finish()
    assert reader.snapshots == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("State Recv-Q Send-Q Local Address:Port Peer Address:Port\n", "looks like ss"),
        (
            '{"schema": 1,\n "sockets": [\n',
            "1 line that looks like a socket, and none can be parsed",
        ),
    ],
)
def test_files_without_rows_say_so(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "empty"
    path.write_text(text)
    assert message in run_command("-ta", "--from", str(path)).stderr


def test_a_snapshot_that_is_not_there() -> None:
    sample = str(DATA / "linux-nettools/derived-oswatcher-zzz.txt")
    finished = run_command("-tac", "--from", sample, "--snapshot", "9")
    assert finished.returncode == 3
    assert "no snapshot 9; the file has 2" in finished.stderr


def test_words_of_udp_on_solaris_are_kept_beside_their_meaning() -> None:
    text = """
UDP: IPv4
   Local Address        Remote Address      State
-------------------- -------------------- ----------
      *.111                               Idle
192.0.2.5.40000      198.51.100.9.53      Connected
      *.*                                 Unbound
"""
    found = rows(text)
    assert [row.raw_state for row in found] == ["Idle", "Connected", "Unbound"]
    assert words(found) == ["UNCONN", "ESTABLISHED", "UNBOUND"]


def test_a_torn_line_that_nothing_completes_is_counted() -> None:
    reader = Reader(dict[str, int]().get)
    text = """State Recv-Q Send-Q Local Address:Port Peer Address:Port
ESTAB 0 0 192.0.2.5:22 198.51.100.9
see above
ESTAB 0 0 192.0.2.5:22 198.51.100.9:4001"""
    found = [*reader.read(text.split("\n")), *reader.finish()]
    assert [row.remote_port for row in found] == [4001]
    assert (reader.unreadable, reader.numbers) == (1, [2])


@pytest.mark.parametrize("options", [["-ta"], ["-tan", "--sort", "local"]])
def test_services_that_are_unknown_here_keep_their_names(
    tmp_path: Path, options: list[str]
) -> None:
    path = tmp_path / "ss.txt"
    path.write_text("""State Recv-Q Send-Q Local Address:Port Peer Address:Port
ESTAB 0 0 192.0.2.5:ourapp 198.51.100.9:7
ESTAB 0 0 192.0.2.5:3 198.51.100.9:theirapp
""")
    finished = run_command(*options, "--from", str(path))
    assert finished.returncode == 0, finished.stderr
    assert "192.0.2.5:ourapp" in finished.stdout
    assert "198.51.100.9:theirapp" in finished.stdout


@pytest.mark.parametrize("heading", ["Netid State", "State"])
def test_keys_that_ss_prints_before_its_heading(heading: str) -> None:
    netid = "tcp " if "Netid" in heading else ""
    text = f"""SECRET-KEY{heading} Recv-Q Send-Q Local Address:Port Peer Address:Port Process
{netid}LISTEN 0 16 127.0.0.1:179 0.0.0.0:*
{netid}ESTAB 0 0 127.0.0.1:179 127.0.0.9:4000
"""
    assert [row.raw_state for row in rows(text)] == ["LISTEN", "ESTAB"]
