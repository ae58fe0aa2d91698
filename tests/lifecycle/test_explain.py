"""What is said of states: complete, with this host's settings, and what is here."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import socket
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path

import pytest

from conftest import Lab, run_command
from tcpstates import doctor
from tcpstates.advice import possible
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.collect.settings import read_settings
from tcpstates.lifecycle.explanations import MEANINGS
from tcpstates.lifecycle.rule_topics import ALL_TOPICS
from tcpstates.render.explain import (
    HostCounts,
    fill_in_settings,
    render_state,
    render_topic,
)
from tcpstates.settings import KernelSettings
from tcpstates.states import SYSTEMS, TcpState

NOTHING = HostCounts({}, ())


def test_settings_are_seconds_and_ports() -> None:
    settings = KernelSettings()
    assert settings.syn_seconds == 127
    assert settings.syn_repeats == 6
    # As measured on Linux 6.18.
    for retries, seconds, repeats in ((1, 3, 2), (2, 7, 5), (3, 19, 7), (6, 131, 10)):
        newer = KernelSettings(syn_retries=retries, syn_linear_timeouts=4)
        assert (newer.syn_seconds, newer.syn_repeats) == (seconds, repeats)
    assert settings.synack_seconds == 63
    assert settings.ports == 28232
    assert settings.keepalive_seconds == 7875


def test_settings_are_read(tmp_path: object) -> None:
    from pathlib import Path

    root = Path(str(tmp_path))
    (root / "ipv4").mkdir()
    (root / "ipv4" / "tcp_fin_timeout").write_text("15\n")
    (root / "ipv4" / "tcp_syn_retries").write_text("nonsense")
    (root / "ipv4" / "ip_local_port_range").write_text("2000\t2999\n")
    settings = read_settings(str(root))
    assert (settings.fin_timeout, settings.syn_retries, settings.ports) == (15, 6, 1000)
    assert read_settings(str(root / "none")) == KernelSettings()


@pytest.mark.parametrize("state", TcpState)
def test_every_state_is_explained(state: TcpState) -> None:
    meaning = MEANINGS[state]
    for part in astuple(meaning)[:-1]:
        assert part
        assert "{" not in fill_in_settings(part, KernelSettings())
    for width in (40, 80, 200):
        lines = "".join(
            render_state(
                state,
                KernelSettings(),
                NOTHING,
                tuple(SYSTEMS),
                width=width,
                color=False,
            )
        ).splitlines()
        words = " ".join(" ".join(lines).split())
        assert meaning.text in words
        assert "{" not in words
        # What can be typed is not broken, so it may be wider than the terminal.
        assert all(len(line) <= max(width, 60) for line in lines[2:]), lines
        for label in ("who", "waits", "lasts", "trouble", "do", "in", "out", "called"):
            assert any(line.startswith(f"{label} ") for line in lines)
        assert lines[-1] == "here     none now"


COMMAND_IN_TEXT = re.compile(
    r"tcpstates (-.*?)(?: (?:shows|names|finds)|\)(?:,|$)|[;,.](?: |$)|$)"
)


@pytest.mark.skipif(os.name != "posix", reason="the texts are those of Linux")
def test_what_to_do_can_be_pasted() -> None:
    commands = [
        command
        for meaning in MEANINGS.values()
        for command in COMMAND_IN_TEXT.findall(meaning.remedy)
    ]
    assert len(commands) >= 9
    for command in commands:
        finished = run_command(*shlex.split(command))
        assert finished.returncode == ExitCode.DONE, finished.stderr


@pytest.mark.parametrize(
    ("word", "states"),
    [
        ("LISTENING", ["LISTEN"]),
        ("SYN_RCVD", ["SYN_RECEIVED"]),
        ("FIN_WAIT1", ["FIN_WAIT_1"]),
        ("ESTAB", ["ESTABLISHED"]),
        ("0A", ["LISTEN"]),
        ("half-open", ["SYN_RECEIVED"]),
        ("UNCONN", ["CLOSED"]),
        ("fin_wait", ["FIN_WAIT_1", "FIN_WAIT_2"]),
        ("abhören", ["LISTEN"]),
    ],
)
def test_any_spelling_will_do(word: str, states: list[str]) -> None:
    told = json.loads(run_command("explain", "--json", word).stdout)
    assert [state["state"] for state in told["states"]] == states
    text = run_command("explain", word).stdout
    assert re.findall(r"^([A-Z_0-9]+): ", text, re.MULTILINE) == states


def test_what_is_no_state_of_the_rfc_is_said_to_be_none() -> None:
    for word in ("bound", "IDLE", "DELETE_TCB"):
        text = run_command("explain", word).stdout
        assert "is not a state of RFC 9293" in text
    wrong = run_command("explain", "clse_wait")
    assert wrong.returncode == ExitCode.USAGE
    assert "unknown state or topic 'clse_wait'; did you mean close_wait" in wrong.stderr


def test_what_is_here(lab: Lab) -> None:
    text = lab.tcpstates("explain").stdout
    counted = {
        line.split()[1]: line.split()[0]
        for line in text.splitlines()
        if line[6:7].isdigit()
    }
    assert list(counted) == list(map(str, TcpState))
    for word in ("LISTEN", "CLOSE_WAIT", "FIN_WAIT_2", "SYN_RECEIVED"):
        assert int(counted[word]) == int(lab.tcpstates("-c", word).stdout) > 0
    one = lab.tcpstates("explain", "listen").stdout
    assert re.search(r"^here     \d+ now; owners: ", one, re.MULTILINE)
    told = json.loads(lab.tcpstates("explain", "--json", "--os", "windows").stdout)
    assert len(told["states"]) == 11
    assert told["states"][0]["names"] == {"windows": ["LISTENING"]}


@pytest.mark.parametrize("name", ALL_TOPICS)
def test_topics(name: str) -> None:
    for width in (40, 80, 200):
        text = "".join(render_topic(name, width=width))
        words = " ".join(text.split())
        for paragraph in ALL_TOPICS[name].answer.splitlines():
            assert paragraph in words
        prose = [line for line in text.splitlines() if not line.startswith("    ")]
        assert max(map(len, prose)) <= max(width, 50)
    assert run_command("explain", name.upper().replace("-", "_")).stdout.startswith(
        f"{name}: {ALL_TOPICS[name].title}"
    )
    told = json.loads(run_command("explain", "--json", name).stdout)
    assert (told["states"] == []) == (name != "closing")  # which is a state, too
    assert told["topics"][name]["title"] == ALL_TOPICS[name].title
    for command in possible(ALL_TOPICS[name].see):
        # What is watched for half a minute is watched for a second here.
        shorter = re.sub(r"--(watch|for) \d+", r"--\1 1", command)
        program, *arguments = shlex.split(shorter)
        if program == "tcpstates":
            code = run_command(*arguments).returncode
            # Whether the doctor finds something depends on the machine.
            is_doctor = arguments[0] == "doctor"
            assert code == ExitCode.DONE or (is_doctor and code == ExitCode.FOUND)


def test_every_rule_of_the_doctor_is_explained() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(doctor.__file__).parent.rglob("*.py")
    )
    rules = set(re.findall(r'rule="([\w-]+)"', code)) - {"host"}
    assert len(rules) > 20
    for rule in {*rules, "closing", "closing-full"}:
        finished = run_command("explain", rule)
        assert finished.returncode == ExitCode.DONE, rule
        assert finished.stdout.count("\n") > 5, rule


def test_a_close_with_unread_data_loses_what_was_to_be_sent() -> None:
    """As the topic says, on this kernel."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
    client.sendall(b"unread")
    assert select.select([server], [], [], 5)[0]
    server.setblocking(False)
    sent = 0
    with suppress(BlockingIOError):
        while True:
            sent += server.send(bytes(1 << 16))
    server.close()
    received = 0
    with pytest.raises(ConnectionResetError):  # noqa: PT012
        while True:
            received += len(client.recv(1 << 20))
    assert 0 < received < sent
    client.close()


@pytest.mark.skipif(os.name != "posix", reason="the texts are those of Linux")
def test_the_state_that_people_look_up_fits_a_screen() -> None:
    screen = run_command("explain", "close-wait", env={"COLUMNS": "80"}).stdout
    assert len(screen.splitlines()) <= 22  # of 24, with the prompt before and after
    for state in TcpState:
        text = run_command("explain", str(state), env={"COLUMNS": "80"}).stdout
        assert len(text.splitlines()) <= 25
