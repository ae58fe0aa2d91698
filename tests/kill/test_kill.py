"""`kill` with real sockets: what is ended, what is spared, what is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import COMMAND, PATIENCE, Finished, Lab, enter_lab, finish
from tcpstates.kill import perform
from tcpstates.kill.destroy import Destroyer, Outcome, Target, decode, encode
from tcpstates.kill.effects import describe
from tcpstates.kill.session import _client, own_session

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root may end sockets",
)


@pytest.fixture
def targets() -> Iterator[Lab]:
    """Return one socket in every state."""
    yield from enter_lab("targets")


@pytest.fixture
def actor() -> Iterator[Lab]:
    yield from enter_lab("actor")


def states(lab: Lab, *arguments: str) -> Counter[str]:
    """Count the sockets of a laboratory by state."""
    return Counter(row["state"] or "UDP" for row in lab.sockets("-a", *arguments))


def results(finished: Finished) -> list[dict[str, Any]]:
    return [json.loads(line) for line in finished.stdout.splitlines()]


EVERY = {
    "ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT", "SYN_SENT",
    "SYN_RECEIVED",
}  # fmt: skip


@pytest.mark.parametrize("state", sorted(EVERY))
def test_exactly_the_matching_sockets_end(targets: Lab, state: str) -> None:
    before = states(targets)
    assert before.keys() >= EVERY | {"LISTEN"}
    finished = targets.tcpstates(
        "kill", "-y", "--jsonl", f"state {state} and sport > 1000"
    )
    assert finished.returncode == 0, finished.stderr
    ended = results(finished)
    assert {each["state"] for each in ended} == {state}
    assert {each["result"] for each in ended} <= {"ended", "already gone"}
    after = states(targets)
    assert state not in after
    assert after["LISTEN"] == before["LISTEN"]
    if state == "SYN_SENT":
        assert targets.ask([])["syn_sent"] == "ECONNABORTED"
    if state == "ESTABLISHED":
        noticed = targets.ask([])
        # Each was ended by us, or by the end of its other end.
        for name in ("established", "peer", "mapped", "mapped peer"):
            assert noticed[name] in ("ECONNABORTED", "ECONNRESET")
        assert noticed["udp"] == ""


def test_one_connection_of_many(targets: Lab) -> None:
    (mapped,) = [
        row
        for row in targets.sockets("-a", "-6", "established")
        if row["remote_port"] == 8080
    ]
    port = mapped["local_port"]
    before = states(targets)
    finished = targets.tcpstates("kill", "-y", "sport", f"= :{port}")
    assert finished.returncode == 0, finished.stderr
    assert "1  ended\n" in finished.stdout
    noticed = targets.ask([])
    assert noticed["mapped"] == "ECONNABORTED"
    assert noticed["mapped peer"] == "ECONNRESET"
    assert noticed["established"] == noticed["peer"] == ""
    assert before - states(targets) == Counter(ESTABLISHED=2)


def test_the_program_at_the_other_end_is_named(targets: Lab) -> None:
    """It stays in CLOSE_WAIT: that one is to be looked at."""
    finished = targets.tcpstates("kill", "--dry-run", "-n", "fin-wait-2 dport = :8080")
    text = " ".join(finished.stdout.split())
    assert "Other ends on this host: " in text
    assert re.search(rf"CLOSE_WAIT of python\S*\({targets.parts['main']}\)", text)
    other = targets.tcpstates("kill", "--dry-run", "-n", "time-wait port = :8080")
    assert "Other ends" not in other.stdout


def test_datagrams(targets: Lab) -> None:
    finished = targets.tcpstates("kill", "-u", "-y", "dport = :8083")
    assert "1  ended\n" in finished.stdout
    noticed = targets.ask([])
    assert noticed.pop("udp") == "ECONNABORTED"
    assert noticed["established"] == ""


def test_in_another_namespace(targets: Lab, actor: Lab) -> None:
    """Run elsewhere, it ends what is in the namespace that it is told, and no more."""
    actor.ask(["pair"])
    finished = actor.tcpstates(
        "kill", "-y", "-N", str(targets.parts["main"]), "sport > 1 and established"
    )
    assert finished.returncode == 0, finished.stderr
    assert "ESTABLISHED" not in states(targets)
    assert states(actor)["ESTABLISHED"] == 2


def test_listeners_are_spared_unless_they_are_named(targets: Lab) -> None:
    finished = targets.tcpstates("kill", "-y", "state listen and sport = :8080")
    assert finished.returncode == 0
    assert "it listens; --listener ends listeners, too" in finished.stderr
    assert states(targets)["LISTEN"] == 3
    finished = targets.tcpstates("kill", "-y", "--listener", "listen sport = :8080")
    assert finished.returncode == 0, finished.stderr
    assert "keeps its descriptor, which is dead" in " ".join(finished.stdout.split())
    assert states(targets)["LISTEN"] == 2


def test_five_thousand_take_no_second(actor: Lab) -> None:
    for _ in range(2500):
        actor.ask(["pair"])
    refused = actor.tcpstates("kill", "-y", "port = :7000")
    assert refused.returncode == 2
    assert "5,000 sockets match, more than 1,000; use --limit 5000" in refused.stderr
    assert states(actor)["ESTABLISHED"] == 5000
    start = time.monotonic()
    finished = actor.tcpstates("kill", "-y", "-n", "--limit", "5000", "port = :7000")
    assert finished.returncode == 0
    assert time.monotonic() - start < 5  # with the owners, the table and two dumps
    assert states(actor)["ESTABLISHED"] == 0
    assert "... and 4,980 more\n" in finished.stdout


def test_the_rate_is_kept(actor: Lab) -> None:
    for _ in range(5):
        actor.ask(["pair"])
    start = time.monotonic()
    finished = actor.tcpstates("kill", "-y", "--rate", "20", "sport = :7000")
    assert finished.returncode == 0
    assert time.monotonic() - start > 4 / 20


def test_a_wrong_cookie_ends_nothing(lab: Lab) -> None:
    """Not even the listener, which the kernel would find without a cookie."""
    import socket

    from tcpstates.collect.netlink import open_channel

    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        told = client.getsockopt(socket.SOL_SOCKET, 57, 8)
        cookie = int.from_bytes(told, sys.byteorder)
        here, there = client.getsockname(), client.getpeername()
        (mine, port), (theirs, peer) = here, there
        target = Target("tcp", "ipv4", mine, port, theirs, peer, 0, cookie + 1)
        destroyer = Destroyer(open_channel())
        assert destroyer.end(target) == (Outcome.GONE, "")
        client.send(b"alive")
        assert destroyer.end(target._replace(cookie=cookie)) == (Outcome.ENDED, "")
        assert destroyer.end(target._replace(cookie=cookie)) == (Outcome.GONE, "")
        with pytest.raises(ConnectionAbortedError):
            client.recv(1)
        destroyer.close()
        client.close()
        socket.create_connection(listener.getsockname()).close()


def test_what_is_still_there_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kernel that agrees and does nothing."""
    import socket

    from tcpstates.cli import app

    monkeypatch.setattr(Destroyer, "end", lambda *_: (Outcome.ENDED, ""))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        end = listener.getsockname()
        monkeypatch.setattr(
            "tcpstates.cli.commands.kill.own_session",
            lambda: own_session()._replace(inodes=frozenset()),
        )
        with socket.create_connection(end):
            assert app.run(["kill", "-y", f"dport = :{end[1]}"]) == 1
    assert "1  still there\n" in capsys.readouterr().out


