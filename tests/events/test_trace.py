"""`trace`: the edges of both ends, honest durations, nothing lost without a word."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from conftest import PATIENCE, Lab, enter_lab, run_command
from support.labs.actor import PORT
from support.streaming import Stream, stream
from tcpstates.collect.bpf import program
from tcpstates.collect.bpf.transitions import BpfTracer
from tcpstates.collect.tracepoint import Tracer
from tcpstates.errors import ParseError, SourceUnavailable
from tcpstates.parse.tracepoint import SampleReader

NUMBER = 1000


def can_trace() -> str:
    """Say why this machine does not let us trace; empty: it does."""
    try:
        Tracer(pages=1).close()
    except SourceUnavailable as error:
        return error.reason
    return ""


needs_perf = pytest.mark.skipif(bool(can_trace()), reason=can_trace() or "-")
each_reader = pytest.mark.parametrize("reader", ["bpf", "perf"])


@pytest.fixture(scope="module")
def actor() -> Iterator[Lab]:
    """Return a laboratory that opens and ends connections."""
    yield from enter_lab("actor")


@pytest.fixture(autouse=True)
def awake() -> Iterator[None]:
    """Keep the processors busy: the kernel does not trace what happens on idle ones."""
    spin = "while True: pass"
    spinning = [
        subprocess.Popen(["nice", "-n", "19", sys.executable, "-c", spin])
        for _ in range(os.cpu_count() or 1)
    ]
    yield
    for process in spinning:
        process.kill()
        process.wait()


def done(answer: Any) -> tuple[float]:
    """Return when an act was done, by the clock of the laboratory."""
    return (answer["at"] if isinstance(answer, dict) else answer,)


def begun(tracing: Stream) -> None:
    tracing.wait_for(lambda: "\n" in tracing.errors.read_text())


def edges(events: list[dict[str, Any]], port: int) -> list[tuple[str | None, ...]]:
    """Return the changes of the socket with a local port."""
    return [(e["from"], e["to"]) for e in events if e["local_port"] == port]


@needs_perf
@each_reader
def test_both_ends_of_a_scripted_connection(
    actor: Lab, tmp_path: Path, reader: str
) -> None:
    command = [*actor.enter, *actor.command, "trace", "--jsonl", "--reader", reader]
    with stream([*command, f"port = :{PORT}"], tmp_path) as tracing:
        begun(tracing)
        # When each act was done: at the earliest, and at the latest.
        moments = [(time.monotonic(), *done(made := actor.ask(["pair"])))]
        number, port = made["number"], made["port"]
        for act in (["shut", number, 0], ["close", number, 1]):
            time.sleep(0.2)
            moments.append((time.monotonic(), *done(actor.ask(act))))
        waits = [
            (1000 * (after[0] - before[1]) - 5, 1000 * (after[1] - before[0]) + 5)
            for before, after in pairwise(moments)
        ]
        mine = tracing.wait_for_events(
            1, lambda e: e["event"] == "closed" and e["local_port"] == port
        )
        tracing.wait_for_events(
            1, lambda e: e["event"] == "closed" and e["remote_port"] == port
        )
        events = tracing.events
    actor.ask(["close", number, 0])
    assert mine[0]["from"] == "FIN_WAIT_2"
    client = [
        (None, "SYN_SENT"), ("SYN_SENT", "ESTABLISHED"), ("ESTABLISHED", "FIN_WAIT_1"),
        ("FIN_WAIT_1", "FIN_WAIT_2"), ("FIN_WAIT_2", None),
    ]  # fmt: skip
    assert edges(events, port) == client
    server = [
        (e["from"], e["to"]) for e in events if e["remote_port"] == port
    ]  # fmt: skip
    assert server == [
        ("SYN_RECEIVED", "ESTABLISHED"), ("ESTABLISHED", "CLOSE_WAIT"),
        ("CLOSE_WAIT", "LAST_ACK"), ("LAST_ACK", None),
    ]  # fmt: skip
    # Held for as long as a stopwatch says; nothing where the kernel is silent.
    exact = {
        (e["from"], e["local_port"]): e["former_ms"]
        for e in events
        if e["former_kind"] == "exact"
    }
    for (state, at), (least, most) in (
        (("ESTABLISHED", port), waits[0]),
        (("FIN_WAIT_2", port), waits[1]),
        (("CLOSE_WAIT", PORT), waits[1]),
    ):
        # FIN and ACK take their time on a busy machine; FIN_WAIT_1 shows how long.
        assert least - exact["FIN_WAIT_1", port] <= exact[state, at] <= most
        assert most - least < 100  # else the machine is too busy to tell
    hidden = [e for e in events if e["former_kind"] == "hidden"]
    assert [e["from"] for e in hidden] == ["SYN_RECEIVED"]
    assert all(e["former_ms"] is None for e in hidden)


@needs_perf
@each_reader
def test_an_orphan_has_no_duration(actor: Lab, tmp_path: Path, reader: str) -> None:
    command = [*actor.enter, *actor.command, "trace", "--jsonl", "--reader", reader]
    with stream([*command, f"port = :{PORT}"], tmp_path) as tracing:
        begun(tracing)
        first, second = actor.ask(["pair"]), actor.ask(["pair"])
        actor.ask(["close", first["number"], 0])  # an orphan in FIN_WAIT_2
        actor.ask(["shut", second["number"], 0])
        time.sleep(0.1)  # held in FIN_WAIT_2, and then given up
        actor.ask(["close", second["number"], 0])
        ports = {first["port"], second["port"]}
        ends = tracing.wait_for_events(
            2, lambda e: e["event"] == "closed" and e["local_port"] in ports
        )
        actor.ask(["close", first["number"], 1])
        actor.ask(["close", second["number"], 1])
    for end in ends:
        assert (end["from"], end["former_ms"]) == ("FIN_WAIT_2", None)
        assert end["former_kind"] == "hidden"


@needs_perf
@each_reader
@pytest.mark.parametrize("pages", [1, 512])
def test_read_and_lost_are_what_the_kernel_counted(
    actor: Lab, pages: int, reader: str
) -> None:
    tracer: BpfTracer | Tracer = Tracer(pages=pages)
    if reader == "bpf":
        tracer.close()
        tracer = BpfTracer(size=pages * mmap.PAGESIZE)
    try:
        actor.ask(["short", NUMBER])
        first = tracer.read()
        actor.ask(["short", 10])
        last = tracer.finish()
        counted, lost = tracer.kernel_counts()
    finally:
        tracer.close()
    read = len(first.transitions) + len(last.transitions)
    assert read + first.lost + last.lost == counted
    assert first.lost + last.lost >= lost
    assert (lost > 0) == (pages == 1)


def bpf_programs() -> list[int]:
    """Return the numbers of all programs in the kernel: BPF_PROG_GET_NEXT_ID."""
    found = [0]
    while True:
        attributes = (ctypes.c_uint32 * 32)(found[-1])
        call = program._SYSTEM_CALLS[platform.machine()]
        if ctypes.CDLL(None).syscall(call, 11, attributes, 128) < 0:
            return found[1:]
        found.append(attributes[1])


@needs_perf
@each_reader
def test_nothing_is_left_of_killed_traces(
    actor: Lab, tmp_path: Path, reader: str
) -> None:
    def left() -> list[object]:
        return [
            Path("/proc/mounts").read_text(),
            bpf_programs(),
            *sorted(
                str(path) for path in Path("/sys/kernel/tracing").glob("instances/*")
            ),
        ]

    before = left()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        command = [*actor.enter, *actor.command, "trace", "--reader", reader]
        with stream(command, folder) as tracing:
            begun(tracing)
            if reader == "bpf":
                assert bpf_programs() != before[1]
            assert tracing.end(signal.SIGKILL) == -signal.SIGKILL
    end = time.monotonic() + PATIENCE
    while left() != before and time.monotonic() < end:
        time.sleep(0.01)  # the kernel frees a program a moment later
    assert left() == before


def test_without_privileges_it_looks_and_says_so(actor: Lab, tmp_path: Path) -> None:
    command = [*actor.enter, *actor.nobody(), "trace", "-w", "0.2"]
    with stream(command, tmp_path) as tracing:
        begun(tracing)
        told = tracing.errors.read_text()
        assert told.startswith(
            "tcpstates: read by a look every 0.2 s and by the kernel's"
        )
        assert told.count("\n") == 1
        assert "; cannot trace: " in told
        made = actor.ask(["pair"])
        tracing.wait_for(lambda: f":{made['port']}" in tracing.text)
        actor.ask(["abort", made["number"], 0])
        tracing.wait_for(lambda: "closed " in tracing.text)
    for reader in ("bpf", "perf"):
        finished = actor.run(*actor.nobody(), "trace", "--reader", reader)
        assert finished.returncode == 3
        assert finished.stderr.count("\n") == 1
        assert "run as root" in finished.stderr


@needs_perf
def test_a_filter_by_process_is_refused_by_the_tracer(actor: Lab) -> None:
    finished = run_command("trace", "--reader", "perf", "process = x")
    assert finished.returncode == 3
    assert "a filter by process cannot be applied" in finished.stderr


@needs_perf
@each_reader
def test_the_summary(actor: Lab, tmp_path: Path, reader: str) -> None:
    command = [*actor.enter, *actor.command, "trace", "--summary", "-q"]
    command += ["--reader", reader]
    with stream([*command, f"port = :{PORT}"], tmp_path) as tracing:
        begun(tracing)
        actor.ask(["short", 50])
        assert tracing.end() == 0  # what the rings still hold is counted
        text = tracing.text
    assert "450 events in " in text
    assert "     50  CLOSE_WAIT -> LAST_ACK\n" in text
    assert "0 lost" in text
    assert f"    450  {PORT}\n" in text
    assert "not shown by the kernel  SYN_RECEIVED\n" in text


FORMAT = """name: inet_sock_set_state
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;
\tfield:int newstate;\toffset:20;\tsize:4;\tsigned:1;
\tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;
\tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;
\tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;
\tfield:__u16 protocol;\toffset:30;\tsize:2;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;
\tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;
\tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;
\tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;
"""


def sample(old: int = 1, new: int = 8, protocol: int = 6) -> bytes:
    from struct import pack

    body = pack(
        "=HBBiQiiHHHH4s4s16s16s", 1, 0x10, 0, 7, 99, old, new, 80, 5000, 2, protocol,
        bytes([127, 0, 0, 1]), bytes([10, 0, 0, 1]), bytes(16), bytes(16),
    )  # fmt: skip
    data = pack("=IIQIII", 7, 7, 1234, 0, 0, len(body)) + body
    data += bytes(-(len(data) + 8) % 8)
    return pack("=IHH", 9, 1, len(data) + 8) + data


def lost(number: int) -> bytes:
    from struct import pack

    return pack("=IHHQQ", 2, 0, 24, 1, number)


def test_samples_and_losses() -> None:
    reader = SampleReader(FORMAT)
    found, number, missing = reader.samples(sample() * 3)
    assert (len(found), number, missing) == (3, 3, 0)
    assert found[0].local_address == "127.0.0.1"
    assert (found[0].old, found[0].new) == ("ESTABLISHED", "CLOSE_WAIT")
    assert (found[0].local_port, found[0].remote_port, found[0].pid) == (80, 5000, None)
    mixed = sample() + lost(5) + sample(protocol=262) + sample(8, 9)
    found, number, missing = reader.samples(mixed)
    assert [each.new for each in found] == ["CLOSE_WAIT", "LAST_ACK"]
    assert (number, missing) == (3, 5)
    assert reader.samples(b"") == ([], 0, 0)


def test_another_format_is_refused() -> None:
    moved = FORMAT.replace("field:int oldstate;\toffset:16;\tsize:4", "field:int x")
    with pytest.raises(ParseError, match="oldstate"):
        SampleReader(moved)
    with pytest.raises(ParseError):
        SampleReader(FORMAT).samples(b"\0" * 16)
