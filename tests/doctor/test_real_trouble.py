"""Real trouble on real sockets is named, with who is guilty; what is healthy is not."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import tcpstates
from conftest import PATIENCE, Lab, enter_lab

Finding = dict[str, Any]
SECONDS = 20  # that a trouble may take to show
KEPT = ("--threshold", "kept=300ms")
WINDOW = ("--threshold", "unread=500ms", "--threshold", "zero-window=500ms")
IDLE = ("--threshold", "idle=300ms")
SCHEMA = json.loads((Path(tcpstates.__file__).parent / "schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(
    {"$ref": "#/$defs/diagnosis", "$defs": SCHEMA["$defs"]}
)
needs_tun = pytest.mark.skipif(
    not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason="/dev/net/tun: no access"
)


@contextmanager
def situation(name: str) -> Iterator[Lab]:
    yield from enter_lab("trouble", name)


def diagnose(lab: Lab, *arguments: str) -> dict[str, Any]:
    finished = lab.tcpstates("doctor", "--json", *arguments)
    assert finished.stdout, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    grave = {"warning", "critical"} & {each["severity"] for each in found["findings"]}
    assert finished.returncode == bool(grave), finished.stderr
    VALIDATOR.validate(found)
    return found


def wait_for(
    lab: Lab,
    rule: str,
    *arguments: str,
    numbers: dict[str, int] | None = None,
    severity: str = "",
) -> Finding:
    """Return the finding of a rule, as soon as there is one with all its sockets."""
    deadline = time.monotonic() + SECONDS
    while True:
        findings = diagnose(lab, *arguments)["findings"]
        for finding in findings:
            expected = (numbers or {}).items()
            is_whole = expected <= finding["numbers"].items()
            is_graded = severity in ("", finding["severity"])
            if finding["rule"] == rule and is_whole and is_graded:
                return dict(finding)
        assert time.monotonic() < deadline, findings
        time.sleep(0.1)


TROUBLES = [
    ("leak", KEPT, "close-wait", "warning", {"end_read": 8, "sockets": 8}),
    ("not-read-end", KEPT, "close-wait", "warning", {"end_not_read": 8}),
    ("not-read-data", KEPT, "close-wait", "warning", {"data_not_read": 8}),
    ("half-closed", KEPT, "close-wait", "warning", {"end_read": 8}),
    ("slow-accept", (), "accept-queue", "critical", {"waiting": 5, "limit": 4}),
    ("no-ports", (), "ports", "warning", {"time_wait": 60, "percent": 70}),
    ("full-window", WINDOW, "unread", "notice", {"sockets": 2}),  # few: maybe slow
    ("descriptors", (), "descriptors", "warning", {"limit": 64, "sockets": 52}),
    pytest.param(
        "silent", (), "silent-peer", "warning", {"send_q": 18}, marks=needs_tun
    ),
    pytest.param(
        "unanswered", (), "connect", "notice", {"sockets": 1}, marks=needs_tun
    ),
    pytest.param("idle", IDLE, "idle", "notice", {"sockets": 3}, marks=needs_tun),
    pytest.param("flood", (), "half-open", "warning", {"sources": 15}, marks=needs_tun),
    pytest.param(
        "flood-without-cookies",
        (),
        "half-open",
        "critical",
        {"limit": 12, "max_syn_backlog": 16},
        marks=needs_tun,
    ),
    pytest.param(
        "lost-way", (), "half-open", "warning", {"sources": 1}, marks=needs_tun
    ),
]


@pytest.mark.parametrize(("name", "limits", "rule", "severity", "numbers"), TROUBLES)
def test_trouble_is_named_and_the_guilty_process(
    name: str,
    limits: tuple[str, ...],
    rule: str,
    severity: str,
    numbers: dict[str, int],
) -> None:
    with situation(name) as lab:
        finding = wait_for(lab, rule, *limits, numbers=numbers, severity=severity)
        (process,) = finding["processes"]
        assert process["pid"] == lab.parts["guilty"]
        names_place = rule in ("ports", "half-open")
        assert f"[{process['pid']}]" in finding["verdict"] or names_place
        assert all(finding[part] for part in ("do", "unless", "means"))
        for line in finding["do"]:
            if line.startswith("tcpstates ") and "--watch" not in line:
                pasted = line.replace("tcpstates", lab.command[0], 1)
                finished = lab.run("sh", "-c", pasted)
                assert (finished.returncode, finished.stderr) == (0, ""), line
                assert finished.stdout.count("\n") > 1, line


def test_a_listener_nobody_accepts_from_is_named_before_its_queue_is_full() -> None:
    with situation("some-wait") as lab:
        limits = ("--threshold", "accept-never=500ms")
        finding = wait_for(lab, "accept-queue", *limits)
        assert finding["severity"] == "warning"
        assert [process["pid"] for process in finding["processes"]] == [
            lab.parts["guilty"]
        ]


def test_clients_that_have_ended_the_stream_are_counted() -> None:
    with situation("given-up") as lab:
        limits = ("--threshold", "accept-never=300ms")
        finding = wait_for(lab, "accept-queue", *limits)
        assert (
            "2 of the clients have already ended the stream (CLOSE_WAIT)"
            in finding["evidence"]
        )


def test_a_process_that_no_signal_wakes_is_found_at_once() -> None:
    with situation("stuck") as lab:
        first = diagnose(lab)["findings"][0]
        assert (first["rule"], first["severity"]) == ("stopped", "critical")
        assert "in one uninterruptible sleep" in first["verdict"]
        (process,) = first["processes"]
        assert process["pid"] == lab.parts["guilty"]
        assert process["state"] == "disk-sleep"
        assert first["commands"] == [f"cat /proc/{process['pid']}/stack"]


def test_time_wait_at_its_limit_and_the_false_friends() -> None:
    with situation("many-time-waits") as lab:
        finding = wait_for(lab, "time-wait")
        assert finding["numbers"]["limit"] == 50
        assert finding["processes"] == []
        advice = " ".join(finding["do"])
        assert "not tcp_fin_timeout" in advice
        assert "not tcp_tw_recycle" in advice


@needs_tun
def test_closing_sockets_without_answer_are_a_notice_and_many_a_warning() -> None:
    with situation("closing") as lab:
        finding = wait_for(lab, "closing")
        assert (finding["severity"], finding["size"]) == ("notice", 6)
        assert "get no answer" in finding["verdict"]
        assert finding["peers"] == [{"name": "10.9.0.2", "sockets": 6}]
        limits = ("--threshold", "closing-many=6")
        assert wait_for(lab, "closing", *limits)["severity"] == "warning"


def test_closing_sockets_whose_peers_do_not_read() -> None:
    with situation("closed-and-full") as lab:
        finding = wait_for(lab, "closing-full", *WINDOW, numbers={"sockets": 6})
        assert finding["severity"] == "notice"
        assert "6 in FIN_WAIT_1" in finding["verdict"]
        assert f"of deaf[{lab.parts['guilty']}]" in " ".join(finding["evidence"])


def test_both_ends_on_this_host_are_joined_and_one_is_blamed() -> None:
    with situation("half-closed") as lab:
        limits = (*KEPT, "--threshold", "pool-count=1")
        kept = wait_for(lab, "close-wait", *limits)
        waits = wait_for(lab, "fin-wait-2", *limits)
    waiting, blame = lab.parts["waiting"], lab.parts["guilty"]
    assert f"8 in FIN_WAIT_2 of waiting[{waiting}]" in " ".join(kept["evidence"])
    assert f"8 in CLOSE_WAIT of careless[{blame}]" in " ".join(waits["evidence"])
    assert [process["pid"] for process in waits["processes"]] == [waiting]


def test_the_reader_is_to_blame_for_a_full_window() -> None:
    with situation("full-window") as lab:
        finding = wait_for(lab, "zero-window", *WINDOW)
        waited = (time.monotonic_ns() - lab.parts["started"]) / 1e6
        assert 500 <= finding["numbers"]["longest_ms"] <= waited + 200
        assert [p["pid"] for p in finding["processes"]] == [lab.parts["sender"]]
        assert f"deaf[{lab.parts['guilty']}]" in " ".join(finding["evidence"])


@needs_tun
def test_a_peer_that_is_gone_is_told_from_one_that_does_not_read() -> None:
    with situation("gone-with-full-window") as lab:
        finding = wait_for(lab, "silent-peer", *WINDOW, numbers={"sockets": 3})
        assert [p["pid"] for p in finding["processes"]] == [lab.parts["guilty"]]
        assert "probes unanswered" in finding["evidence"][0]
        rules = {each["rule"] for each in diagnose(lab, *WINDOW)["findings"]}
        assert rules == {"silent-peer"}


@needs_tun
def test_a_peer_that_answers_every_probe_is_not_called_gone() -> None:
    with situation("full-window-elsewhere") as lab:
        finding = wait_for(lab, "zero-window", *WINDOW, numbers={"sockets": 3})
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            found = diagnose(lab, *WINDOW)["findings"]
            assert {each["rule"] for each in found} == {"zero-window"}
            (finding,) = found
            assert "all answered the last probe" in " ".join(finding["evidence"])
            assert "Their hosts answer" in finding["means"]
            time.sleep(0.5)


HEALTHY = [
    ("pool", ("--threshold", "kept=60s")),
    ("busy-accept", ()),
    ("burst", ()),
    ("ports-reused", ()),
    ("transfer", WINDOW[:2]),
    ("few-descriptors", ()),
    pytest.param("kept-alive", IDLE, marks=needs_tun),
    pytest.param("few-half-open", (), marks=needs_tun),
]


@pytest.mark.parametrize(("name", "limits"), HEALTHY)
def test_what_is_healthy_is_left_in_peace(name: str, limits: tuple[str, ...]) -> None:
    with situation(name) as lab:
        # A busy machine may hold a healthy program up for a moment, so what counts is
        # that ten looks in a row find nothing.
        deadline, quiet = time.monotonic() + PATIENCE, 0
        while quiet < 10:
            found = diagnose(lab, *limits)["findings"]
            quiet = 0 if found else quiet + 1
            assert time.monotonic() < deadline, found
        text = lab.tcpstates("doctor", *limits)
        assert (text.returncode, text.stderr) == (0, "")
        assert text.stdout.startswith("nothing stuck: examined ")


def test_a_sender_that_is_blocked_is_no_leak() -> None:
    with situation("still-answering") as lab:
        limits = (*KEPT, *WINDOW)
        finding = wait_for(lab, "zero-window", *limits)
        assert [p["pid"] for p in finding["processes"]] == [lab.parts["sender"]]
        assert f"of deaf[{lab.parts['guilty']}]" in " ".join(finding["evidence"])
        unread = wait_for(lab, "unread", *limits)
        assert [p["pid"] for p in unread["processes"]] == [lab.parts["guilty"]]
        assert {f["rule"] for f in diagnose(lab, *limits)["findings"]} == {
            "zero-window",
            "unread",
        }


def test_ends_of_both_families_are_joined() -> None:
    with situation("both-families") as lab:
        finding = wait_for(lab, "close-wait", *KEPT)
        assert [p["pid"] for p in finding["processes"]] == [lab.parts["guilty"]]
        assert f"of client[{lab.parts['client']}]" in " ".join(finding["evidence"])
        assert finding["peers"] == [{"name": "127.0.0.1", "sockets": 8}]


def test_workers_of_one_name_are_counted_together() -> None:
    with situation("workers") as lab:
        six = {"sockets": 6}
        finding = wait_for(lab, "close-wait", *KEPT, numbers=six, severity="warning")
        assert finding["subject"] == "prefork"
        assert "and 5 other processes" in finding["verdict"]


def test_the_same_port_on_another_address_is_innocent() -> None:
    with situation("two-places") as lab:
        wait_for(lab, "accept-queue")
        (finding,) = diagnose(lab)["findings"]
        assert [p["pid"] for p in finding["processes"]] == [lab.parts["guilty"]]
        assert finding["peers"] == [{"name": "127.0.0.1", "sockets": 5}]


def test_a_stopped_process_is_told_to_go_on() -> None:
    with situation("stopped") as lab:
        blame = lab.parts["guilty"]
        first = diagnose(lab)["findings"][0]  # at once, before any queue is long
        assert (first["rule"], first["severity"]) == ("stopped", "critical")
        assert [p["pid"] for p in first["processes"]] == [blame]
        assert first["do"][0] == f"kill -CONT {blame}"
        finding = wait_for(lab, "accept-queue")
        assert finding["processes"][0]["is_stopped"]
        assert finding["do"][0] == f"kill -CONT {blame}"


def test_a_stopped_reader_is_reported_at_once() -> None:
    with situation("stopped-reader") as lab:
        blame = lab.parts["guilty"]
        (finding,) = diagnose(lab)["findings"]
        assert (finding["rule"], finding["severity"]) == ("stopped", "critical")
        assert [p["pid"] for p in finding["processes"]] == [blame]
        assert finding["evidence"] == ["it has 8 connections with unread data"]
        text = lab.tcpstates("doctor").stdout
        assert text.startswith(f"CRITICAL sleeper[{blame}] is stopped, by a signal")
        os.kill(blame, signal.SIGCONT)
        assert "stopped" not in {f["rule"] for f in diagnose(lab)["findings"]}


def test_a_leak_behind_keepalive_gets_a_line() -> None:
    with situation("kept-alive-leak") as lab:
        finding = wait_for(lab, "close-wait", "--threshold", "kept=1500ms")
        assert finding["severity"] == "notice"
        assert "Keepalive ends a connection whose peer is gone" in finding["means"]


@pytest.mark.parametrize(
    ("name", "number", "severity"),
    [("ended-by-keepalive", 12, "notice"), ("many-ended-by-keepalive", 120, "warning")],
)
def test_a_leak_that_keepalive_hides_is_found(
    name: str, number: int, severity: str
) -> None:
    """The sockets are in CLOSE_WAIT at first, and then in no table at all."""
    with situation(name) as lab:
        assert lab.tcpstates("-tac", "close_wait").stdout == f"{number}\n"
        finding = wait_for(lab, "unlisted", numbers={"sockets": number})
        assert finding["severity"] == severity
        assert [p["pid"] for p in finding["processes"]] == [lab.parts["guilty"]]
        assert lab.tcpstates("-tac", "close_wait").stdout == "0\n"
        folder = f"/proc/{lab.parts['guilty']}/fd"
        links = [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]
        assert sum(link.startswith("socket:") for link in links) >= number
        text = lab.tcpstates("doctor").stdout
        assert f"holds {number} TCP sockets without a connection" in " ".join(
            text.split()
        )


def test_a_few_sockets_that_are_not_connected_are_no_leak() -> None:
    with situation("few-unconnected") as lab:
        assert diagnose(lab)["findings"] == []


def test_ports_that_are_bound_first_run_out_for_all() -> None:
    with situation("bound-first") as lab:
        finding = wait_for(lab, "ports")
        assert (finding["severity"], finding["subject"]) == ("notice", "127.0.0.1")
        assert "binds before it connects" in finding["means"]


def test_few_and_young_are_a_pool_and_get_a_line_when_they_stay() -> None:
    with situation("pool") as lab:
        finding = wait_for(lab, "close-wait", *KEPT)
        assert (finding["severity"], finding["size"]) == ("notice", 3)


def test_a_leak_that_grows_is_told_by_a_second_look() -> None:
    with situation("growing") as lab:
        enough = lambda: diagnose(lab)["states"].get("CLOSE_WAIT", 0) > 5  # noqa: E731
        until(enough)
        assert diagnose(lab)["findings"] == []
        found = diagnose(lab, "--watch", "0.7")
        finding = found["findings"][0]  # clients that send nothing may follow
        assert (finding["rule"], finding["severity"]) == ("close-wait", "warning")
        trend = finding["trend"]
        assert trend["word"] == "grows"
        assert trend["before"] < trend["after"] == finding["size"]
        assert finding["processes"][0]["pid"] == lab.parts["guilty"]
        assert found["seconds"] >= 0.7


def test_a_leak_that_stays_is_told_too() -> None:
    with situation("leak") as lab:
        wait_for(lab, "close-wait", *KEPT)
        (finding,) = diagnose(lab, "--watch", "0.2", *KEPT)["findings"]
        assert finding["trend"]["word"] == "stays"
        shown = lab.tcpstates("doctor", "--watch", "0.2", *KEPT).stdout
        assert "trend    stays: 8, then 8 " in shown


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_leak_fits_a_small_screen_and_says_what_matters() -> None:
    with situation("leak") as lab:
        wait_for(lab, "close-wait", *KEPT)
        shown = lab.tcpstates("doctor", *KEPT).stdout
    lines = shown.splitlines()
    assert len(lines) <= 22  # with the command and the next prompt: 24
    assert max(map(len, lines)) <= 80
    blame = lab.parts["guilty"]
    assert lines[0].startswith(
        f"WARNING  leaky[{blame}] leaks sockets: 8 in CLOSE_WAIT"
    )
    assert f"tcpstates -tanpi close_wait and pid = {blame}" in shown
    words = " ".join(shown.split())
    assert "No timer runs: each stays until the program closes it" in words


def test_a_filter_restricts_what_is_examined() -> None:
    with situation("slow-accept") as lab:
        wait_for(lab, "accept-queue")
        other = diagnose(lab, "port", "=", ":1")
        assert other["findings"] == []
        assert other["sockets"] == 0
        assert any(gap["rule"] == "host" for gap in other["not_examined"])
        same = diagnose(lab, "process = sleepy")  # who waits has no process
        (finding,) = same["findings"]
        assert (finding["rule"], finding["severity"]) == ("accept-queue", "critical")


def test_another_user_is_told_that_the_process_is_hidden() -> None:
    with situation("leak") as lab:
        wait_for(lab, "close-wait", *KEPT)
        finished = lab.run(*lab.nobody(), "doctor", "--json", *KEPT)
        found = json.loads(finished.stdout)
        (finding,) = found["findings"]
        assert (finding["processes"], finding["severity"]) == ([], "notice")
        assert finding["no_process"].startswith("hidden processes of user root")
        limits = (*KEPT, "--threshold", "many=300ms", "--threshold", "many-count=8")
        finished = lab.run(*lab.nobody(), "doctor", "--json", *limits)
        assert finished.returncode == 1  # so many are somebody's leak
        gaps = [gap["text"] for gap in found["not_examined"]]
        assert any(text.endswith("(run as root)") for text in gaps)


@pytest.mark.parametrize("source", ["procfs", "psutil"])
def test_a_source_that_tells_less_says_what_it_could_not_look_at(source: str) -> None:
    with situation("leak") as lab:
        found = diagnose(lab, "--source", source)
        (finding,) = found["findings"]
        assert finding["severity"] == "notice"
        assert [p["pid"] for p in finding["processes"]] == [lab.parts["guilty"]]
        gaps = {gap["rule"] for gap in found["not_examined"]}
        assert "close-wait" in gaps
        assert ("accept-queue" in gaps) == (source == "psutil")