REFUSED = [
    ((), "a filter is required"),
    (("close-wait",), "names only states; add another condition"),
    (("state established or state close-wait",), "names only states"),
    (("port = :1",), "no socket matches"),
]


@pytest.mark.parametrize(("words", "text"), REFUSED)
def test_what_is_refused(lab: Lab, words: tuple[str, ...], text: str) -> None:
    finished = lab.tcpstates("kill", "-y", *words)
    assert finished.returncode == (0 if "matches" in text else 2)
    assert text in finished.stderr
    assert finished.stdout == ""


def test_nobody_is_asked_without_a_terminal(targets: Lab) -> None:
    finished = targets.tcpstates("kill", "established", "port = :8080")
    assert finished.returncode == 2
    assert "no terminal to ask on; use --yes" in finished.stderr
    assert states(targets)["ESTABLISHED"] > 0
    dry = targets.tcpstates("-K", "established", "port = :8080", "--dry-run")
    assert dry.returncode == 0
    assert "ECONNABORTED" in dry.stdout
    assert states(targets)["ESTABLISHED"] > 0


def test_who_may_not_is_told_before_anything_is_shown(targets: Lab) -> None:
    finished = targets.run(*targets.nobody(), "kill", "-y", "port = :8080")
    assert (finished.returncode, finished.stdout) == (3, "")
    assert "takes root or CAP_NET_ADMIN" in finished.stderr
    off = targets.run(
        "env", "TCPSTATES_READ_ONLY=1", *targets.command, "kill", "-y", "port = :8080"
    )
    assert (off.returncode, off.stdout) == (3, "")
    assert "switched off here by TCPSTATES_READ_ONLY" in off.stderr


