"""Real files are dirty; some are hostile."""

from __future__ import annotations

import random
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import run_command
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpstates.collect.saved import FileSource, SavedFiles
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, Request
from tcpstates.parse.saved.reader import FORMATS, Reader
from tcpstates.parse.saved.rows import Row, to_batches

DATA = Path(__file__).parents[2] / "data" / "saved"
GERMAN = (DATA / "windows-l10n/recon-de-rare-states.txt").read_text(encoding="utf-8")


def rows(text: str, **how: Any) -> list[Row]:
    reader = Reader({"https": 443, "ssh": 22}.get, **how)
    return [*reader.read(text.split("\n")), *reader.finish()]


def words(found: list[Row]) -> list[str]:
    return [word for batch in to_batches(found) for word in batch.column("word")]


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
    found = [word for batch in batches for word in batch.column("word")]
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
        "2 lines that look like a socket cannot be read: line 2, 4" in finished.stderr
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


def test_a_line_of_100_mb_takes_little_memory(tmp_path: Path) -> None:
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
    assert "cannot be read: line 2" in finished.stderr


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
