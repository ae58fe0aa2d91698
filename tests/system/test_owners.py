"""Every holder of a socket is named, and where there is none the reason is."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Lab


def by_port(lab: Lab, part: str, *arguments: str) -> list[dict[str, Any]]:
    """Return the sockets whose local port plays a part."""
    port = lab.parts[part]
    return [s for s in lab.sockets("-tuanp", *arguments) if s["local_port"] == port]


def pids(socket: dict[str, Any]) -> list[int]:
    return [owner["pid"] for owner in socket["processes"]]


def test_a_shared_socket_has_both_processes(lab: Lab) -> None:
    (shared,) = by_port(lab, "shared")
    assert pids(shared) == sorted([lab.parts["main"], lab.parts["child"]])
    assert {o["name"] for o in shared["processes"]} >= {"sharing child"}
    assert shared["no_process_reason"] is None


def test_twins_are_two_sockets(lab: Lab) -> None:
    twins = by_port(lab, "twins")
    assert len({twin["inode"] for twin in twins}) == 2
    assert len({owner["fd"] for twin in twins for owner in twin["processes"]}) == 2


def test_a_thread_with_its_own_descriptors_is_found(lab: Lab) -> None:
    if not lab.parts["own_table"]:
        pytest.skip("this kernel did not let a thread leave its process's table")
    (own,) = by_port(lab, "own_table")
    assert pids(own) == [lab.parts["main"]]


@pytest.mark.parametrize(
    ("part", "state", "reason"),
    [
        ("time_wait", "TIME_WAIT", "time-wait"),
        ("orphan", "FIN_WAIT_2", "orphan"),
        ("unaccepted", "ESTABLISHED", "not accepted"),
        ("half_open", "SYN_RECEIVED", "half-open"),
    ],
)
@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_why_there_is_no_process(
    lab: Lab, part: str, state: str, reason: str, source: str
) -> None:
    found = by_port(lab, part, "--source", source)
    (row,) = [socket for socket in found if socket["state"] == state]
    assert row["processes"] == []
    assert row["no_process_reason"] == reason


def test_a_bound_socket_is_shown_when_asked_for(lab: Lab) -> None:
    found: list[Any] = lab.sockets("-tnp", "bound")
    if not found:
        pytest.skip("Linux before 6.8 does not tell of such sockets")
    (bound,) = found
    assert (bound["local_port"], bound["state"]) == (lab.parts["bound"], None)
    assert bound["raw_state"] == "UNCONN"
    assert "BOUND" in lab.tcpstates("-tn", "bound").stdout
    assert "BOUND" not in lab.tcpstates("-tan").stdout


def test_psutil_names_the_process_too(lab: Lab) -> None:
    (own,) = by_port(lab, "udp4", "--source", "psutil")
    assert pids(own) == [lab.parts["main"]]


def test_another_user_sees_everything_but_the_owners(lab: Lab) -> None:
    nobody = lab.nobody()
    finished = lab.run(*nobody, "-ltp")
    assert finished.returncode == 0
    rows = finished.stdout.splitlines()[1:]
    assert len(rows) == len(lab.sockets("-ltn"))
    assert all(row.endswith("(hidden: user root)") for row in rows)
    assert f"tcpstates: {len(rows)} owners are hidden" in finished.stderr
    assert "CAP_SYS_PTRACE" in finished.stderr
    assert finished.stderr.count("\n") == 1
    plain = lab.run(*nobody, "-tuan")
    assert plain.stderr == ""
    assert plain.stdout.count("\n") == 1 + len(lab.sockets("-tuan"))
