"""Names come from the system, within a deadline, and only if they look like it."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from tcpstates.collect import names as names_module
from tcpstates.collect.names import SystemNames


def test_numeric_looks_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise AssertionError("looked up")

    monkeypatch.setattr(socket, "getnameinfo", fail)
    monkeypatch.setattr(names_module, "_read_user", fail)
    names = SystemNames(numeric=True)
    names.ask_hosts(["192.0.2.1"], 1)
    assert names.user(0) is None
    assert names.service(22, "tcp") is None
    assert not names.knows_hosts()


def test_users_and_services_of_this_system() -> None:
    names = SystemNames(numeric=False)
    assert names.user(54321987) is None
    if os.path.exists("/etc/services"):
        assert names.service(22, "tcp") == "ssh"
        assert names.service(22, "tcp") == socket.getservbyport(22, "tcp")
    assert names.service(0, "tcp") is None


def test_interfaces() -> None:
    names = SystemNames(numeric=True)
    assert names.interface(0) is None
    assert names.interface(1) == socket.if_indextoname(1)
    assert names.interface(2**31 - 1) is None


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("host.example", "host.example"),
        ("_dmarc.example", "_dmarc.example"),
        ("a\x1b[31m", None),
        ("a\nb", None),
        ("[red]", None),
        ("=cmd", None),
        ("-rf", None),
        ("8.8.8.8", None),
        ("x" * 300, None),
        ("", None),
    ],
)
def test_only_host_names_are_taken(
    monkeypatch: pytest.MonkeyPatch, answer: str, shown: str | None
) -> None:
    monkeypatch.setattr(socket, "getnameinfo", lambda *_: (answer, "0"))
    names = SystemNames(numeric=False)
    names.ask_hosts(["192.0.2.1", "0.0.0.0", "::"], 5)
    assert names.host("192.0.2.1") == shown
    assert names.host("0.0.0.0") is None


def test_a_silent_name_server_costs_the_deadline_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    asked = []

    def wait(endpoint: tuple[str, int], flags: int) -> tuple[str, str]:
        asked.append(endpoint)
        if endpoint[0] == "192.0.2.1":
            return "quick.example", "0"
        released.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getnameinfo", wait)
    names = SystemNames(numeric=False)
    started = time.monotonic()
    names.ask_hosts(["192.0.2.1", *(f"198.51.100.{n}" for n in range(200))], 0.5)
    assert 0.4 < time.monotonic() - started < 5
    assert len(asked) <= 33
    assert names.host("198.51.100.1") is None
    assert names.host("192.0.2.1") in ("quick.example", None)
    names.ask_hosts([f"203.0.113.{n}" for n in range(200)], -1.0)
    assert len(asked) <= 33
    released.set()
    deadline = time.monotonic() + 10
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