def test_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from tcpstates.cli.commands import kill

    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(kill.CannotKill, match="only Linux"):
        kill._check_allowed()
    monkeypatch.undo()
    monkeypatch.setattr(kill, "may_end_sockets", lambda: False)
    with pytest.raises(kill.CannotKill, match="use sudo"):
        kill._check_allowed()
    assert perform.may_end_sockets() is True


def test_a_build_without_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from tcpstates.cli.commands import load_kill
    from tcpstates.errors import TcpstatesError

    monkeypatch.delitem(sys.modules, "tcpstates.cli.commands.kill", raising=False)
    monkeypatch.setitem(sys.modules, "tcpstates.kill.destroy", None)
    with pytest.raises(TcpstatesError, match="this build of tcpstates ends no sockets"):
        load_kill()


def test_the_request_is_that_of_the_kernel() -> None:
    target = Target("tcp", "ipv4", "127.0.0.1", 80, "10.0.0.2", 443, 3, 0x1122334455)
    packed = encode(target, 9)
    assert len(packed) == 16 + 56
    assert packed[16:18] == bytes([2, 6])
    assert packed[24:28] == bytes([0, 80, 1, 187])
    assert packed[28:32] == bytes([127, 0, 0, 1])
    assert packed[-8:-4] == (0x22334455).to_bytes(4, sys.byteorder)
    assert decode(b"", 9) is None
    assert decode(packed, 9) is None


def test_effects_are_told_once_for_all_states_that_share_them() -> None:
    told = dict(describe(["ESTABLISHED", "LAST_ACK", "LAST_ACK", "FIN_WAIT_1"]))
    assert list(told) == ["1 ESTABLISHED", "2 LAST_ACK, 1 FIN_WAIT_1"]
    assert "CLOSE_WAIT" in told["2 LAST_ACK, 1 FIN_WAIT_1"]
    assert list(describe(["UNCONN"])) == [
        ("1 UNCONN", "The program gets ECONNABORTED at its next call.")
    ]


def test_the_session_is_read_from_ssh() -> None:
    assert list(_client(b"192.0.2.7 50000 10.0.0.1 22")) == [("192.0.2.7", 22)]
    assert list(_client(b"fe80::1%eth0 50000 fe80::2%eth0 22")) == [("fe80::1", 22)]
    for wrong in (b"", b"a b c", b"a b c d", b"1 2 3 4 5"):
        assert list(_client(wrong)) == []


SSHD = """
Port 2222
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
"""


@pytest.fixture
def remote(actor: Lab, tmp_path: Path) -> Iterator[list[str]]:
    """Run a real sshd in the laboratory; return the command that logs in."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None or shutil.which("ssh") is None:
        pytest.skip("sshd is missing (Debian: openssh-server, openssh-client)")
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"]
        subprocess.run([*command, str(tmp_path / name)], check=True)
    config = tmp_path / "config"
    config.write_text(SSHD.format(folder=tmp_path))
    Path("/run/sshd").mkdir(exist_ok=True)  # its privilege separation wants it
    server = subprocess.Popen([*actor.enter, sshd, "-D", "-f", str(config)])
    options = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"]
    options += ["-o", f"UserKnownHostsFile={tmp_path}/known", "-i", f"{tmp_path}/user"]
    ssh = [*actor.enter, "ssh", *options, "-p", "2222", "root@127.0.0.1"]
    end = time.monotonic() + PATIENCE
    while finish([*ssh, "true"]).returncode:
        if server.poll() is not None or time.monotonic() > end:
            server.kill()
            pytest.skip("no login to a sshd here")
        time.sleep(0.1)
    yield ssh
    server.terminate()
    server.wait()


def test_the_session_that_runs_it_survives(actor: Lab, remote: list[str]) -> None:
    """Also if the program is not a child of that session, as in tmux."""
    for detach in ("", "setsid -f -w ", "env -u SSH_CONNECTION TMUX=x setsid -f -w "):
        actor.ask(["pair"])
        command = (
            f"{detach}{COMMAND[0]} kill -y -n established --all-of-state; echo alive"
        )
        finished = finish([*remote, command])
        assert finished.returncode == 0, finished.stderr
        assert finished.stdout.endswith("alive\n")
        assert "it belongs to your own session" in finished.stderr
        # One end may have taken the other one along.
        text = finished.stdout
        assert "2  ended\n" in text or "1  ended\n      1  already gone\n" in text
