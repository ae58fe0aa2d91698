"""Scenarios performed by real sockets: the kernel does what the table says."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from conftest import COMMAND, Finished, Lab, finish, run_command
from tcpstates.cli import app
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.lifecycle.acts import Observation
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.lifecycle.walks import is_simultaneous, walk
from tcpstates.live import perform as performing
from tcpstates.live.perform import CannotPerform, perform
from tcpstates.live.segment_filter import DATA, let_through
from tcpstates.render.sequence import render_sequence
from tcpstates.states import TcpState

S = TcpState
_AT_ONCE = 12  # scenarios; most of them wait most of the time
linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux can hold segments back"
)


def performed(names: Sequence[str], lab: Lab, command: Sequence[str]) -> dict[str, Any]:
    """Return what `--live --json` prints of scenarios, several at a time."""

    def steps(name: str) -> Any:
        doing = [*lab.enter, *command, "sequence", name, "--live", "--json"]
        finished = finish(doing)
        found = json.loads(finished.stdout)["sequences"][name]["steps"]
        assert finished.returncode == 0, (name, found[-1], finished.stderr)
        return found

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(names, pool.map(steps, names), strict=True))


def test_the_kernel_does_what_the_table_says(lab: Lab) -> None:
    seen_states = set()
    for name, steps in performed(list(SCENARIOS), lab, COMMAND).items():
        moments = list(walk(SCENARIOS[name]))
        assert len(steps) == len(moments)
        for step, moment in zip(steps, moments, strict=True):
            kernel = step["kernel"]
            is_over = step["event"] == "Timeout=2MSL"
            alone = is_simultaneous(SCENARIOS[name])
            is_hidden = alone and (is_over or moment.client is not moment.server)
            expected = {party: step[party] for party in ("client", "server")}
            if name == "syn-flood":
                expected["client"] = None  # an attacker need not have a state
            elif is_hidden:
                expected = dict.fromkeys(expected)
            elif is_over:
                expected[step["party"]] = None  # a minute is too long to wait
            assert kernel == expected, (name, step)
            seen_states |= set(kernel.values())
    # All eleven: each was brought about, held, and found by a listing.
    assert seen_states - {None} == set(map(str, TcpState))


def test_without_privileges(lab: Lab) -> None:
    nobody = lab.nobody()
    tried = lab.run(*nobody, "sequence", "reset", "--live")
    if "needs CAP_NET_ADMIN here" in tried.stderr:
        pytest.skip("this system lets users have no namespaces")
    told = performed(["open", "close", "half-open"], lab, nobody)
    assert told["half-open"][-1]["kernel"] == {"client": "CLOSED", "server": "CLOSED"}
    assert [step["kernel"]["client"] for step in told["open"]] == [
        "CLOSED",
        "SYN_SENT",
        "SYN_SENT",
        "ESTABLISHED",
        "ESTABLISHED",
    ]
    assert told["close"][-1]["kernel"] == {"client": None, "server": "CLOSED"}


@linux_only
def test_the_drawing_has_what_the_kernel_says() -> None:
    finished = run_command("sequence", "reset", "--live", env={"COLUMNS": "80"})
    lines = finished.stdout.splitlines()
    assert finished.returncode == ExitCode.DONE
    assert all(len(line) <= 80 for line in lines)
    assert lines[2].split() == ["kernel", "client", "server", "kernel"]
    assert lines[3].split() == ["ESTABLISHED"] * 4
    assert lines[-3].split() == []
    assert " behaved as expected at every step." in " ".join(lines[-2:])
    narrow = run_command("sequence", "reset", "--live", env={"COLUMNS": "40"})
    assert max(map(len, narrow.stdout.splitlines())) <= 76


@linux_only
def test_what_the_performance_has_changed_is_told() -> None:
    finished = run_command("sequence", "fin-wait-2-timeout", "--live")
    assert finished.returncode == ExitCode.DONE, finished.stdout
    assert SCENARIOS["fin-wait-2-timeout"].live_note in " ".join(
        finished.stdout.split()
    )


def test_what_differs_is_marked_and_found(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    moments = list(walk(SCENARIOS["reset"]))
    wrong = Observation(S.CLOSED, S.CLOSE_WAIT)
    steps = [(None, None), (moments[0], wrong)]
    monkeypatch.setattr(performing, "perform", lambda _: iter(steps))
    assert app.run(["sequence", "reset", "--live"]) == ExitCode.FOUND
    text = capsysbinary.readouterr().out.decode()
    assert text.count("!CLOSE_WAIT") == 1
    assert (
        " differed at this step: expected client CLOSED, server ESTABLISHED; found"
        " client CLOSED, server CLOSE_WAIT."
    ) in " ".join(text.split())
    painted = render_sequence(
        "reset",
        SCENARIOS["reset"],
        steps,
        width=80,
        color=True,
        encoding="utf-8",
        is_live=True,
    )
    assert "\x1b[1;31m!CLOSE_WAIT" in "".join(painted)


REFUSED = "expected client CLOSED, server CLOSED, ECONNREFUSED; found client CLOSED,"
UNCLOSED = "expected client FIN_WAIT_1, server CLOSE_WAIT; found client FIN_WAIT_1,"
WITHOUT = {
    "refused": (
        "tcp flags rst drop",
        f"{REFUSED} server CLOSED, ETIMEDOUT. The RST did not arrive",
    ),
    "close": (
        "tcp flags & fin == fin drop",
        f"{UNCLOSED} server ESTABLISHED. The FIN did not arrive",
    ),
}


def test_a_filtered_loopback_ends_it_at_that_step() -> None:
    """One step's patience, and then it says what did not arrive."""
    if not hasattr(os, "geteuid") or os.geteuid() or shutil.which("nft") is None:
        pytest.skip("filters need root and nft (Debian: nftables)")

    def ended(name: str) -> Finished:
        ruleset = "add chain t i { type filter hook input priority 0; }"
        script = (
            f"ip link set lo up; nft add table t; nft '{ruleset}';"
            f" nft 'add rule t i {WITHOUT[name][0]}';"
            f" exec {COMMAND[0]} sequence {name} --live"
        )
        return finish(["unshare", "-n", "sh", "-c", script])

    with ThreadPoolExecutor() as pool:
        for name, finished in zip(WITHOUT, pool.map(ended, WITHOUT), strict=True):
            text = " ".join(finished.stdout.split())
            assert finished.returncode == ExitCode.FOUND, finished.stderr
            assert WITHOUT[name][1] in text
            assert "nft list ruleset shows its rules." in text


