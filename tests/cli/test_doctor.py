"""The doctor's command line: thresholds, errors, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import run_command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", "kepd=1s"], "unknown threshold 'kepd'; did you mean kept?"),
        (["--threshold", "kept"], "'kept': missing value; use kept=VALUE"),
        (["--threshold", "kept=5"], "'kept=5': "),
        (["--threshold", "pool-count=x"], "'pool-count=x': "),
        (["--watch", "0"], "between 0.1 and 86400 s"),
        (["--source", "procfz"], "unknown source 'procfz'; did you mean procfs?"),
        (["clse_wait"], "unknown state or key 'clse_wait'; did you mean close_wait"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str) -> None:
    finished = run_command("doctor", *arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert message in finished.stderr.splitlines()[0]


@pytest.mark.parametrize("setting", ["kept=5m", "KEPT=1h", "ports_percent=80%"])
def test_thresholds_take_units(setting: str) -> None:
    arguments = ("doctor", "--threshold", setting, "port = :1")
    assert run_command(*arguments).returncode == 0


def test_services_of_a_listing_are_places_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "ss.txt"
    path.write_text("""State Recv-Q Send-Q Local Address:Port Peer Address:Port
LISTEN 129 128 0.0.0.0:appone 0.0.0.0:*
LISTEN 200 128 0.0.0.0:apptwo 0.0.0.0:*
LISTEN 3 0 0.0.0.0:80 0.0.0.0:*
FIN-WAIT-1 0 1 192.0.2.5:22 198.51.100.9:4001 timer:(on,10sec,5)
""")
    options = ["--threshold", "closing-count=1", "--from", str(path)]
    told = json.loads(run_command("doctor", "--json", *options).stdout)
    found = {each["subject"]: each["numbers"] for each in told["findings"]}
    assert found.keys() == {"0.0.0.0:appone", "0.0.0.0:apptwo", "host"}
    assert found["0.0.0.0:appone"]["limit"] == 128
    assert found["host"]["orphans"] is None  # who holds it is not told


def test_a_listing_tells_limits_of_queues_and_no_settings(tmp_path: Path) -> None:
    path = tmp_path / "ss.txt"
    path.write_text("""State Recv-Q Send-Q Local Address:Port Peer Address:Port
LISTEN 129 128 0.0.0.0:80 0.0.0.0:*
""")
    finished = run_command("doctor", "--from", str(path))
    text = " ".join(finished.stdout.split())
    assert "129 connections waiting (limit 128)" in text
    assert "the limit of the system (Linux: net.core.somaxconn)" in text
    assert "run the commands on the host of the listing" in text
    told = json.loads(run_command("doctor", "--json", "--from", str(path)).stdout)
    (finding,) = told["findings"]
    assert finding["numbers"]["limit"] == 128
    assert finding["numbers"]["somaxconn"] is None
