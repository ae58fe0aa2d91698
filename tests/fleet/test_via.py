"""Any place that a command reaches: rows, filters, the doctor, and hosts without us."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import COMMAND, PATIENCE, Finished, Lab, enter_lab, finish
from support.hosts.other_hosts import need_root, path_with, pythons
from support.streaming import Stream, stream
from tcpstates.fleet.remote import RemoteHost
from tcpstates.fleet.session import Wanted
from tcpstates.fleet.targets import find_targets

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ways are scripts of sh")
_ROOT = "only root enters the namespaces that stand for hosts"
NO_PYTHON = ("sh", "ss", "uname", "cat")


@pytest.fixture(scope="module")
def one() -> Iterator[Lab]:
    need_root(_ROOT)
    yield from enter_lab("lab")


@pytest.fixture(scope="module")
def two() -> Iterator[Lab]:
    need_root(_ROOT)
    yield from enter_lab("statelab")


def via(lab: Lab, inside: str = "") -> list[str]:
    """A prefix that leads into the namespace of a laboratory."""
    return [
        "--via",
        " ".join(["nsenter -n -t", str(lab.parts["main"]), inside]).strip(),
    ]


def run(*arguments: str) -> Finished:
    return finish([*COMMAND, *arguments])


def rows(*arguments: str) -> list[dict[str, object]]:
    finished = run("--json", *arguments)
    assert finished.returncode == 0, finished.stderr
    found: list[dict[str, object]] = json.loads(finished.stdout)["sockets"]
    return found


# What changes while nobody touches a socket.
MOVING = {"host", "timer", "info", "age_ms", "age_max_ms", "idle_ms", "memory"}


def assert_equal(there: list[dict[str, object]], here: list[dict[str, object]]) -> None:
    """Every socket is in both, and equal but for what moves."""
    by_cookie = {row["cookie"]: row for row in here}
    assert {row["cookie"] for row in there} == by_cookie.keys()
    for row in there:
        expected = by_cookie[row["cookie"]]
        differing = {
            name: (row[name], value)
            for name, value in expected.items()
            if name not in MOVING and row[name] != value
        }
        assert not differing, row["cookie"]


@pytest.mark.parametrize("flags", ["-tuanep", "-tuaneimp"])
def test_rows_are_those_that_the_host_itself_reports(one: Lab, flags: str) -> None:
    there = rows(flags, *via(one))
    assert_equal(there, one.sockets(flags))
    assert len(there) > 10
    for name in ("info", "memory"):
        assert any(row.get(name) for row in there) == ("m" in flags)


def test_every_row_knows_its_host(one: Lab, two: Lab) -> None:
    found = rows("-tuan", *via(one), *via(two))
    names = [str(lab.parts["main"]) for lab in (one, two)]
    numbers = {name: sum(row["host"] == name for row in found) for name in names}
    assert numbers == {
        name: len(lab.sockets("-tuan"))
        for name, lab in zip(names, (one, two), strict=True)
    }
    counts = run("-tua", "--by", "host", "--jsonl", *via(one), *via(two)).stdout
    counted = map(json.loads, counts.splitlines())
    assert {each["host"]: each["count"] for each in counted} == numbers
    chosen = rows("-tuan", f"on-host = {names[0]}", *via(one), *via(two))
    assert len(chosen) == numbers[names[0]]
    refused = run("-tan", "on-host = x")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "requires --host" in refused.stderr


def test_filters_are_decided_here(one: Lab) -> None:
    for words in (
        "listen",
        "process = python3 or pid > 1",
        "user = root and not listener",
        "age > 1ms",
        "rtt < 10s",
        "listener",
        "sport > 1000 and dst 127.0.0.0/8",
    ):
        there = rows("-tanp", words, *via(one))
        assert_equal(there, one.sockets("-tanp", words))


def test_text_begins_with_the_host(one: Lab) -> None:
    lines = run("-tln", *via(one)).stdout.splitlines()
    assert lines[0].split()[:3] == ["Host", "Proto", "State"]
    assert lines[1].split()[0] == str(one.parts["main"])
    heading = run("-tln", "--csv", *via(one)).stdout.split(",")[:2]
    assert heading == ["host", "protocol"]


def test_a_listing_can_be_saved_and_read_again(one: Lab, tmp_path: Path) -> None:
    saved = tmp_path / "fleet.json"
    assert run("-tan", "--json", "--output", str(saved), *via(one)).returncode == 0
    name = str(one.parts["main"])
    found = run("--from", str(saved), "-tac", f"on-host = {name}").stdout
    assert int(found) == len(one.sockets("-tan"))


def test_a_host_without_python_is_read_by_ss(one: Lab, tmp_path: Path) -> None:
    prefix = path_with(tmp_path / "bin", *NO_PYTHON)
    finished = run("--json", "-tuanp", *via(one, prefix))
    found = json.loads(finished.stdout)
    assert finished.returncode == 0
    assert found["source"] == "ss"
    assert "no usable Python there; read the output of ss" in finished.stderr
    assert ends(found["sockets"]) == ends(one.sockets("-tuanp"))


def test_a_host_without_ss_is_read_through_proc(one: Lab, tmp_path: Path) -> None:
    if shutil.which("busybox") is None:
        pytest.skip("missing: busybox")
    prefix = path_with(tmp_path / "bin", "sh", "uname", "cat", busybox=True)
    finished = run("--json", "-tuan", *via(one, prefix))
    found = json.loads(finished.stdout)
    assert (finished.returncode, found["source"]) == (0, "proc")
    assert ends(found["sockets"]) == ends(one.sockets("-tuan", "--source", "procfs"))


def ends(found: list[dict[str, object]]) -> Counter[tuple[object, ...]]:
    names = ("protocol", "state", "local_address", "local_port", "remote_port")
    return Counter(tuple(row[name] for name in names) for row in found)


def test_without_standard_input_there_is_still_an_answer(
    one: Lab, tmp_path: Path
) -> None:
    script = tmp_path / "deaf"
    script.write_text('#!/bin/sh\nexec "$@" < /dev/null\n')
    script.chmod(0o755)
    found = rows("-tan", "--via", f"{script} {via(one)[1]}")
    assert len(found) == len(one.sockets("-tan"))


def others() -> list[str]:
    """The Pythons of other versions on this machine, else this one."""
    found = pythons()
    here = found.pop(sys.version_info.minor)
    return list(found.values()) or [here]


@pytest.mark.parametrize("python", others())
def test_other_versions_of_python_answer(one: Lab, python: str, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    prefix = path_with(folder, *NO_PYTHON)
    (folder / "python3").symlink_to(python)
    finished = run("--json", "-tuanp", *via(one, prefix))
    assert finished.stderr == ""
    assert json.loads(finished.stdout)["source"] == "netlink"


def test_the_doctor_finds_there_what_it_finds_here(two: Lab) -> None:
    """Queues move meanwhile, so it is what is found both before and afterwards."""

    def told(text: str) -> set[tuple[object, ...]]:
        return {
            (f["rule"], f["severity"], tuple(p["pid"] for p in f["processes"]))
            for f in json.loads(text)["findings"]
        }

    before = two.tcpstates("doctor", "--json")
    there = run("doctor", "--json", *via(two))
    after = two.tcpstates("doctor", "--json")
    assert there.returncode == before.returncode == 1
    name = str(two.parts["main"])
    expected = told(before.stdout) & told(after.stdout)
    assert len(expected) >= 2
    assert expected <= told(there.stdout)
    for finding in json.loads(there.stdout)["findings"]:
        assert finding["host"] == name
        assert finding["verdict"].startswith(f"on {name}: ")
        for command in finding["commands"]:
            words = shlex.split(command, comments=True)
            is_elsewhere = "--via" in words or words[0] == "nsenter"
            assert is_elsewhere or words[:2] == ["tcpstates", "explain"], command


def test_commands_of_findings_reach_the_host(two: Lab) -> None:
    """Those that only look are run."""
    found = json.loads(run("doctor", "--json", *via(two)).stdout)["findings"]
    commands = {c for f in found for c in f["commands"] if c.startswith("tcpstates -")}
    assert commands
    for command in sorted(commands)[:5]:
        words = shlex.split(command, comments=True)[1:]
        assert finish([*COMMAND, *words]).returncode == 0, command


def test_findings_of_several_hosts_are_one_report(one: Lab, two: Lab) -> None:
    finished = run("doctor", "--json", *via(two), *via(one))
    told = json.loads(finished.stdout)
    assert told["hosts"] == 2
    assert told["namespaces"] == 1
    assert {f["host"] for f in told["findings"]} <= {
        str(lab.parts["main"]) for lab in (one, two)
    }
    text = run("doctor", *via(two), *via(one)).stdout
    assert ", 2 hosts (" in text


def test_check_until_explain_diagram_and_diff(two: Lab, tmp_path: Path) -> None:
    number = len(two.sockets("-tan", "close_wait"))
    checked = run("check", "-c", f"close_wait={number - 1}", *via(two))
    assert checked.returncode == 2
    assert f"close_wait {number} (critical" in checked.stdout
    reached = run("--until", f"close_wait>{number - 1}", *via(two))
    assert (reached.returncode, reached.stdout.split(";")[0]) == (
        0,
        f"close_wait {number}",
    )
    assert f"{number} now" in run("explain", "close_wait", *via(two)).stdout
    assert "CLOSE_WAIT" in run("diagram", *via(two)).stdout
    before = tmp_path / "before"
    run("-tan", "--json", "--output", str(before), *via(two))
    same = run("diff", str(before), *via(two))
    assert same.returncode == 0
    assert "0 opened" in same.stdout
    assert "cookies" in same.stdout


def test_a_namespace_of_the_host(one: Lab) -> None:
    inside = rows("-tan", "-N", str(one.parts["main"]), "--via", "env x=1")
    assert len(inside) == len(one.sockets("-tan"))
    refused = run("doctor", "-N", "all", *via(one))
    assert (refused.returncode, refused.stdout) == (2, "")


def test_watching_asks_again_through_the_same_connection(
    one: Lab, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    script = tmp_path / "counts"
    script.write_text(f'#!/bin/sh\necho x >> {log}\nexec "$@"\n')
    script.chmod(0o755)
    command = [*COMMAND, "-tac", "-w", "0.2", "--via", f"{script} {via(one)[1]}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        numbers = [int(watching.stdout.readline()) for _ in range(3)]
        watching.terminate()
    assert set(numbers) == {len(one.sockets("-tan"))}
    assert log.read_text() == "x\n"


def test_options_without_a_host_are_refused() -> None:
    for words in (["--sudo"], ["--parallel", "3"], ["--partial"], ["--ssh", "ssh"]):
        finished = run("-tan", *words)
        assert (finished.returncode, finished.stdout) == (2, ""), words
        assert "requires --host" in finished.stderr
    for words in (["--from", "x"], ["--from-format", "ss"]):
        finished = run("-tan", "--via", "env x", *words)
        assert (finished.returncode, finished.stdout) == (2, ""), words
    for words in (["-tan"], ["doctor"], ["explain", "listen"], ["diagram"]):
        finished = run(*words, "--timeout", "5")
        assert (finished.returncode, finished.stdout) == (2, ""), words
        assert "--host" in finished.stderr


def test_the_source_of_a_namespace_cannot_be_chosen_elsewhere_either() -> None:
    words = ("-N", "all", "--source", "procfs")
    for place in ((), ("--via", "env x")):
        finished = run("-tan", *place, *words)
        assert (finished.returncode, finished.stdout) == (2, "")
        assert "--netns and --source cannot be combined" in finished.stderr


def pid_in(watching: Stream, file: Path) -> int:
    """Wait for the number that a script writes into a file."""
    watching.wait_for(lambda: file.exists() and file.read_text().strip())
    return int(file.read_text())


def is_running(pid: int) -> bool:
    """Check whether a process runs; one that waits to be reaped has ended."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text()
        return text.rpartition(")")[2].split()[0] != "Z"
    return False


