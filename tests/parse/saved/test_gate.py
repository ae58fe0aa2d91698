"""What a stranger wrote costs his own row at most, and never reaches a terminal raw."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shlex
import shutil
import subprocess
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from conftest import finish, run_command
from support.fakes.hostile_saved import (
    OWN,
    POISONS,
    VALUES,
    mutated_line,
    own_rows,
    sample_lines,
    strange_in,
    wrong_rows,
)
from support.tools.inprocess import told
from tcpstates.model import Owner
from tcpstates.parse.saved.gate import LONGEST_ADDRESS, LONGEST_NAME, refused
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import MALFORMED, Row

# 1 in 10 of the whole by default: all of it takes two minutes.
SIZE = int(os.environ.get("HOSTILE_ROWS", "10000"))
TEXT_FORMATS = (
    ("-tuapeoim", "-n"),
    ("-tuapeoim", "--format", "table"),
    ("-tuapeoim", "--format", "table", "-W"),
    ("-tuape",),
    ("-tuan", "--columns", "raw-state,state,local,timer-kind,user,pid,process"),
    ("-s",),
    ("-tua", "--by", "state,process,user"),
    ("-tua", "--by", "remote-address,timer"),
    ("-tuan", "--sort", "-process,state"),
    ("-tua", "--state-names", "windows"),
    ("--openmetrics", "-tua", "--by", "state,process,cgroup"),
    ("-tuapeoim", "--csv"),
    ("doctor",),
    ("diagram",),
    ("diagram", "--svg", "-"),
    ("explain", "established"),
    ("check", "-c", "close_wait=1"),
)
MACHINE_FORMATS = (
    ("-tuapeoim", "--json"),
    ("-tuapeoim", "--jsonl"),
    ("-tua", "--json", "--by", "state,process"),
    ("doctor", "--json"),
    ("explain", "--json"),
)
GOOD = Row("tcp", "ipv4", "ESTAB", "1.1.1.1", 1, "::1", 2, 3, 4, {"uid": 5})


def save(folder: Path, lines: Sequence[str]) -> str:
    path = folder / "saved"
    text = "\n".join(lines) + "\n"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return str(path)


def check_everything(path: str) -> None:
    """Show a file in every way, and look for what must not be there."""
    for arguments in TEXT_FORMATS:
        code, text, errors = told([*arguments, "--from", path])
        assert code in range(4), (arguments, errors)
        if "--csv" in arguments:
            rows = list(csv.reader(io.StringIO(text, newline="")))
            assert len({len(row) for row in rows}) <= 1
            text = "".join(cell for row in rows for cell in row)
        if "--openmetrics" in arguments and code == 0:
            assert list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
        assert not strange_in(text), arguments
        assert not strange_in(errors), arguments
        assert "internal error" not in errors
    for arguments in MACHINE_FORMATS:
        code, text, errors = told([*arguments, "--from", path])
        assert code in range(4), (arguments, errors)
        documents = text.splitlines() if "--jsonl" in arguments else [text]
        for document in documents if code < 2 else ():
            json.loads(document, parse_constant=pytest.fail)
        assert text.isascii()


def test_json_of_wrong_types_through_every_output(tmp_path: Path) -> None:
    lines = list(wrong_rows(random.Random(7), SIZE // 2))
    check_everything(save(tmp_path, lines))


def test_mutated_lines_through_every_output(tmp_path: Path) -> None:
    dice, seeds = random.Random(8), sample_lines()
    for start in range(0, SIZE // 2, 2500):
        here = dice.randrange(len(seeds) - 500)
        lines = [
            line if not line or dice.random() < 0.2 else mutated_line(line, dice)
            for _ in range(5)
            for line in seeds[here : here + 500]
        ]
        folder = tmp_path / str(start)
        folder.mkdir()
        check_everything(save(folder, lines))


@pytest.mark.parametrize("name", OWN)
def test_a_wrong_value_costs_its_own_row_only(tmp_path: Path, name: str) -> None:
    """Each value is in one line of three, and every command says so or shows it."""
    first, last = (OWN | {"local_port": port} for port in (11, 22))
    for value in VALUES:
        lines = [json.dumps(row) for row in (first, OWN | {name: value}, last)]
        path = save(tmp_path, lines)
        code, text, errors = told(["-tuanpeoim", "--json", "--from", path])
        assert code == 0, (value, errors)
        ports = [row["local_port"] for row in json.loads(text)["sockets"]]
        assert ports[0] == 11
        assert ports[-1] == 22
        if len(ports) == 2:
            assert (
                "1 line that looks like a socket but cannot be parsed: line 2" in errors
            )
        else:
            assert (len(ports), errors) == (3, "")


def test_many_sockets_on_a_line_are_judged_one_by_one(tmp_path: Path) -> None:
    rows = [OWN, OWN | {"local_port": "x"}, [], OWN | {"protocol": []}, 5, OWN]
    for text in (
        json.dumps({"sockets": rows}),
        json.dumps({"sockets": rows}, indent=1),
    ):
        code, shown, errors = told(["-tac", "--from", save(tmp_path, [text])])
        assert (code, shown) == (0, "2\n")
        assert "3 lines that look like a socket but cannot be parsed" in errors


def test_what_stands_before_an_end_that_is_missing_counts(tmp_path: Path) -> None:
    lines = [json.dumps(OWN), json.dumps(OWN) + '{"protocol": }']
    code, shown, errors = told(["-tac", "--from", save(tmp_path, lines)])
    assert (code, shown) == (0, "2\n")
    assert "cannot be parsed: line 2" in errors


LIMITS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"protocol": "sctp"}, False),
    ({"family": "unix"}, False),
    ({"raw_state": None}, True),
    ({"raw_state": "ABH\udc99REN"}, True),
    ({"raw_state": "a\x1b"}, False),
    ({"raw_state": "\ud800"}, False),
    ({"raw_state": "a" * 64}, True),
    ({"raw_state": "a" * 65}, False),
    ({"raw_state": 1}, False),
    ({"local_address": "a" * LONGEST_ADDRESS}, True),
    ({"local_address": "a" * (LONGEST_ADDRESS + 1)}, False),
    ({"local_address": ""}, False),
    ({"local_address": None}, False),
    ({"local_address": "-a"}, False),
    ({"local_address": "a b"}, False),
    ({"local_address": "a;b"}, False),
    ({"local_address": "\u00e9"}, False),
    ({"remote_address": "web-1.example.org"}, True),
    ({"remote_address": "$(id)"}, False),
    ({"local_port": 0}, True),
    ({"local_port": 65535}, True),
    ({"local_port": 65536}, False),
    ({"local_port": -1}, False),
    ({"local_port": None}, True),
    ({"remote_port": True}, False),
    ({"remote_port": 1.0}, False),
    ({"recv_q": (1 << 64) - 1}, True),
    ({"recv_q": 1 << 64}, False),
    ({"send_q": -1}, False),
    ({"send_q": False}, False),
    ({"more": {"v6only": 1}}, False),
    ({"more": {"v6only": True}}, True),
    ({"more": {"user_name": "a" * LONGEST_NAME}}, True),
    ({"more": {"user_name": "a" * (LONGEST_NAME + 1)}}, False),
    ({"more": {"interface_name": "\x1b["}}, True),
    ({"more": {"cgroup_name": 1}}, False),
    ({"more": {"timer": "on\n"}}, False),
    ({"more": {"info": {"rtt": 1}}}, True),
    ({"more": {"info": {"rtt": None}}}, False),
    ({"more": {"info": {"rtt": True}}}, False),
    ({"more": {"info": {'a"b': 1}}}, False),
    ({"more": {"info": {f"a{n}": n for n in range(200)}}}, True),
    ({"more": {"info": {f"a{n}": n for n in range(201)}}}, False),
    ({"more": {"info": []}}, False),
    ({"more": {"info": {"last_ack_ms": 1}}}, False),
    ({"more": {"info": {"backoff": 255}}}, True),
    ({"more": {"info": {"backoff": 256}}}, False),
    ({"more": {"retransmits": 256}}, False),
    ({"more": {"shutdown": 4}}, False),
    ({"more": {"uid": 1 << 32}}, False),
    ({"more": {"memory": {"drops": -1}}}, False),
    ({"more": {"truncated": ("local_address",)}}, True),
    ({"more": {"truncated": ("x",)}}, False),
    ({"more": {"truncated": ["local_address"]}}, False),
    ({"more": {"processes": None}}, True),
    ({"more": {"processes": ()}}, True),
    ({"more": {"processes": (Owner(1, b"a", None),)}}, True),
    ({"more": {"processes": (Owner(1, b"a" * LONGEST_NAME, None),)}}, True),
    ({"more": {"processes": (Owner(1, b"a" * (LONGEST_NAME + 1), 2),)}}, False),
    ({"more": {"processes": (Owner(-1, None, 2),)}}, False),
    ({"more": {"processes": (Owner(True, None, 2),)}}, False),
    ({"more": {"processes": (Owner(1, "a", 2),)}}, False),  # type: ignore[arg-type]
    ({"more": {"processes": ((1, b"a", 2),)}}, False),
    ({"more": {"no_process_reason": "orphan"}}, True),
    ({"more": {"no_process_reason": "\u202e"}}, False),
    ({"more": {"something_new": 1}}, False),
]


@pytest.mark.parametrize(("change", "passes"), LIMITS, ids=lambda v: ascii(v)[:40])
def test_what_passes_the_gate(change: dict[str, Any], passes: bool) -> None:
    row = GOOD._replace(**change)
    assert refused([GOOD, row, GOOD]) == ([] if passes else [1])
    assert refused([row]) == ([] if passes else [0])


def test_true_is_no_number_beside_a_one() -> None:
    rows = [GOOD._replace(recv_q=1), GOOD._replace(recv_q=True), GOOD]
    assert refused(rows) == [1]
    assert refused([]) == []
    assert refused([MALFORMED]) == [0]


def test_a_row_that_does_not_pass_is_reported_with_its_line() -> None:
    heading = "State Recv-Q Send-Q Local Address:Port Peer Address:Port"
    lines = [heading, *["ESTAB 0 0 1.1.1.1:1 2.2.2.2:2"] * 3]
    lines.insert(2, f"ESTAB 0 0 {'a' * 254}:1 2.2.2.2:2")
    lines.insert(4, "ESTAB 0 99999999999999999999999 1.1.1.1:1 2.2.2.2:2")
    reader = Reader(dict[str, int]().get)
    rows = [*reader.read(lines), *reader.finish()]
    assert len(rows) == reader.rows == 3
    assert (reader.unreadable, reader.numbers) == (2, [3, 5])


# Commands.

SHELLS = [shell for shell in ("bash", "zsh", "fish", "dash") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_reads_a_quoted_word_as_it_was(shell: str) -> None:
    from tcpstates.text import command_line

    words = [
        word.encode("ascii", "replace").decode()
        for word in POISONS
        if word.isprintable() and len(word) < 100
    ]
    words += [
        "",
        "a b",
        "$HOME",
        "!!",
        "a\\'b\\\\",
        "'\"'",
        "(x)",
        "[a-z]",
        "x=1",
        "=ls",
    ]
    words += ["{a,b}", "^a", "a&", "<x", ">x", "%1", "~root", "?", "a\nb"]
    script = "".join(command_line("printf '%s\\0' {}\n", word) for word in words)
    finished = finish([shell, "-c", script])
    assert finished.stdout.split("\0")[:-1] == words


def commands_of(folder: Path, address: str) -> str:
    rows = [
        OWN
        | {"raw_state": "SYN_SENT", "local_port": 40000 + n, "remote_address": address}
        | {"timer": {"kind": "retransmit", "expires_ms": 1, "retransmits": 5}}
        for n in range(40)
    ]
    path = save(folder, [json.dumps(row) for row in rows])
    return run_command("doctor", "--from", path).stdout


def test_no_address_becomes_a_command(tmp_path: Path) -> None:
    assert "tcpstates -tanpo syn_sent and dst" in commands_of(tmp_path, "8.8.8.8")
    for poison in (f"8.8.8.8;touch${{IFS}}{tmp_path}/pwned", "-rf", *POISONS):
        told = commands_of(tmp_path, poison)
        assert not strange_in(told)
        for line in told.splitlines():
            words = line.removeprefix("do").split()
            if words[:1] in (["tcpstates"], ["ip"]):
                script = shlex.join(words[:1]) + "() { :; }\n" + line.removeprefix("do")
                subprocess.run(["bash", "-c", script], check=True, timeout=20)
    assert not (tmp_path / "pwned").exists()


# Output and memory stay in proportion.


@pytest.mark.parametrize("name", ["local_address", "raw_state", "user", "interface"])
@pytest.mark.parametrize(
    "how",
    [("-tape",), ("-tape", "--format", "table", "-W"), ("-ta", "--by", "state,user")],
)
def test_one_long_cell_pads_no_other_row(
    tmp_path: Path, name: str, how: tuple[str, ...]
) -> None:
    rows = list(own_rows()) * 50
    rows[5] = rows[5] | {name: "a" * 1_000_000}
    path = save(tmp_path, [json.dumps(row) for row in rows])
    size = os.stat(path).st_size
    tracemalloc.start()
    try:
        code, text, _ = told([*how, "--from", path])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert code == 0
    assert len(text) < size
    assert peak < 20 * size


@pytest.mark.parametrize("length", [1500, LONGEST_NAME])
def test_a_name_as_long_as_may_be_pads_no_other_row(
    tmp_path: Path, length: int
) -> None:
    rows = list(own_rows()) * 300
    rows[5] = rows[5] | {"cgroup": "/" + "a" * (length - 1)}
    path = save(tmp_path, [json.dumps(row) for row in rows])
    for how in (
        ("-tape",),
        ("-tape", "--format", "table", "-W"),
        ("-tap", "--by", "cgroup,state"),
    ):
        _, text, _ = told([*how, "--from", path])
        assert "a" * (length - 1) in text
        assert len(text) < os.stat(path).st_size


# What was once broken in particular.


def test_escapes_of_json_do_not_reach_the_terminal(tmp_path: Path) -> None:
    clipboard = "\x1b]52;c;cm0gLXJmIC8=\x07\x1b[2J1.2.3.4"
    forged = "5.6.7.8\nESTAB 0 0 9.9.9.9:1"
    lines = [
        json.dumps(OWN | {"local_address": clipboard}),
        json.dumps(OWN | {"remote_address": forged}),
        json.dumps(OWN | {"raw_state": "\x1b]52;c;cm0=\x07"}),
        json.dumps(OWN),
    ]
    code, text, errors = told(["-tan", "--from", save(tmp_path, lines)])
    assert code == 0
    assert len(text.splitlines()) == 2
    assert not strange_in(text)
    assert (
        "3 lines that look like a socket but cannot be parsed: line 1, 2, 3" in errors
    )


def test_an_escape_that_is_left_when_another_is_taken_away(tmp_path: Path) -> None:
    line = "tcp        0      0 10.0.0.1:22   10.0.0.2:5   ESTABLISHED\x1b\x1b[m[2J"
    for arguments in (["-tan"], ["-s"], ["-ta", "--openmetrics"]):
        code, text, _ = told([*arguments, "--from", save(tmp_path, [line])])
        assert code in (0, 3)
        assert not strange_in(text)
