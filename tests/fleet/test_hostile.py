"""Another host may be anybody's: whatever it answers does no harm here."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import pytest

from conftest import COMMAND, Finished, finish

GREETING = "tcpstates-program cpython-311"
READY = "tcpstates-ready"
ABOUT = {
    "source": "netlink",
    "lacks": [],
    "taken_at": 1.0,
    "boot_id": None,
    "fin_timeout_ms": 60000,
    "limitations": [],
}
ROW: dict[str, object] = {
    "raw_state": "LISTEN",
    "local_address": "127.0.0.1",
    "local_port": 80,
    "remote_address": "0.0.0.0",
    "remote_port": 0,
    "recv_q": 0,
    "send_q": 128,
    "uid": 0,
    "user_name": "root",
    "inode": 7,
    "cookie": 9,
}


def batch(*rows: dict[str, object], **more: object) -> dict[str, object]:
    """The sockets as the far side sends them; `more` replaces what is said of them."""
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    told = {"protocol": "tcp", "family": "ipv4", "count": len(rows), "columns": columns}
    return {"batch": {**told, **more}}


def host(folder: Path, script: str) -> list[str]:
    """A host whose connection is a script of Python."""
    program = folder / "remote.py"
    program.write_text(
        "import os, sys, time, json\n"
        f"GREETING, READY = {GREETING!r}, {READY!r}\n"
        "def say(*lines):\n"
        "    for line in lines:\n"
        "        print(line, flush=True)\n"
        "def hear():\n"
        "    size = int(sys.stdin.buffer.readline())\n"
        "    sys.stdin.buffer.read(size)\n"
        "    sys.stdin.buffer.readline()\n"
        "def question():\n"
        "    return json.loads(sys.stdin.buffer.readline() or b'null')\n" + script
    )
    return ["--via", f"{sys.executable} -u {program} web1"]


def answering(folder: Path, *lines: object) -> list[str]:
    """A host that answers each question with these lines."""
    told = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    script = (
        "say(GREETING); hear(); say(READY)\n"
        "while question() is not None:\n"
        f"    say(*{told!r})\n"
    )
    return host(folder, script)


def ask(*arguments: str) -> Finished:
    start = time.monotonic()
    finished = finish([*COMMAND, *arguments])
    assert time.monotonic() - start < 30
    assert "Traceback" not in finished.stderr
    assert "\x1b" not in finished.stdout + finished.stderr
    return finished


def assert_refused(finished: Finished, *words: str) -> None:
    assert (finished.returncode, finished.stdout) == (3, ""), finished
    (line,) = finished.stderr.splitlines()
    assert len(line) < 600
    for word in ("web1", *words):
        assert word in line


def test_a_right_answer_is_taken(tmp_path: Path) -> None:
    finished = ask("-tan", *answering(tmp_path, batch(ROW), {"done": ABOUT}))
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "127.0.0.1:80" in finished.stdout


def test_what_a_profile_prints_first_is_passed_over(tmp_path: Path) -> None:
    script = (
        "say('Welcome to web1', 'tcpstates-programme', '\\x1b[31m')\n"
        "say(GREETING); hear(); say(READY)\n"
        f"question(); say({json.dumps(batch(ROW))!r}, {json.dumps({'done': ABOUT})!r})\n"
    )
    finished = ask("-tac", *host(tmp_path, script))
    assert (finished.returncode, finished.stdout) == (0, "1\n")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", ["closed"]),
        ("sys.exit(1)", ["closed"]),
        ("sys.stderr.write('\\x1b[2Jdenied\\n'); sys.exit(1)", ["denied"]),
        ("while True: say('x' * 1000)", ["too much"]),
        ("time.sleep(100)", ["no answer within 1 s"]),
        ("say(GREETING); time.sleep(100)", ["no answer within 1 s"]),
        ("say(GREETING); hear(); time.sleep(100)", ["no answer within 1 s"]),
        (
            "say(GREETING); hear(); say(READY); time.sleep(100)",
            ["no answer within 1 s"],
        ),
        ("say(GREETING); hear(); say(READY); question()", ["ends too early"]),
        ("say(GREETING); hear(); say(READY); question(); say('hello')", ["unexpected"]),
        ("say(GREETING); hear(); say(READY); question(); say('[1]')", ["unexpected"]),
        ("say(GREETING); hear(); say(READY); question(); say('[' * 99999)", ["unexpe"]),
        ("say(GREETING, READY)\nquestion(); question(); say('{}')", []),
        ("say('tcpstates-text ss'); say('nothing')", ["no sockets"]),
        ("say('tcpstates-text')", ["closed"]),
        ("say('tcpstates-text ss'); time.sleep(100)", ["no answer within 1 s"]),
        ("say(GREETING); hear(); say(READY); question()\nwhile True: say('{}')", []),
    ],
)
def test_a_host_that_does_not_answer_as_it_should(
    tmp_path: Path, script: str, words: list[str]
) -> None:
    seconds = "1" if "no answer within 1 s" in words else "20"
    finished = ask("-tan", "--timeout", seconds, *host(tmp_path, f"{script}\n"))
    assert_refused(finished, *words)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("source", value) for value in (None, 7, "x" * 9999, ["a"])),
        *(("lacks", value) for value in (None, "x", [7])),
        *(("taken_at", value) for value in (None, "x", -1, 1e300, True)),
        *(("boot_id", value) for value in (7, ["a"])),
        *(("fin_timeout_ms", value) for value in (-1, 1 << 70, "60", 1.5, True)),
        *(("limitations", value) for value in (None, [7], [{"kind": "x"}], "x")),
    ],
)
def test_wrong_values_are_refused(tmp_path: Path, name: str, value: object) -> None:
    about = {**ABOUT, name: value}
    assert_refused(
        ask("-tan", *answering(tmp_path, batch(ROW), {"done": about})), "invalid"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("local_port", 65536),
        ("local_port", "80; id"),
        ("local_address", "-oProxyCommand"),
        ("local_address", "web1"),
        ("local_address", "::1"),
        ("local_address", "\x1b[31m"),
        ("remote_address", None),
        ("raw_state", "\x1b[31mLISTEN"),
        ("raw_state", ["LISTEN"]),
        ("uid", -1),
        ("uid", True),
        ("cookie", 1 << 64),
        ("processes", [["x", "61", 1]]),
        ("processes", [[1, "6", 1]]),
        ("processes", [[1, "61"]]),
        ("processes", 7),
        ("info", {"rtt": "x"}),
        ("info", {"\x1b": 1}),
        ("timer", 7),
        ("nonsense", 1),
        ("state_label", "\x1b"),
    ],
)
def test_a_wrong_value_spoils_the_answer(
    tmp_path: Path, name: str, value: object
) -> None:
    rows = [{**ROW, name: ROW.get(name)}, {**ROW, name: value}]
    answer = batch(*rows), {"done": ABOUT}
    assert_refused(ask("-tan", *answering(tmp_path, *answer)), "invalid")


@pytest.mark.parametrize(
    ("name", "value"), [("state_label", "TIME_WAIT"), ("host", "somebody else")]
)
def test_what_is_derived_here_cannot_be_sent(
    tmp_path: Path, name: str, value: str
) -> None:
    answer = batch({**ROW, name: value}), {"done": ABOUT}
    assert_refused(ask("-tan", *answering(tmp_path, *answer)), "invalid")


@pytest.mark.parametrize(
    "more",
    [
        {"protocol": "icmp"},
        {"protocol": ["tcp"]},
        {"family": "unix"},
        {"count": 3},
        {"count": -1},
        {"count": "2"},
        {"count": 10**9},
        {"columns": {}},
        {"columns": []},
        {"columns": None},
        {"columns": {"raw_state": {"same": "LISTEN"}}},
        {"columns": {name: {"other": 1} for name in ROW}},
    ],
)
def test_a_wrong_batch_spoils_the_answer(
    tmp_path: Path, more: dict[str, object]
) -> None:
    told = batch(ROW, ROW, **more)
    assert_refused(ask("-tan", *answering(tmp_path, told, {"done": ABOUT})), "invalid")


def test_a_column_may_be_one_value(tmp_path: Path) -> None:
    columns = {name: {"same": value} for name, value in ROW.items()}
    told = batch(ROW, count=3, columns=columns)
    assert ask("-tac", *answering(tmp_path, told, {"done": ABOUT})).stdout == "3\n"


def test_names_are_escaped_like_all_others(tmp_path: Path) -> None:
    row = {
        **ROW,
        "user_name": "a\x1b[31mb",
        "interface_name": "e\nth",
        "cgroup_name": "/\x07",
        "processes": [[1, b"x\x1b]0;t\x07\n".hex(), 3]],
    }
    said = {"kind": "owners-hidden", "text": "a\x1b[31m\nb"}
    about = {**ABOUT, "limitations": [said]}
    remote = answering(tmp_path, batch(row), {"done": about})
    for words in (
        ["-tanpe"],
        ["-tanpe", "--csv"],
        ["-ta", "--by", "process,user,host"],
    ):
        finished = ask(*words, *remote)
        assert finished.returncode == 0
        assert len(finished.stderr.splitlines()) == 1
        assert "\x07" not in finished.stdout + finished.stderr
    told = json.loads(ask("-tanp", "--json", *remote).stdout)
    assert [each["host"] for each in told["sockets"]] == ["web1"]


def test_what_was_not_asked_for_is_not_shown(tmp_path: Path) -> None:
    other = batch({**ROW, "raw_state": "UNCONN"}, protocol="udp")
    remote = answering(tmp_path, batch(ROW), other, {"done": ABOUT})
    assert ask("-tac", *remote).stdout == "1\n"
    assert ask("-tac", "not listen", *remote).stdout == "0\n"


def test_the_doctor_survives_any_answer(tmp_path: Path) -> None:
    """The same lines answer each of its questions, so most of them are wrong."""
    wrong: list[object] = [ABOUT, None, [], 7, {"kernel": 7}, {}, {"owners": {"x": 1}}]
    for done in wrong:
        finished = ask("doctor", *answering(tmp_path, {"done": done}))
        assert_refused(finished, "invalid")


def test_an_error_of_the_far_side_is_one_line(tmp_path: Path) -> None:
    remote = answering(tmp_path, {"error": "source netlink: \x1b[31mno\nfree lunch"})
    assert_refused(ask("-tan", *remote), "free lunch")


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="missing: prlimit")
def test_an_endless_answer_ends(tmp_path: Path) -> None:
    script = (
        "say(GREETING); hear(); say(READY); question()\n"
        f"row = {json.dumps(batch(ROW))!r}\n"
        "while True: say(row)\n"
    )
    command = [*COMMAND, "-tac", "--timeout", "1", *host(tmp_path, script)]
    limited = ["prlimit", f"--as={2 << 30}", *command]
    start = time.monotonic()
    finished = finish(limited)
    assert time.monotonic() - start < 30
    assert (finished.returncode, finished.stdout) == (3, "")
    assert "no answer within 1 s" in finished.stderr


def test_one_bad_host_does_not_spoil_the_others(tmp_path: Path) -> None:
    good = answering(tmp_path, batch(ROW), {"done": ABOUT})
    (tmp_path / "bad").mkdir()
    bad = host(tmp_path / "bad", "say('x')\n")
    bad[1] = bad[1].replace("web1", "web2")
    finished = ask("-tac", *bad, *good)
    assert (finished.returncode, finished.stdout) == (3, "1\n")
    assert "web2" in finished.stderr
