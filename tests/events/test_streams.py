"""The Python API over time."""

from __future__ import annotations

import socket
import sys

import pytest

import tcpstates
from tcpstates.errors import ArgumentError


def test_events_of_real_sockets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stream = tcpstates.events(f"port = :{port}", interval=0.05, processes=True)
        first = next(stream)
        assert (first.kind, first.new) == ("present", "LISTEN")
        assert first.socket is not None
        assert first.socket.local_port == port
        client = socket.create_connection(("127.0.0.1", port))
        made, _ = server.accept()
        opened = [next(stream), next(stream)]
        assert {event.kind for event in opened} == {"opened"}
        assert {event.new for event in opened} == {"ESTABLISHED"}
        client.shutdown(socket.SHUT_WR)
        changed = [next(stream), next(stream)]
        assert {(event.old, event.new) for event in changed} <= {
            ("ESTABLISHED", "FIN_WAIT_1"), ("ESTABLISHED", "FIN_WAIT_2"),
            ("FIN_WAIT_1", "FIN_WAIT_2"), ("ESTABLISHED", "CLOSE_WAIT"),
        }  # fmt: skip
        made.close()
        client.close()
        if sys.platform == "linux":
            ended = next(e for e in stream if e.traffic is not None)
            assert ended.traffic is not None
            assert ended.traffic["bytes_received"] <= 1
        stream.close()


def test_a_difference() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        chosen = f"port = :{port}"
        before = tcpstates.snapshot(chosen)
        with socket.create_connection(("127.0.0.1", port)):
            after = tcpstates.snapshot(chosen)
        found = before.diff(after)
        assert {each.state for each in found.opened} == {"ESTABLISHED"}
        assert (found.changed, found.closed) == ((), ())
        assert found.by_cookie == (sys.platform == "linux")
        back = after.diff(before)
        assert {each.state for each in back.closed} == {"ESTABLISHED"}


def test_an_interval_is_a_time() -> None:
    with pytest.raises(ArgumentError, match="interval 0"):
        tcpstates.events(interval=0)