@linux_only
def test_without_a_loopback_interface_it_says_so_at_once() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes an empty network namespace")
    finished = finish(["unshare", "-n", *COMMAND, "sequence", "open", "--live"])
    assert finished.returncode == ExitCode.FAILED
    assert finished.stdout == ""
    assert "the loopback interface is down; use: ip link set lo up" in finished.stderr


def test_where_it_cannot_be_performed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(CannotPerform, match="only Linux"):
        next(perform(SCENARIOS["open"]))
    monkeypatch.undo()
    assert app.run(["sequence", "--live"]) == ExitCode.USAGE


@linux_only
def test_where_nobody_may_hold_segments_back(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = 44  # SO_LOCK_FILTER
    with socket.socket() as gated:
        gated.setsockopt(socket.SOL_SOCKET, lock, 1)
        with pytest.raises(PermissionError):
            let_through(gated, DATA)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("tcpstates.live.segment_filter.let_through", refuse)
    monkeypatch.setattr(performing, "enter_private_namespace", refuse)
    with pytest.raises(CannotPerform, match="needs CAP_NET_ADMIN here, or a network"):
        next(perform(SCENARIOS["open"]))


@linux_only
def test_a_late_step_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gates that open, nothing arrives."""

    def stay() -> None:
        pytest.skip("it takes CAP_NET_ADMIN, or moves the test run into a namespace")

    monkeypatch.setattr(performing, "enter_private_namespace", stay)
    monkeypatch.setattr(performing, "_PATIENCE", 0.3)
    monkeypatch.setattr(
        performing, "let_through", lambda gated, _: let_through(gated, ())
    )
    told = list(perform(SCENARIOS["close"]))
    assert told[1][1] == Observation(S.FIN_WAIT_1, S.ESTABLISHED)
    moment, seen = told[2]
    assert moment is not None
    assert seen.differs(moment)
    assert seen.server is S.ESTABLISHED
