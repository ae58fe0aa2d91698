"""`diff`: by cookies within a boot, else by endpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Lab, enter_lab
from support.labs.actor import PORT


@pytest.fixture(scope="module")
def actor() -> Iterator[Lab]:
    """Return a laboratory that opens and ends connections."""
    yield from enter_lab("actor")


def snapshot(actor: Lab, path: Path) -> str:
    path.write_text(actor.tcpstates("-tanp", "--json").stdout)
    return str(path)


def test_a_scripted_change_gives_exactly_it(actor: Lab, tmp_path: Path) -> None:
    stays, changes = actor.ask(["pair"]), actor.ask(["pair"])
    aborts = actor.ask(["pair"])
    before = snapshot(actor, tmp_path / "before.json")
    opens = actor.ask(["pair"])
    actor.ask(["shut", changes["number"], 0])
    actor.ask(["abort", aborts["number"], 0])
    after = snapshot(actor, tmp_path / "after.json")
    for second in ([after], []):  # a file, and the sockets as they are now
        lines = actor.tcpstates("diff", before, *second, "--jsonl").stdout.splitlines()
        events = [json.loads(line) for line in lines]
        found = {
            (e["event"], e["from"], e["to"], e["local_port"], e["remote_port"])
            for e in events
        }
        one, two, three = opens["port"], changes["port"], aborts["port"]
        assert found == {
            ("opened", None, "ESTABLISHED", one, PORT),
            ("opened", None, "ESTABLISHED", PORT, one),
            ("changed", "ESTABLISHED", "FIN_WAIT_2", two, PORT),
            ("changed", "ESTABLISHED", "CLOSE_WAIT", PORT, two),
            ("closed", "ESTABLISHED", None, three, PORT),
            # The other side's program has not closed its descriptor yet.
            ("closed", "ESTABLISHED", None, PORT, three),
        }
        assert len(events) == len(found)
    text = actor.tcpstates("diff", before, after).stdout
    assert "2 opened, 2 changed, 2 closed (sockets identified by the kernel" in text
    assert str(stays["port"]) not in text
    grown = actor.tcpstates("diff", before, after, "--by", "state").stdout
    assert [line.split()[2:] for line in grown.splitlines()[1:]] == [
        ["+1", "CLOSE_WAIT"], ["+1", "FIN_WAIT_2"], ["-2", "ESTABLISHED"],
        ["+0", "total"],
    ]  # fmt: skip


def test_another_boot_has_other_cookies(actor: Lab, tmp_path: Path) -> None:
    actor.ask(["pair"])
    path = tmp_path / "a.json"
    told = json.loads(actor.tcpstates("-tan", "--json").stdout)
    assert len(told["boot_id"]) == 36
    told["boot_id"] = "00000000-0000-0000-0000-000000000000"
    for number, each in enumerate(told["sockets"]):
        each["cookie"] = number + 1
    path.write_text(json.dumps(told, indent=2))
    text = actor.tcpstates("diff", str(path), "not", "listen").stdout
    assert "0 opened, 0 changed, 0 closed (sockets identified by addresses" in text


def test_files_of_other_tools(actor: Lab, tmp_path: Path) -> None:
    listed = tmp_path / "ss.txt"
    listed.write_text(actor.run("ss", "-tan").stdout)
    assert (
        "0 opened, 0 changed, 0 closed" in actor.tcpstates("diff", str(listed)).stdout
    )
    made = actor.ask(["pair"])
    found = actor.tcpstates("diff", str(listed), f"sport = :{made['port']}").stdout
    assert "1 opened, 0 changed, 0 closed" in found
    missing = actor.tcpstates("diff", str(tmp_path / "none.json"))
    assert missing.returncode == 3
    assert "cannot be read: No such file or directory" in missing.stderr