def assert_ends(pid: int) -> None:
    end = time.monotonic() + PATIENCE
    while is_running(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_interrupt_waits_for_nobody(tmp_path: Path) -> None:
    way = script_of(tmp_path, "echo $$ > $0.$1.pid\nexec sleep 1000").removesuffix(" h")
    command = [*COMMAND, "-tan", "--timeout", "900"]
    command += ["--via", f"{way} x", "--via", f"{way} y"]
    with stream(command, tmp_path) as asking:
        pids = [pid_in(asking, tmp_path / f"way.{name}.pid") for name in "xy"]
        start = time.monotonic()
        asking.process.send_signal(2)
        assert asking.process.wait(30) == 130
        assert time.monotonic() - start < 20
    for pid in pids:
        assert_ends(pid)


def script_of(folder: Path, text: str) -> str:
    """A command of sh that stands for a way to a host; $@ runs what it is given."""
    script = folder / "way"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return f"{script} h"


CUT = """echo tcpstates-text ss Linux x86_64
echo 'Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process'
echo 'tcp LISTEN 0 9 10.0.0.1:80 0.0.0.0:*'
exit 255"""


def test_a_part_of_an_answer_is_no_answer(tmp_path: Path) -> None:
    way = script_of(tmp_path, CUT)
    for words in (["-ta"], ["check", "-c", "close_wait=0"]):
        finished = run(*words, "--via", way)
        assert finished.returncode == 3
        assert "incomplete" in finished.stdout + finished.stderr


def test_what_only_our_program_can_read_is_refused_elsewhere(
    one: Lab, tmp_path: Path
) -> None:
    prefix = path_with(tmp_path / "bin", *NO_PYTHON)
    for words in (["--netns", "all"], ["--source", "procfs"]):
        finished = run("-tan", *words, *via(one, prefix))
        assert (finished.returncode, finished.stdout) == (3, "")
        assert f"which {words[0]} needs" in finished.stderr


def test_a_host_that_comes_back_is_asked_again(tmp_path: Path) -> None:
    """Its sockets are not reported as closed meanwhile."""
    way = script_of(
        tmp_path,
        f"shift; echo x >> {tmp_path}/log\nn=$(wc -l < {tmp_path}/log)\n"
        "if [ $n = 2 ]; then echo boom >&2; exit 1; fi\n"
        # The first connection serves two questions, and breaks.
        'if [ $n = 1 ]; then exec timeout 1.5 "$@"; fi\nexec "$@"',
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = [*COMMAND, "-ltn", "-w", "0.5", "--jsonl", f"sport = :{port}"]
        with stream([*command, "--via", way], tmp_path) as watching:
            watching.wait_for(lambda: "boom" in watching.errors.read_text())
            log = tmp_path / "log"
            watching.wait_for(lambda: len(log.read_text()) >= 6)
            # Once this one is reported, so is whatever changed before it.
            with socket.create_server(("127.0.0.2", port)):
                watching.wait_for(lambda: "127.0.0.2" in watching.text)
                seen = watching.events
    kinds = Counter(e["event"] for e in seen if e.get("local_address") == "127.0.0.1")
    assert kinds["closed"] == 0
    assert kinds["present"] + kinds["opened"] == 1


def test_a_deadline_holds_whoever_holds_the_pipe(tmp_path: Path) -> None:
    way = script_of(tmp_path, "setsid sleep 20 & exec sleep 20")
    start = time.monotonic()
    finished = run("-tan", "--timeout", "1", "--via", way)
    assert time.monotonic() - start < 10
    assert finished.returncode == 3
    assert "no answer within 1 s" in finished.stderr


def test_until_waits_no_longer_than_its_timeout(tmp_path: Path) -> None:
    way = script_of(tmp_path, "exec sleep 30")
    start = time.monotonic()
    finished = run("--until", "listen>0", "--timeout", "1", "--via", way)
    assert time.monotonic() - start < 8
    assert finished.returncode == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", 15)])
def test_nothing_outlives_us(tmp_path: Path, number: int) -> None:
    way = script_of(tmp_path, f"echo $$ > {tmp_path}/pid\nexec sleep 60")
    command = [*COMMAND, "-tan", "--timeout", "50", "--via", way]
    with stream(command, tmp_path) as asking:
        pid = pid_in(asking, tmp_path / "pid")
        asking.process.send_signal(number)
        assert asking.process.wait(20) == -number
    assert_ends(pid)


def test_no_host_answers_the_doctor(tmp_path: Path) -> None:
    gone = ["--via", "false a", "--via", "false b"]
    finished = run("doctor", *gone)
    assert finished.returncode == 3
    assert finished.stderr.startswith("tcpstates: a: the connection was closed\n")


def test_commands_that_the_doctor_proposes_for_others_stay_as_they_are() -> None:
    (target,) = find_targets(["web1"], [], sudo=True)
    there = RemoteHost(target, Wanted()).there
    for command in (
        "on 10.0.0.9: tcpstates doctor",
        "tcpstates explain keepalive",
        "look at its log",
    ):
        assert there(command) == command
    assert there("tcpstates -tan") == "tcpstates --host web1 --sudo -tan"
    assert there("ss -tan") == "ssh web1 'sudo ss -tan'"
    assert "if tcpstates is installed" in there("tcpstates kill pid = 7")
    assert "doctor" not in there("tcpstates doctor --netns all")


def test_without_privileges_owners_are_missing(one: Lab) -> None:
    """The prefix of a user who is not root, on the far side."""
    drop = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    finished = run("-tanp", *via(one, drop))
    assert finished.returncode == 0
    assert "hidden" in finished.stderr
    assert "run as root" in finished.stderr


def test_counts_name_the_number_of_hosts(tmp_path: Path) -> None:
    hosts = ["--via", "env A=1", "--via", "env B=1"]
    assert "\non 2 hosts\n" in run("-s", *hosts).stdout
    assert ", on 2 hosts | " in run("check", "-w", "total=0:", *hosts).stdout
    partial = run("-s", *hosts, "--via", "false c", "--partial")
    assert "\non 2 of 3 hosts\n" in partial.stdout
    assert " hosts" not in run("-s", *hosts[:2]).stdout
