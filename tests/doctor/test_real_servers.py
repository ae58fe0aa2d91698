"""Real servers that are in trouble: the verdict names the right cause and process.

Each test has servers of its own, on two hosts. The nearest healthy situations are in
`test_healthy_servers`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import COMMAND
from support.hosts import real_servers as real
from support.hosts.two_hosts import (
    CLIENT,
    SERVER,
    Host,
    children,
    finding,
    needs,
    two_hosts,
    until,
)
from tcpstates.collect.netns.find import find_namespaces

Hosts = tuple[Host, Host]


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with two_hosts() as made:
        yield made


def verdicts(found: dict[str, Any]) -> list[str]:
    return [f"{each['rule']}: {each['verdict']}" for each in found["findings"]]


def pids(found: dict[str, Any]) -> list[int]:
    return [process["pid"] for process in found["processes"]]


def text_of(found: dict[str, Any]) -> str:
    return " ".join(
        [found["verdict"], *found["evidence"], found["means"], *found["do"]]
    )


@needs("redis-server")
def test_a_stopped_redis_is_named_at_once_and_its_clients_wait(hosts: Hosts) -> None:
    server, client = hosts
    redis = real.redis(server)
    asking = client.client("ask-again", SERVER, real.REDIS, 50)
    assert not server.doctor()["findings"]
    os.kill(redis.pid, signal.SIGSTOP)
    os.kill(asking.pid, signal.SIGUSR1)
    until(lambda: server.count("recv-q", ">", "0"))
    first = server.doctor()["findings"][0]
    assert (first["rule"], first["severity"], pids(first)) == (
        "stopped",
        "critical",
        [redis.pid],
    )
    assert f"redis-server[{redis.pid}] is stopped" in first["verdict"]
    waiting = finding(client, "waiting", "--threshold", "waiting=500ms", sockets=50)
    assert waiting["severity"] == "notice"
    assert pids(waiting) == [asking.pid]
    assert f"waits for {SERVER}:{real.REDIS} on 50 connections" in waiting["verdict"]


@needs("nginx")
def test_stopped_workers_are_named_not_their_master(
    hosts: Hosts, tmp_path: Path
) -> None:
    server, client = hosts
    master = real.nginx(server, tmp_path, backlog=32)
    workers = children(master.pid)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    client.client("connections", SERVER, real.NGINX, 60)
    queue = finding(server, "accept-queue", severity="critical", waiting=33)
    assert sorted(pids(queue)) == workers
    assert all(process["is_stopped"] for process in queue["processes"])
    first = server.doctor()["findings"][0]
    assert (first["rule"], sorted(pids(first))) == ("stopped", workers)
    assert str(master.pid) not in text_of(first) + text_of(queue)
    assert not {"half-open", "silent-peer"} & {
        f["rule"] for f in server.doctor()["findings"]
    }


def stuck_app(server: Host, client: Host, folder: Path, backlog: int) -> list[int]:
    """Gunicorn whose two workers do not answer for half a minute."""
    app = real.gunicorn(server, folder, backlog=backlog)
    workers = children(app.pid)
    client.client("requests", SERVER, real.APP, 2, "/sleep60")
    until(lambda: server.count("established", f"sport = :{real.APP}") == 2)
    return workers


def full_queue(server: Host) -> dict[str, Any]:
    """Wait for the finding of a full queue of 16, and return it.

    Two handshakes that end at once on two processors may both take the last place.
    """

    def is_full() -> bool:
        found.append(finding(server, "accept-queue", severity="critical"))
        return found[-1]["numbers"]["waiting"] in (17, 18)

    found: list[dict[str, Any]] = []
    until(is_full)
    return found[-1]


@needs("gunicorn")
def test_busy_workers_are_named_not_their_master(hosts: Hosts, tmp_path: Path) -> None:
    server, client = hosts
    workers = stuck_app(server, client, tmp_path, 2048)
    client.client("requests", SERVER, real.APP, 58, "/")
    early = finding(server, "accept-queue", waiting=58)
    assert early["severity"] == "notice"  # it may be a burst, so far
    assert sorted(pids(early)) == sorted(workers)
    assert "2 of the 3 processes that have a listener" in text_of(early)
    stuck = finding(server, "accept-queue", "--watch", "1.2", waiting=58)
    assert (stuck["severity"], stuck["trend"]["word"]) == ("warning", "stays")
    late = ("--threshold", "accept-never=1s")
    assert finding(server, "accept-queue", *late, waiting=58)["severity"] == "warning"


@needs("gunicorn", "nft")
def test_a_full_queue_seen_from_both_hosts(hosts: Hosts, tmp_path: Path) -> None:
    server, client = hosts
    workers = stuck_app(server, client, tmp_path, 16)
    client.client("requests", SERVER, real.APP, 12, "/")
    until(lambda: server.count("established", f"sport = :{real.APP}") == 14)
    # The handshakes of the others begin before the queue is full, and end after that.
    drop(client, "tcp flags & (syn|ack) == (syn|ack) drop")
    asking = client.client("burst", SERVER, real.APP, 40)
    client.must("nft", "delete table inet t")
    queue = full_queue(server)
    assert sorted(pids(queue)) == sorted(workers)
    assert "ip route" not in text_of(queue)
    assert {f["rule"] for f in server.doctor()["findings"]} == {"accept-queue"}
    explained = "half-open connections: a full queue drops the ACK"
    until(lambda: explained in text_of(finding(server, "accept-queue")))
    limits = ("--threshold", "retransmits=2")
    silent = finding(client, "silent-peer", *limits)
    assert pids(silent) == [asking.pid]
    assert "A full accept queue of the peer explains that" in silent["means"]
    assert "path is broken" not in text_of(silent)


@needs("nginx", "gunicorn")
def test_a_proxy_in_front_of_a_full_queue_is_not_at_fault(
    hosts: Hosts, tmp_path: Path
) -> None:
    server, client = hosts
    workers = stuck_app(server, client, tmp_path / "app", 16)
    real.nginx(server, tmp_path)
    client.client("requests", SERVER, real.NGINX, 80, "/app")
    queue = full_queue(server)
    assert sorted(pids(queue)) == sorted(workers)

    def is_folded() -> bool:
        found = server.doctor("--threshold", "retransmits=2")["findings"]
        assert {f["rule"] for f in found} == {"accept-queue"}, found
        return "clients on this host get no answer because of it" in text_of(found[0])

    until(is_folded)


def test_a_program_without_descriptors_causes_its_own_full_queue(hosts: Hosts) -> None:
    server, client = hosts
    # With cookies, a client that comes too early would be connected to nothing for ever.
    server.must("sysctl", "-qw", "net.ipv4.tcp_syncookies=0")
    program = server.server("exhausted", SERVER, 8007, 40)
    client.client("connections", SERVER, 8007, 60)
    queue = finding(server, "accept-queue", severity="critical", waiting=9)
    assert pids(queue) == [program.pid]
    assert "has no descriptor left to accept on" in queue["verdict"]
    assert "EMFILE" in text_of(queue)
    assert "accept sooner" not in text_of(queue)
    for selected in (f"pid = {program.pid}", "sport = :8007"):
        found = finding(server, "descriptors", selected, severity="critical")
        assert pids(found) == [program.pid]


@needs("nginx")
def test_a_client_host_that_dies_is_told_from_a_slow_reader(
    hosts: Hosts, tmp_path: Path
) -> None:
    server, client = hosts
    real.nginx(server, tmp_path)
    client.client("slow", SERVER, real.NGINX, real.BIG, 20, 0)
    window = ("--threshold", "zero-window=500ms")
    slow = finding(server, "zero-window", *window, sockets=20)
    assert slow["severity"] == "notice"
    assert all("nginx" in p["name"] for p in slow["processes"])
    assert len(pids(slow)) <= 2  # one finding for all workers
    client.must("ip", "link", "set", client.device, "down")
    dead = finding(server, "silent-peer", *window, seconds=60)
    assert "unanswered" in text_of(dead)
    assert "do not read" not in text_of(dead)
    until(
        lambda: (
            not any(
                "hosts answer" in text_of(f) for f in server.doctor(*window)["findings"]
            )
        )
    )


@needs("nft")
def test_a_destination_that_drops_syns(hosts: Hosts) -> None:
    server, client = hosts
    drop(server, "tcp dport 9000 drop")
    program = client.client("connections", SERVER, 9000, 30)
    found = finding(client, "connect", sockets=30)
    assert (found["severity"], pids(found)) == ("warning", [program.pid])


@needs("nginx", "nft")
def test_the_upstream_of_a_proxy_that_drops_syns(hosts: Hosts, tmp_path: Path) -> None:
    server, client = hosts
    upstream = f"{CLIENT}:9000"
    drop(client, "tcp dport 9000 drop")
    master = real.nginx(server, tmp_path, upstream=upstream)
    client.client("requests", SERVER, real.NGINX, 12, "/app")
    found = finding(server, "connect", sockets=12)
    assert upstream in found["verdict"]
    assert found["severity"] == "warning"
    assert set(pids(found)) <= set(children(master.pid))


@needs("nft")
def test_subscribers_that_are_not_reachable_any_more(hosts: Hosts) -> None:
    server, client = hosts
    program = server.server("pushing", SERVER, 7000, 12)
    client.client("listening", SERVER, 7000, 12)
    drop(client, f"ip saddr {SERVER} drop")
    found = finding(server, "silent-peer", severity="warning", sockets=12)
    assert pids(found) == [program.pid]
    assert "The path is broken, or the peer's host is gone" in found["means"]


def drop(host: Host, rule: str) -> None:
    """Drop what arrives at a host."""
    host.must("nft", "add table inet t")
    host.must("nft", "add chain inet t c { type filter hook input priority 0; }")
    host.must("nft", f"add rule inet t c {rule}")


@pytest.mark.skipif(real.postgres_programs() is None, reason="missing: postgresql")
def test_programs_that_wait_for_a_lock(hosts: Hosts, tmp_path: Path) -> None:
    server, client = hosts
    real.postgres(server, tmp_path)
    assert real.psql(server, "create table t as select 1 as a").returncode == 0
    lock = "begin; update t set a = 2; select pg_sleep(100);"
    client.start(*real.psql_command(), "-c", lock)
    until(
        lambda: "PgSleep" in real.psql(
            server, "select wait_event from pg_stat_activity"
        ).stdout
    )  # fmt: skip
    for _ in range(12):
        client.start(*real.psql_command(), "-c", "update t set a = 3")
    found = finding(client, "waiting", "--threshold", "waiting=500ms")
    assert found["severity"] == "notice"
    assert f"for {SERVER}:{real.POSTGRES}" in found["verdict"]
    assert found["processes"][0]["name"] == "psql"


@needs("redis-server")
def test_connections_that_become_more_and_more(hosts: Hosts) -> None:
    server, client = hosts
    real.redis(server)
    program = client.client("growing", SERVER, real.REDIS)
    until(lambda: client.count("established") > 20)
    found = finding(client, "growing", "--watch", "1")
    assert pids(found) == [program.pid]
    assert f"connections from here to {SERVER}:{real.REDIS} grows" in found["verdict"]


def test_a_server_that_does_not_run(hosts: Hosts) -> None:
    _, client = hosts
    client.client("refused", SERVER, 6380)
    found = finding(client, "connect-failed", "--watch", "1")
    assert found["severity"] == "notice"
    assert "handshakes failed" in found["verdict"]


def test_what_is_elsewhere_is_said(hosts: Hosts) -> None:
    server, client = hosts
    server.server("pushing", SERVER, 7000, 1)
    program = client.client("listening", SERVER, 7000, 1)
    if len(find_namespaces(descriptors=False).namespaces) > 4:
        pytest.skip("the doctor names three others, and this host has more")
    gaps = server.doctor()["not_examined"]
    (command,) = [g["command"] for g in gaps if f"[{program.pid}]" in g["text"]]
    assert command == "tcpstates doctor --netns all"
    finished = server.run(*COMMAND, "doctor", "--netns", str(program.pid), "--json")
    assert json.loads(finished.stdout)["states"] == {"ESTABLISHED": 1}
