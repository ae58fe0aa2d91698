"""The Python API: typed records, the same as the command line tells."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tcpstates
from conftest import Lab

PACKAGE = Path(tcpstates.__file__).parent


def in_lab(lab: Lab, program: str) -> Any:
    """Return what a program, run among the sockets, prints as JSON."""
    command = [sys.executable, "-c", f"import json, tcpstates\n{program}"]
    finished = lab.run(*command)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_a_snapshot_is_what_json_lists(lab: Lab) -> None:
    program = "print(json.dumps([s.cookie for s in tcpstates.snapshot()]))"
    expected = {row["cookie"] for row in lab.sockets("-a")}
    assert set(in_lab(lab, program)) == expected
    program = "print(json.dumps([s.cookie for s in tcpstates.snapshot('close_wait')]))"
    expected = {row["cookie"] for row in lab.sockets("close_wait")}
    assert set(in_lab(lab, program)) == expected


def test_fields_of_a_record(lab: Lab) -> None:
    program = f"""
found = tcpstates.snapshot(
    ["state", "established", "sport", "=", ":{lab.parts["v4"]}", "recv-q", ">", "0"],
    processes=True, info=True, memory=True)
(one,) = found
print(json.dumps([one.state, one.recv_q, one.timer.kind, one.processes[0].pid,
    one.info["rtt"] > 0, one.memory["drops"], found.source, len(found)]))
"""
    expected = ["ESTABLISHED", 6, "keepalive", lab.parts["main"], True, 0, "netlink", 1]
    assert in_lab(lab, program) == expected


def test_names_are_those_of_this_system(lab: Lab) -> None:
    program = f"""
(one,) = tcpstates.snapshot("listen sport = {lab.parts["v4"]}")
print(json.dumps([one.uid, one.user, one.interface]))
"""
    uid, user, interface = in_lab(lab, program)
    assert (uid, interface) == (0, None)
    assert user == "root"


def test_counts_are_those_of_the_command_line(lab: Lab) -> None:
    program = """
held = tcpstates.snapshot(processes=True)
assert held.count_by("process", "state") == tcpstates.count_by("process", "state")
assert held.count_by("state").total() == len(held)
assert len(tcpstates.snapshot(protocols="tcp")) == len(held)
assert None not in tcpstates.count_by("info", filter="established")
print(json.dumps(tcpstates.count_by("state", protocols=("tcp", "udp"))))
"""
    told = json.loads(lab.tcpstates("-tua", "--by", "state", "--json").stdout)
    expected = {row["state"]: row["count"] for row in told["counts"]}
    assert in_lab(lab, program) == expected


def test_errors_say_what_is_missing() -> None:
    with pytest.raises(tcpstates.ColumnError, match="unknown column 'stat'"):
        tcpstates.count_by("stat")
    with pytest.raises(tcpstates.FilterSyntaxError, match="unknown state or key"):
        tcpstates.snapshot("clse_wait")
    with pytest.raises(tcpstates.ColumnError, match=r"snapshot\(processes=True\)"):
        tcpstates.snapshot("listen").count_by("process")
    for arguments in ({"protocols": "tpc"}, {"families": ["inet"]}, {"source": "x"}):
        with pytest.raises(tcpstates.ArgumentError, match=r"unknown .*; choose "):
            tcpstates.snapshot(**arguments)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tcpstates.nothing  # noqa: B018


def test_it_is_typed_and_loaded_late() -> None:
    assert (PACKAGE / "py.typed").exists()
    program = "import sys, tcpstates; print('tcpstates.api' in sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert finished.stdout == "False\n"
    assert all(hasattr(tcpstates, name) for name in tcpstates.__all__)
    assert not hasattr(tcpstates, "nothing_of_that_name")


def test_an_examination_from_python(lab: Lab) -> None:
    program = """
