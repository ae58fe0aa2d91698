"""`-w --jsonl`: what opens, changes and ends, also between two looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Lab, enter_lab
from support.labs.actor import PORT
from support.streaming import stream
from test_schema import check

ENDS = 5000


@pytest.fixture(scope="module")
def actor() -> Iterator[Lab]:
    """Return a laboratory that opens and ends connections."""
    yield from enter_lab("actor")


def is_end(event: dict[str, Any]) -> bool:
    return bool(event["event"] == "closed")


def test_every_end_is_heard_of_by_anybody(actor: Lab, tmp_path: Path) -> None:
    command = [*actor.enter, *actor.nobody(), "-w", "1", "--jsonl"]
    with stream(command, tmp_path) as watching:
        watching.wait_for(lambda: watching.events)
        actor.ask(["resets", ENDS])
        ends = watching.wait_for_events(2 * ENDS, is_end)
        lost = [e for e in watching.events if e["event"] == "resync"]
    assert len(ends) == 2 * ENDS
    assert not lost
    assert all(e["missed"] and e["from"] is None and e["to"] is None for e in ends)
    # The side that aborts has lost its own address, the port of the peer, its numbers.
    assert Counter(e["local_port"] == PORT for e in ends) == {True: ENDS, False: ENDS}
    for end in ends:
        assert end["inode"] is end["uid"] is end["processes"] is None
        assert (end["traffic"] is None) == (end["local_port"] != PORT)


def test_what_a_connection_has_transferred(actor: Lab, tmp_path: Path) -> None:
    command = [*actor.enter, *actor.command, "-w", "0.2", "--jsonl"]
    with stream(command, tmp_path) as watching:
        watching.wait_for(lambda: watching.events)
        made = actor.ask(["pair"])
        number, port = made["number"], made["port"]
        here = watching.wait_for_events(2, lambda e: port in (
            e.get("local_port"), e.get("remote_port")
        ))  # fmt: skip
        assert {event["event"] for event in here} == {"opened"}
        actor.ask(["send", number, 0, 100_000])
        actor.ask(["send", number, 1, 10])
        actor.ask(["close", number, 1])
        actor.ask(["close", number, 0])
        last = watching.wait_for_events(
            1, lambda e: is_end(e) and e["local_port"] == port
        )
    assert last[0]["missed"] is False
    assert last[0]["from"] in ("ESTABLISHED", "CLOSE_WAIT")
    assert last[0]["former_kind"] == "at-least"
    # SYN and FIN count as bytes.
    assert last[0]["traffic"]["bytes_acked"] - 100_000 in range(3)
    assert last[0]["traffic"]["bytes_received"] - 10 in range(3)


def test_a_change_out_of_the_selection_is_no_end(actor: Lab, tmp_path: Path) -> None:
    made = actor.ask(["pair"])
    port = made["port"]
    command = [*actor.enter, *actor.command, "-w", "0.2", "--jsonl", "established"]
    with stream([*command, f"sport = :{port}"], tmp_path) as watching:
        watching.wait_for_events(1, lambda e: e["event"] == "present")
        actor.ask(["shut", made["number"], 0])
        found = watching.wait_for_events(1, lambda e: e["event"] == "changed")
        assert (found[0]["from"], found[0]["to"]) == ("ESTABLISHED", "FIN_WAIT_2")
        assert not list(filter(is_end, watching.events))
    actor.ask(["close", made["number"], 1])
    actor.ask(["close", made["number"], 0])


def test_a_state_keeps_its_first_sight(actor: Lab, tmp_path: Path) -> None:
    made = actor.ask(["pair"])
    command = [*actor.enter, *actor.command, "-w", "0.1", "--jsonl", "-p"]
    with stream([*command, f"sport = :{made['port']}"], tmp_path) as watching:
        [present] = watching.wait_for_events(1, lambda e: e["event"] == "present")
        assert present["processes"][0]["pid"] == actor.parts["main"]
        begun = present["monotonic"]
        ended = actor.ask(["shut", made["number"], 0])
        [changed] = watching.wait_for_events(1, lambda e: e["event"] == "changed")
        assert 0 <= changed["former_ms"] <= 1000 * (ended - begun) + 1
        assert changed["cookie"] == present["cookie"]
    actor.ask(["close", made["number"], 1])
    actor.ask(["close", made["number"], 0])


def test_a_recording_is_replayed(actor: Lab, tmp_path: Path) -> None:
    command = [*actor.enter, *actor.command, "-tan", "-w", "0.2", "--jsonl"]
    with stream(command, tmp_path) as watching:
        watching.wait_for_events(1, lambda e: e["event"] == "present")
        stays, goes = actor.ask(["pair"]), actor.ask(["pair"])
        watching.wait_for_events(4, lambda e: e["event"] == "opened")
        both = actor.tcpstates("-tanH").stdout
        between = watching.events[-1]["time"]
        actor.ask(["abort", goes["number"], 0])
        actor.ask(["shut", stays["number"], 0])
        watching.wait_for_events(1, is_end)
        watching.wait_for_events(2, lambda e: e["event"] == "changed")
        one = actor.tcpstates("-tanH").stdout
        recorded = tmp_path / "recorded"
        recorded.write_text(watching.text)
        for event in watching.events:
            check("event", event)
    read = ["--from", str(recorded), "-tanH"]
    assert sorted(actor.tcpstates(*read, "--at", between).stdout) == sorted(both)
    finished = actor.tcpstates(*read)
    assert sorted(finished.stdout.split()) == sorted(one.split())
    assert finished.stderr == ""
    wrong = actor.tcpstates(*read, "--at", "yesterday")
    assert wrong.returncode == 2
    assert "'yesterday' is no time" in wrong.stderr
    actor.ask(["close", stays["number"], 0])
    actor.ask(["close", stays["number"], 1])


def test_blocks_in_a_pipe(actor: Lab, tmp_path: Path) -> None:
    command = [*actor.enter, *actor.command, "-ltn", "-w", "0.2"]
    with stream(command, tmp_path) as watching:
        watching.wait_for(lambda: watching.text.count("\n\n") >= 3)
        blocks = watching.text.split("\n\n")
        assert watching.end() == 130
    listing = actor.tcpstates("-ltn").stdout
    for block in blocks[:3]:
        heading, _, rest = block.partition("\n")
        assert heading.startswith("# 20")
        assert rest == listing.rstrip("\n")


def test_a_count_is_one_number_a_line(actor: Lab, tmp_path: Path) -> None:
    command = [*actor.enter, *actor.command, "-ltnc", "-w", ".2"]
    with stream(command, tmp_path) as watching:
        watching.wait_for(lambda: watching.text.count("\n") >= 3)
        assert set(watching.text.split()) == {"1"}


def test_counts_as_json_have_their_time(actor: Lab, tmp_path: Path) -> None:
    command = [*actor.enter, *actor.command, "-l", "--by", "state", "--jsonl", "-w"]
    with stream(command, tmp_path) as watching:
        watching.wait_for(lambda: watching.events)
        first = watching.events[0]
    assert (first["state"], first["count"]) == ("LISTEN", 1)
    assert first["time"].endswith("Z")


@pytest.mark.parametrize("given", ["-w", "-w2", "-tanw", "-wtan", "--watch", "-w 3 -t"])
def test_the_seconds_may_be_left_out(given: str) -> None:
    from tcpstates.cli.app import tcpstates
    from tcpstates.cli.foreign_options import split_flags

    split = split_flags(given.split(), tcpstates.params)
    seconds = split[split.index("--watch") + 1]
    assert seconds == {"-w2": "2", "-w 3 -t": "3"}.get(given, "1")
    assert ("--tcp" in split) == ("t" in given.replace("--watch", ""))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "x"], "remove --from"),
        (["--openmetrics"], "--openmetrics cannot be combined"),
        (["--output", "x"], "use > FILE"),
        (["-w", "0.01"], "between 0.1 and 86400 seconds"),
    ],
)
def test_what_makes_no_sense(arguments: list[str], told: str) -> None:
    from support.tools.inprocess import told as tell

    code, _, error = tell(["-w", *arguments])
    assert code == 2
    assert told in error
