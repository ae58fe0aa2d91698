"""Commands that are for this host only say how to run them on another."""

from __future__ import annotations

import pytest

from conftest import run_command


@pytest.mark.parametrize("command", ["kill", "trace", "exporter", "sequence", "tour"])
@pytest.mark.parametrize(
    ("option", "there"), [("--host", "ssh -t HOST"), ("--via", "COMMAND")]
)
def test_commands_of_this_host(command: str, option: str, there: str) -> None:
    finished = run_command(command, option, "web1")
    assert (finished.returncode, finished.stdout) == (2, "")
    (line,) = finished.stderr.splitlines()
    assert f"on another, run: {there} tcpstates {command}" in line
