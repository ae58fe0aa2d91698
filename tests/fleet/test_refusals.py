"""What is refused before anything connects, and what a failure is called."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from conftest import COMMAND, finish, run_command

VIA = ("--via", "false a")
posix = pytest.mark.skipif(os.name != "posix", reason="ways are scripts of sh")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--source", "psutil", *VIA), "--via and --source psutil cannot be combined"),
        (("--source", "netstat", "--host", "x"), "--host and --source netstat cannot"),
        (("--timeout", "0", *VIA), "--timeout: --via needs at least 0.1 s"),
        (("doctor", "--timeout", "0", *VIA), "'0' is not between 0.1 and 86400"),
        (("--ssh", "", "--host", "x"), "--ssh: empty command"),
        (("--ssh", "ssh", *VIA), "--ssh requires --host"),
        (("--ssh", ""), "--ssh requires --host"),
        (("--from", "x", *VIA), "--via and --from cannot be combined"),
        (("--like", "ss", *VIA), "--via cannot be combined with --like ss"),
        (("--like", "lsof", "-i", "--host=x"), "--host cannot be combined with --like"),
        (("kill", *VIA, "port = 1"), "'--via'; kill is for this host only"),
        (("man", "--host", "x"), "unknown option '--host'; see tcpstates man --help"),
    ],
)
def test_what_cannot_be_asked_of_a_host(
    arguments: tuple[str, ...], reason: str
) -> None:
    finished = run_command(*arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert reason in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


@posix
@pytest.mark.parametrize("command", [("-tan",), ("-s",), ("doctor",), ("diagram",)])
def test_where_no_host_answers_each_has_a_line(command: tuple[str, ...]) -> None:
    finished = run_command(*command, *VIA, "--via", "false b")
    assert finished.returncode == 3
    assert finished.stderr.splitlines() == [
        "tcpstates: a: the connection was closed",
        "tcpstates: b: the connection was closed",
        "tcpstates: none of 2 hosts answered",
    ]


@posix
def test_a_check_has_one_line_for_all() -> None:
    finished = run_command("check", "-c", "total=0:", *VIA, "--via", "false b")
    assert finished.returncode == 3
    assert finished.stdout == (
        "TCPSTATES UNKNOWN: none of 2 hosts answered; a: the connection was closed;"
        " b: the connection was closed\n"
    )


def way(folder: Path, text: str, name: str = "way") -> str:
    """Make a command that runs another one in some place, or does something else."""
    script = folder / name
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return str(script)


@posix
@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("warning: slow\nconnection lost", "connection lost"),
        ("x: unrecognized option '--y'\nUsage: x", "x: unrecognized option '--y'"),
        ("Error: no such container\nSee 'x --help'.", "Error: no such container"),
        ("Warning: unknown thing\nPermission denied", "Permission denied"),
        ("error: pod is gone\nusage: x\n  -y", "error: pod is gone"),
        ("cannot open\nTry 'x --help' for more", "cannot open"),
        ("See x --help", "See x --help"),
    ],
)
def test_the_reason_is_the_error_and_not_the_advice(
    printed: str, reason: str, tmp_path: Path
) -> None:
    script = way(tmp_path, f'printf "%s\\n" "$(cat {tmp_path}/text)" >&2; exit 1')
    (tmp_path / "text").write_text(printed)
    finished = run_command("-tan", "--via", script)
    assert finished.stderr == f"tcpstates: way: {reason}\n"


@posix
def test_a_prefix_of_one_word_or_of_a_shell(tmp_path: Path) -> None:
    words = run_command("-s", "--via", way(tmp_path, 'exec "$@"'))
    assert (words.returncode, words.stderr) == (0, "")
    # As ssh does: all words after the host are one text.
    joins = way(tmp_path, 'shift; exec sh -c "$*"', "ssh")
    for prefix in ("env X=1 sh -c", f"{joins} web1", f"{joins} web1 sh -c"):
        text = run_command("-s", "--via", prefix)
        assert (text.returncode, text.stderr) == (0, "")


@posix
def test_a_slow_configuration_of_ssh_counts_as_connecting(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    script = way(tmp_path, "exec sleep 60")
    start = time.monotonic()
    finished = finish(
        [
            *("env", "-u", "XDG_RUNTIME_DIR", f"HOME={home}", *COMMAND, "-tan"),
            *("--host", "web1", "--ssh", script, "--timeout", "2"),
        ]
    )
    assert finished.stderr == "tcpstates: web1: no answer within 2 s\n"
    assert time.monotonic() - start < 6