limits = tcpstates.Thresholds(pool_count=1, kept_ms=0)
found = tcpstates.examine("close_wait", thresholds=limits)
kinds = [finding.severity is tcpstates.Severity.WARNING for finding in found.findings]
print(json.dumps([kinds, found.counted, found.filter]))
"""
    kinds, counted, text = in_lab(lab, program)
    assert kinds == [True]
    assert list(counted) == ["CLOSE_WAIT"]
    assert text == "state close_wait"


SS = """State Recv-Q Send-Q Local Address:Port Peer Address:Port
LISTEN 3 128 0.0.0.0:80 0.0.0.0:*
ESTAB 5 6 10.0.0.1:80 10.0.0.2:4000 users:(("nginx",pid=7,fd=3))
"""


def test_a_saved_listing_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "ss.txt"
    path.write_text(SS + SS)
    taken = tcpstates.snapshot(source=tcpstates.saved(str(path)), processes=True)
    assert (taken.source, len(taken)) == ("file", 4)
    assert taken.count_by("state") == {"LISTEN": 2, "ESTABLISHED": 2}
    assert [limit.kind for limit in taken.limitations] == ["several-snapshots"]
    one = tcpstates.saved(str(path), format="ss", snapshot=2)
    assert tcpstates.count_by("state", source=one) == {"LISTEN": 1, "ESTABLISHED": 1}
    # It is read once, and may be asked again, also when the file is gone.
    path.rename(tmp_path / "elsewhere")
    assert len(tcpstates.snapshot("established", source=one)) == 1
    (tmp_path / "elsewhere").rename(path)
    with pytest.raises(tcpstates.ArgumentError, match="unknown format 'sss'"):
        tcpstates.saved(str(path), format="sss")
    with pytest.raises(tcpstates.ArgumentError, match="unknown byte order 'middle'"):
        tcpstates.saved(str(path), byte_order="middle")
    with pytest.raises(
        tcpstates.SourceUnavailable, match="no snapshot 3; the file has 2"
    ):
        tcpstates.snapshot(source=tcpstates.saved(str(path), snapshot=3))
    with pytest.raises(tcpstates.SourceUnavailable, match="tried lsof"):
        tcpstates.snapshot(source=tcpstates.saved(str(path), format="lsof"))


def test_the_byte_order_of_a_saved_table(tmp_path: Path) -> None:
    path = tmp_path / "tcp"
    path.write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
        "   uid  timeout inode\n"
        "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000"
        "     0        0 12345 1 0000000000000000 100 0 0 10 0\n"
    )
    addresses = [
        tcpstates.snapshot(source=tcpstates.saved(str(path), byte_order=order))
        .sockets[0]
        .local_address
        for order in ("little", "big")
    ]
    assert addresses == ["127.0.0.1", "1.0.0.127"]


def test_queues_of_a_listener_are_its_backlog(tmp_path: Path) -> None:
    path = tmp_path / "ss.txt"
    path.write_text(SS)
    listener, connection = tcpstates.snapshot(source=tcpstates.saved(str(path)))
    assert (listener.backlog, listener.backlog_limit) == (3, 128)
    assert (listener.recv_q, listener.send_q) == (3, 128)
    assert (connection.backlog, connection.backlog_limit) == (None, None)
    assert (connection.recv_q, connection.send_q) == (5, 6)


def test_a_filter_by_pid_examines_that_process_only(lab: Lab) -> None:
    """Which sockets are selected is the same; other owners are said to be unknown."""
    pid = lab.parts["main"]
    program = f"""
few = tcpstates.snapshot("pid = {pid}")
every = tcpstates.snapshot("pid = {pid}", processes=True)
print(json.dumps([
    sorted(s.cookie for s in few) == sorted(s.cookie for s in every),
    len(few), [limit.kind for limit in few.limitations],
    sorted({{owner.pid for s in few for owner in s.processes}}),
    [limit.kind for limit in every.limitations]]))
"""
    same, number, few, pids, every = in_lab(lab, program)
    assert same
    assert number > 10
    assert "few-examined" in few
    assert pids == [pid]
    assert "few-examined" not in every


def test_texts_that_show_no_owners_do_not_mention_them(lab: Lab) -> None:
    pid = str(lab.parts["main"])
    shown = lab.tcpstates("-tan", "pid", "=", pid)
    assert shown.stderr == ""
    assert len(shown.stdout.splitlines()) == 1 + len(
        lab.sockets("-ta", "pid", "=", pid)
    )
    hidden = lab.run(*lab.nobody(), "-tan", "pid", "=", pid)
    assert "may match" in hidden.stderr
