"""A record of the Python API has what --json prints, value by value."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import tcpstates
from conftest import TESTS, Lab
from support.tools.inprocess import told

SAMPLES = TESTS / "data" / "saved"
FILES = sorted(
    p
    for p in SAMPLES.rglob("*")
    if p.is_file() and p.name not in ("README.md", "EXPECTED.csv")
)
# Run in the laboratory, because the API reads its own network namespace.
PROGRAM = """
import json, tcpstates
from support.fakes.records import as_json
taken = tcpstates.snapshot("exclude time-wait", protocols=("tcp", "udp"),
                           processes=True, info=True, memory=True)
print(json.dumps([as_json(one) for one in taken]))
"""
# What passes between two looks.
MOVING = ("age_ms", "age_max_ms", "idle_ms", "timer", "info")


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.relative_to(SAMPLES).as_posix()
)
def test_of_every_sample(path: Path) -> None:
    from support.fakes.records import as_json

    code, text, errors = told(["-tuapeoim", "--json", "--from", str(path)])
    assert code == 0, errors
    expected = json.loads(text)["sockets"]
    source = tcpstates.saved(str(path))
    taken = tcpstates.snapshot(
        source=source, protocols=("tcp", "udp"), processes=True, info=True, memory=True
    )
    assert [as_json(one) for one in taken] == expected


def test_of_live_sockets(lab: Lab) -> None:
    finished = lab.run("env", f"PYTHONPATH={TESTS}", sys.executable, "-c", PROGRAM)
    assert finished.returncode == 0, finished.stderr
    asked = ("-tuapeoim", "exclude", "time-wait")
    found, expected = (
        {
            row["cookie"]: {k: v for k, v in row.items() if k not in MOVING}
            for row in rows
        }
        for rows in (json.loads(finished.stdout), lab.sockets(*asked))
    )
    assert found == expected
    assert len(found) > 10


def names(record: Any) -> list[str]:
    return list(record._fields)


def test_what_is_asked_for_wrongly_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(tcpstates.ArgumentError, match="no file"):
        tcpstates.saved()
    for number in (0, -3):
        with pytest.raises(tcpstates.ArgumentError, match=f"invalid snapshot {number}"):
            tcpstates.saved("x", snapshot=number)
    for arguments, text in (
        ({"families": "ipv7"}, "unknown family 'ipv7'; choose ipv4, ipv6"),
        ({"families": ["ipv4", "inet"]}, "unknown family 'inet'"),
        ({"source": "bogus"}, "unknown source 'bogus'; choose auto, netlink"),
        ({"watch": -1}, "invalid pause -1"),
        ({"watch": float("nan")}, "invalid pause nan"),
    ):
        with pytest.raises(tcpstates.ArgumentError, match=text):
            tcpstates.examine(**arguments)


def test_one_family_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ss.txt"
    path.write_text(
        "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
        "ESTAB 0 0 10.0.0.1:1 10.0.0.2:2\nESTAB 0 0 [::1]:1 [::2]:2\n"
    )
    source = tcpstates.saved(str(path))
    for family in ("ipv4", "ipv6"):
        found = tcpstates.examine(source=source, families=family)
        assert sum(found.counted.values()) == 1
        assert len(tcpstates.snapshot(source=source, families=family)) == 1


def test_a_snapshot_can_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "ss.txt"
    path.write_text(
        "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
        "ESTAB 0 0 10.0.0.1:1 10.0.0.2:2\n"
    )
    taken = tcpstates.snapshot(source=tcpstates.saved(str(path)))
    assert repr(taken).startswith("<Snapshot of 1 sockets, file, 20")
    assert taken[0] == taken.sockets[0] == next(iter(taken))
    assert taken[-1].remote_port == 2
    with pytest.raises(IndexError):
        taken[1]
    assert {"snapshot", "examine", "Peer", "Trend", "SavedListing"} <= set(
        dir(tcpstates)
    )
    assert set(tcpstates.__all__) <= set(dir(tcpstates))
    for name in tcpstates.__all__:
        assert getattr(tcpstates, name) is not None
