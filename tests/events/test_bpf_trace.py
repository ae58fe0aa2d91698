"""What only the BPF reader of `trace` knows: namespaces, cookies, why it ended."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tcpstates
from conftest import Lab, enter_lab
from support.streaming import stream
from tcpstates.changes.traced import TracedEvents
from tcpstates.collect.bpf import transitions
from tcpstates.collect.bpf.transitions import BpfTracer
from tcpstates.errors import SourceUnavailable
from tcpstates.parse.bpf_record import RECORD, read_records, whole_records
from tcpstates.parse.transition import Transition


def can_trace() -> str:
    """Say why this machine does not let us trace; empty: it does."""
    try:
        BpfTracer().close()
    except SourceUnavailable as error:
        return error.reason
    return ""


needs_bpf = pytest.mark.skipif(bool(can_trace()), reason=can_trace() or "-")


@pytest.fixture
def tracer() -> Iterator[BpfTracer]:
    made = BpfTracer()
    yield made
    made.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


def ends(tracer: BpfTracer, port: int) -> set[tuple[str, bool, str | None]]:
    """Return how the connections of a port ended: from, at the client, why."""
    found = set()
    for events in TracedEvents().events(tracer.finish().transitions, 0):
        assert isinstance(events, tcpstates.changes.model.Events)
        remote = events.batch.column("remote_port")
        rows = zip(events.old, events.new, remote, events.causes, strict=True)
        found |= {(old, at == port, why) for old, new, at, why in rows if new is None}
    return found


def pair(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    client = socket.create_connection(listener.getsockname())
    return client, listener.accept()[0]


def aborted(listener: socket.socket) -> None:
    client, server = pair(listener)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    server.close()


def unread(listener: socket.socket) -> None:
    client, server = pair(listener)
    client.send(b"unread")
    server.close()
    client.close()


def reset_in_close_wait(listener: socket.socket) -> None:
    client, server = pair(listener)
    server.shutdown(socket.SHUT_WR)
    client.recv(1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    client.close()


def closed(listener: socket.socket) -> None:
    client, server = pair(listener)
    client.close()
    server.recv(1)
    server.close()


def refused(listener: socket.socket) -> None:
    end = listener.getsockname()
    listener.close()
    with socket.socket() as client:
        assert client.connect_ex(end)


CAUSES: list[tuple[Callable[[socket.socket], None], set[tuple[str, bool, str | None]]]]
CAUSES = [
    (
        aborted,
        {
            ("ESTABLISHED", True, "reset sent"),
            ("ESTABLISHED", False, "reset received"),
        },
    ),
    (
        unread,
        {
            ("ESTABLISHED", False, "reset sent"),
            ("ESTABLISHED", True, "reset received"),
        },
    ),
    (reset_in_close_wait, {("CLOSE_WAIT", True, "reset received")}),
    (closed, {("FIN_WAIT_2", True, None), ("LAST_ACK", False, None)}),
    (refused, {("SYN_SENT", True, "refused")}),
]


@needs_bpf
@pytest.mark.parametrize(
    ("act", "expected"), CAUSES, ids=lambda it: getattr(it, "__name__", "")
)
def test_why_it_ended(
    tracer: BpfTracer,
    listener: socket.socket,
    act: Callable[[socket.socket], None],
    expected: set[tuple[str, bool, str | None]],
) -> None:
    port = listener.getsockname()[1]
    act(listener)
    found = ends(tracer, port)
    assert expected <= found
    causes = {why for _, at_client, why in found if at_client}
    assert causes <= {why for _, at_client, why in expected if at_client} | {None}


@needs_bpf
def test_the_cookie_is_that_of_a_listing(
    tracer: BpfTracer, listener: socket.socket
) -> None:
    client, server = pair(listener)
    port = client.getsockname()[1]
    with client, server:
        listed = {
            (row.local_port, row.cookie)
            for row in tcpstates.snapshot(f"port = :{port}")
        }
        traced = tracer.finish().transitions
    opened = {
        (each.local_port, each.cookie) for each in traced if each.new == "ESTABLISHED"
    }
    assert listed <= opened
    assert len(listed) == 2


@needs_bpf
def test_a_socket_that_is_older_than_the_trace(listener: socket.socket) -> None:
    client, server = pair(listener)
    port = client.getsockname()[1]
    tracer = BpfTracer()
    try:
        client.close()
        server.close()
        traced = tracer.finish().transitions
    finally:
        tracer.close()
    # Also after it has given its port back.
    mine = [each for each in traced if each.local_port == port]
    assert [each.new for each in mine] == ["FIN_WAIT_1", "FIN_WAIT_2", "CLOSED"]


@pytest.fixture
def one() -> Iterator[Lab]:
    yield from enter_lab("actor")


@pytest.fixture
def two() -> Iterator[Lab]:
    yield from enter_lab("actor")


@needs_bpf
def test_every_event_has_the_right_namespace(
    one: Lab, two: Lab, tmp_path: Path
) -> None:
    numbers = [
        int(lab.run("stat", "-Lc", "%i", "/proc/self/ns/net").stdout)
        for lab in (one, two)
    ]
    command = [*one.enter, *one.command, "trace", "--jsonl", "--reader", "bpf"]
    with stream(command, tmp_path) as tracing:
        tracing.wait_for(lambda: "\n" in tracing.errors.read_text())
        wanted = {
            (lab.ask(["pair"])["port"], number)
            for lab, number in zip((one, two), numbers, strict=True)
            for _ in range(5)
        }
        found = tracing.wait_for_events(
            10,
            lambda e: (
                e["from"] == "SYN_SENT" and (e["local_port"], e["netns_id"]) in wanted
            ),
        )
    assert len(found) == 10
    names = {e["netns_id"]: e["netns"] for e in found}
    assert names[numbers[0]] == "own"
    assert names[numbers[1]] != "own"


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(transitions, "create_ring", refuse)
        with pytest.raises(SourceUnavailable, match="CAP_BPF and CAP_PERFMON"):
            BpfTracer()
    if not can_trace():
        with monkeypatch.context() as patch:
            patch.setattr(transitions, "VMLINUX", "/nonexistent")
            with pytest.raises(SourceUnavailable, match="the kernel has no BTF"):
                BpfTracer()
        with monkeypatch.context() as patch:
            patch.setattr(transitions, "TYPEDEF", 31)
            with pytest.raises(SourceUnavailable, match="BTF lacks btf_trace_inet"):
                BpfTracer()


def record(port: int = 80) -> bytes:
    ends = socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2")
    packed = RECORD.pack(
        7, 99, 5, 4026531840, 1, 8, 0, 1, socket.AF_INET, port, socket.htons(443), 0,
        *ends, bytes(16), bytes(16), b"a\x1b[31m\0more",
    )  # fmt: skip
    return struct.pack("=II", RECORD.size, 0) + packed


def test_records() -> None:
    busy = struct.pack("=I", RECORD.size | 1 << 31)
    data = record() + record(81) + busy + record()[4:]
    whole = whole_records(data)
    assert whole == record() + record(81)
    assert whole_records(whole) == whole
    first, second = read_records(whole)
    assert first == Transition(
        7, 99, "ESTABLISHED", "CLOSE_WAIT", "ipv4", "10.0.0.1", 80, "10.0.0.2", 443,
        5, 99, 4026531840, 0, b"a\x1b[31m",
    )  # fmt: skip
    assert second.local_port == 81
