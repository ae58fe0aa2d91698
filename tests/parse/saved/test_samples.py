"""Every recorded listing gives the rows that are in it."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conftest import Lab, run_command
from tcpstates.batch import Batch
from tcpstates.collect.saved.source import FileSource, SavedFiles
from tcpstates.fields import ADDRESS, PORT, SIDES_OF_A_SOCKET
from tcpstates.model import Limitation, Request
from tcpstates.parse.saved.layouts import FORMATS, LAYOUTS
from tcpstates.states import TcpState

DATA = Path(__file__).parents[2] / "data" / "saved"
with (DATA / "EXPECTED.csv").open(encoding="utf-8") as table:
    EXPECTED = {row["sample"]: row for row in csv.DictReader(table)}
BOTH = Request(protocols=frozenset({"tcp", "udp"}))
NO_ROWS = "ss/local-summary-s.txt"


def read(path: Path | str, **how: Any) -> tuple[list[Batch], list[Limitation]]:
    limitations: list[Limitation] = []
    source = FileSource(SavedFiles((str(path),), **how))
    return list(source.read(BOTH, limitations)), limitations


def order(sample: str) -> str:
    return "big" if "bigendian" in sample else "little"


@pytest.mark.parametrize("sample", EXPECTED)
def test_as_many_rows_as_expected_in_every_state(sample: str) -> None:
    batches, limitations = read(DATA / sample, byte_order=order(sample))
    counted: Counter[str] = Counter()
    for batch in batches:
        is_tcp = batch.protocol == "tcp"
        counted.update(
            (state or "TCP_OTHER") if is_tcp else "UDP"
            for state in batch.column("state")
        )
    names = [*map(str, TcpState), "TCP_OTHER", "UDP"]
    assert {n: counted[n] for n in names} == {
        n: int(EXPECTED[sample][n]) for n in names
    }
    kinds = {kind for kind, _ in limitations}
    expected = (
        {"no-sockets"} if sample in (NO_ROWS, "proc/local-net-raw.txt") else set()
    )
    expected |= {"several-snapshots"} if "oswatcher" in sample else set()
    assert kinds == expected


def described(batch: Batch, index: int) -> list[str]:
    """Return the words of a row that its text must have."""
    words = []
    for side in SIDES_OF_A_SOCKET:
        port = batch.column(PORT[side])[index]
        address = batch.column(ADDRESS[side])[index]
        wildcard = address in ("0.0.0.0", "::")
        words.append("" if wildcard else address.removeprefix("::ffff:"))
        words.append(str(port) if port else "")
    return words


TEXTS = [
    s for s in EXPECTED if not s.startswith(("proc/", "powershell/")) and s != NO_ROWS
]


@pytest.mark.parametrize("sample", [s for s in TEXTS if "names" not in s])
def test_endpoints_stand_in_the_text(sample: str) -> None:
    text = (DATA / sample).read_text(encoding="utf-8", errors="replace")
    lines = re.sub(r"\x1b\[[0-9;]*[mK]", "", text).splitlines()
    batches, _ = read(DATA / sample)
    for batch in batches:
        for index in range(len(batch)):
            words = described(batch, index)
            assert any(all(word in line for word in words) for line in lines), words


def test_processes_of_ss_with_hostile_names() -> None:
    batches, _ = read(DATA / "ss/local-tanp.txt")
    owners = {o for b in batches for each in b.column("processes") for o in each}
    assert (72, b'we"ird,pid=1', 13) in owners
    assert (76, b"C++ App: v2", 39) in owners
    assert (74, b"LISTEN", 37) in owners


def test_details_of_ss() -> None:
    batches, _ = read(DATA / "ss/local-tanpoiemO.txt")
    rows = {
        (word, address, port): (timer, ms, inode, memory, info)
        for b in batches
        for word, address, port, timer, ms, inode, memory, info in b.rows(
            "state_label",
            "local_address",
            "local_port",
            "timer",
            "timer_ms",
            "inode",
            "memory",
            "info",
        )
    }
    timer, ms, inode, memory, info = rows["ESTABLISHED", "127.0.0.1", 54180]
    assert timer == "keepalive"
    assert ms > 7_000_000
    assert inode == 3078898
    assert memory["receive_buffer"] > 0
    assert info["congestion_window"] == 11
    assert info["rtt"] > 0
    assert rows["TIME_WAIT", "127.0.0.1", 54182][0] == "time-wait"


def test_details_of_netstat() -> None:
    batches, _ = read(DATA / "linux-nettools/local-tuanpe.txt")
    (ipv4, *_) = [b for b in batches if (b.protocol, b.family) == ("tcp", "ipv4")]
    first = {
        name: ipv4.column(name)[0]
        for name in ("local_port", "uid", "inode", "processes", "send_q")
    }
    assert first["uid"] == 0
    assert first["inode"] == 3078865
    assert first["processes"] == ((70, b"nginx: worker pr", None),)
    assert first["send_q"] is None  # it prints 0 there, and not the limit
    timers, _ = read(DATA / "linux-nettools/local-tan-timers-wide.txt")
    assert "keepalive" in timers[0].column("timer")


def test_addresses_that_were_cut_are_marked() -> None:
    sample = str(DATA / "linux-nettools/local-tuanp.txt")
    shown = run_command("-tan", "--from", sample).stdout
    assert "[2001:db8:aaaa:bbbb:...]:443" in shown
    rows = json.loads(run_command("-tan", "--json", "--from", sample).stdout)["sockets"]
    cut = [row for row in rows if row["local_address"].startswith("2001:db8")]
    assert all("local_address" in row["truncated"] for row in cut)
    whole = [row for row in rows if row["local_address"] == "127.0.0.1"]
    assert all(row["truncated"] is None for row in whole)


def test_users_and_interfaces_are_those_of_the_file() -> None:
    sample = ("--from", str(DATA / "lsof/local-nP-i.txt"))
    nobody = run_command("-tac", "user = nobody", *sample)
    assert int(nobody.stdout) > 0
    assert run_command("-tac", "user = nosuchuser", *sample).stdout == "0\n"
    everyone = run_command("-tac", "user != nobody", *sample)
    total = run_command("-tac", *sample)
    assert int(nobody.stdout) + int(everyone.stdout) == int(total.stdout)
    sample = ("--from", str(DATA / "ss/local-tan.txt"))
    assert run_command("-tac", "dev = va", *sample).stdout == "3\n"


def test_one_of_several_snapshots() -> None:
    sample = str(DATA / "linux-nettools/derived-oswatcher-zzz.txt")
    both = run_command("-tac", "--from", sample)
    one = run_command("-tac", "--from", sample, "--snapshot", "2")
    assert (both.stdout, one.stdout) == ("74\n", "37\n")
    assert "2 snapshots are listed together" in both.stderr
    assert one.stderr == ""


def test_everything_works_on_a_file() -> None:
    sample = str(DATA / "ss/local-tanpoiemO.txt")
    arguments = ("--from", sample)
    assert run_command("-tac", "close_wait", *arguments).stdout == "1\n"
    counted = run_command("-tac", "--by", "state", *arguments).stdout
    assert "12 LISTEN" in " ".join(counted.split())
    assert (
        run_command("-tac", "process = nginx and sport = :443", *arguments).stdout
        != "0\n"
    )
    assert run_command("-tac", "user = root", *arguments).returncode == 0
    assert "CLOSE_WAIT" in run_command("--csv", "-tan", *arguments).stdout
    assert " 1  CLOSE_WAIT" in run_command("explain", *arguments).stdout
    assert run_command("check", "-w", "close_wait=0", *arguments).returncode == 1
    found = json.loads(run_command("diagram", "--json", *arguments).stdout)
    assert found["states"]["LISTEN"] == 12
    limits = ("--threshold", "kept=0s", "--threshold", "pool-count=1")
    found = json.loads(run_command("doctor", "--json", *limits, *arguments).stdout)
    assert {f["rule"] for f in found["findings"]} == {"close-wait", "fin-wait-2"}
    gaps = {gap["rule"] for gap in found["not_examined"]}
    assert {"host", "ports"} <= gaps


def test_standard_input_and_several_files() -> None:
    first, second = DATA / "ss/local-tan.txt", DATA / "proc/local-net-tcp.txt"
    with first.open() as text:
        piped = run_command(
            "-tac",
            "--from",
            "-",
            "--from",
            str(second),
            stdin=text,
            capture_output=True,
        )
    assert (piped.stdout, piped.returncode) == ("57\n", 0)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--from", "/nowhere/file"), 3, "/nowhere/file: cannot be read: No such file"),
        (("--from", "/dev/null"), 3, "/dev/null: is empty"),
        (("--from", str(DATA / "EXPECTED.csv")), 3, "no sockets recognised; tried ss,"),
        (("--from", "x", "--source", "procfs"), 2, "cannot be combined"),
        (("--from-format", "ss"), 2, "--from-format requires --from FILE"),
        (("--from", "x", "--from-format", "sss"), 2, "--from-format"),
        (("--snapshot", "2"), 2, "--snapshot requires --from FILE"),
        (("--byte-order", "big"), 2, "--byte-order requires --from FILE"),
        (("doctor", "--from", "x", "--watch", "1"), 2, "--watch requires live sockets"),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...], code: int, message: str
) -> None:
    if os.name == "nt" and "/dev/null" in arguments:
        pytest.skip("Windows has no such file")
    finished = run_command(*arguments)
    assert (finished.returncode, finished.stdout) == (code, "")
    (line,) = finished.stderr.splitlines()
    assert message in line


def test_a_named_format_reads_nothing_else() -> None:
    sample = str(DATA / "ss/local-tan.txt")
    finished = run_command("--from", sample, "--from-format", "lsof")
    assert finished.returncode == 3
    assert "no sockets recognised; tried lsof" in finished.stderr


def test_the_command_line_offers_every_format() -> None:
    told = run_command("--from-format", "telex", "--from", "-").stderr
    assert ", ".join(f"'{name}'" for name in FORMATS) in told
    for name in FORMATS:
        told = run_command("--from-format", name).stderr
        assert (
            told
            == "tcpstates: --from-format requires --from FILE; see tcpstates --help\n"
        )


def test_help_names_every_format() -> None:
    text = " ".join(run_command("--help").stdout.split())
    sentence = text.split("Set the format of FILE: ")[1].split(";")[0]
    assert sentence.replace(" or ", ", ").split(", ") == list(FORMATS)


def test_layouts_have_names_of_their_own() -> None:
    names = [layout.name for layout in LAYOUTS]
    assert len(set(names)) == len(names)
    assert not any("[" in name for layout in LAYOUTS for name in layout.formats)


@pytest.mark.parametrize("command", [("--from",), ("doctor", "--from"), ("diff",)])
def test_a_file_of_another_user(
    lab: Lab, tmp_path: Path, command: tuple[str, ...]
) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "ss").write_text("")
    finished = lab.run(*lab.nobody(), *command, str(tmp_path / "ss"))
    assert (finished.returncode, finished.stdout) == (3, "")
    (line,) = finished.stderr.splitlines()
    assert f"{tmp_path}/ss: cannot be read: Permission denied" in line
