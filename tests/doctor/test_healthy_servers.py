"""Real servers that are healthy, idle or busy: the doctor warns of none of them.

Situations run side by side, on two hosts. Those that look most like trouble are named
in a notice at most.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hosts import real_servers as real
from support.hosts.two_hosts import SERVER, Host, finding, needs, two_hosts, until

Hosts = tuple[Host, Host]
ECHO, FORKER = 8010, 8011
needs_postgres = pytest.mark.skipif(
    real.postgres_programs() is None, reason="missing: postgresql"
)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with two_hosts() as made:
        yield made


def assert_healthy(hosts: Hosts, *arguments: str, allowed: frozenset[str]) -> None:
    """No warning on either host, and no notice but those that are allowed."""
    for host in hosts:
        found = host.doctor(*arguments)["findings"]
        texts = [(f["severity"], f["rule"], f["verdict"]) for f in found]
        assert {f["severity"] for f in found} <= {"notice"}, texts
        assert {f["rule"] for f in found} <= allowed, texts


@needs("nginx", "redis-server", "gunicorn", "haproxy", "sshd")
@needs_postgres
def test_servers_that_have_just_started_and_are_idle(
    hosts: Hosts, tmp_path: Path
) -> None:
    server, client = hosts
    real.nginx(server, tmp_path)
    real.redis(server)
    real.gunicorn(server, tmp_path / "app")
    real.haproxy(server, tmp_path)
    real.sshd(server, tmp_path / "ssh")
    real.postgres(server, tmp_path)
    client.client("pool", SERVER, real.NGINX, 10)
    client.client("commands", SERVER, real.REDIS, 10)
    client.client("postgres-pool", SERVER, real.POSTGRES, 10, 0)
    client.client("listening", SERVER, real.REDIS, 5)  # subscribers
    nothing: frozenset[str] = frozenset()
    assert_healthy(hosts, allowed=nothing)
    # Connections that have been idle for long, too.
    sooner = ("waiting=300ms", "unread=300ms", "kept=300ms", "accept-never=300ms")
    limits = [word for each in sooner for word in ("--threshold", each)]
    assert_healthy(hosts, *limits, allowed=nothing)
    assert_healthy(hosts, *limits, "--watch", "1", allowed=nothing)


@needs("nginx", "redis-server", "gunicorn", "haproxy", "wrk", "ab", "sshd")
@needs_postgres
def test_servers_under_load(hosts: Hosts, tmp_path: Path) -> None:
    server, client = hosts
    web = real.nginx(server, tmp_path, upstream=f"{SERVER}:{ECHO}")
    real.redis(server)
    app = real.gunicorn(server, tmp_path / "app", workers=4)
    real.haproxy(server, tmp_path)
    real.sshd(server, tmp_path / "ssh")
    real.postgres(server, tmp_path)
    server.server("echo", SERVER, ECHO)
    server.server("forker", SERVER, FORKER)
    assert client.run("pgbench", "-i", "-q", *_database()).returncode == 0
    login = real.ssh_command(tmp_path / "ssh")
    for _ in range(3):
        client.start(*login, "sleep", "100", env=_agentless())
    client.start(*login, "-N", "-L", f"7777:{SERVER}:{real.NGINX}", env=_agentless())
    client.client("websockets", SERVER, real.NGINX, 150)
    client.client("checks", SERVER, real.NGINX)
    base, seconds = f"http://{SERVER}", "5s"
    loads = [
        ("wrk", "-t1", "-c100", f"-d{seconds}", f"{base}:{real.NGINX}/index.html"),
        ("wrk", "-t1", "-c20", f"-d{seconds}", f"{base}:{real.PROXY}/index.html"),
        ("wrk", "-t1", "-c10", f"-d{seconds}", f"{base}:{FORKER}/"),
        ("wrk", "-t1", "-c100", f"-d{seconds}", f"{base}:{real.APP}/sleep0.1"),
        ("ab", "-q", "-n3000", "-c20", f"{base}:{real.NGINX}/index.html"),
        ("redis-benchmark", "-h", SERVER, "-P", "16", "-c", "50", "-n", "50000"),
        ("pgbench", "-C", "-c4", "-T5", *_database()),
    ]
    started = [client.start(*load) for load in loads]
    # Gunicorn has more clients than workers: their connections wait, and move on.
    allowed = frozenset({"accept-queue"})
    assert_healthy(hosts, allowed=allowed)
    # The checks of a load balancer move no data, many times a second.
    watched = allowed | {"growing", "short-lived"}
    assert_healthy(hosts, "--watch", "1", allowed=watched)
    os.kill(web.pid, signal.SIGHUP)
    os.kill(app.pid, signal.SIGHUP)
    assert_healthy(hosts, allowed=allowed)
    for each in started:
        each.wait(60)
    assert_healthy(hosts, allowed=frozenset())
    assert_healthy(hosts, "--watch", "1", allowed=frozenset({"short-lived"}))
    # What was said to be there was there.
    assert server.count("established", f"sport = :{real.SSH}") >= 4
    assert client.count("time_wait") + server.count("time_wait") > 1000


def _database() -> list[str]:
    return ["-h", SERVER, "-p", str(real.POSTGRES), "-U", "postgres", "postgres"]


def _agentless() -> dict[str, str]:
    return {n: v for n, v in os.environ.items() if n != "SSH_AUTH_SOCK"}


@needs("nginx")
@needs_postgres
def test_idle_pools_whose_peers_have_closed(hosts: Hosts, tmp_path: Path) -> None:
    """A leak of the same size, and in the same state, is a warning."""
    server, client = hosts
    real.nginx(server, tmp_path, keepalive="1s")
    real.postgres(server, tmp_path)
    web = client.client("pool", SERVER, real.NGINX, 20)
    database = client.client("postgres-pool", SERVER, real.POSTGRES, 10, 500)
    limits = ("--threshold", "kept=500ms")
    until(lambda: client.count("close_wait") == 30)
    for pid, number in ((web.pid, 20), (database.pid, 10)):
        found = finding(client, "close-wait", *limits, f"pid = {pid}", sockets=number)
        assert found["severity"] == "notice"
        assert "as a pool does" in found["means"]
        assert "leaks" not in found["verdict"] + found["means"]
        stays = finding(client, "close-wait", *limits, "-w", "1", f"pid = {pid}")
        assert (stays["severity"], stays["trend"]["word"]) == ("notice", "stays")
    leaking = client.client("leak", SERVER, real.NGINX, 20)
    found = finding(client, "close-wait", *limits, f"pid = {leaking.pid}", sockets=20)
    assert (found["severity"], found["numbers"]["end_read"]) == ("warning", 20)
    many = client.client("pool", SERVER, real.NGINX, 80)
    found = finding(client, "close-wait", *limits, f"pid = {many.pid}", sockets=80)
    assert found["severity"] == "warning"


@needs("nginx", "wrk")
def test_slow_and_paused_readers(hosts: Hosts, tmp_path: Path) -> None:
    server, client = hosts
    real.nginx(server, tmp_path)
    url = f"http://{SERVER}:{real.NGINX}/index.html"
    client.start("wrk", "-t1", "-c40", "-d40s", url)
    for number, rate in ((20, 50_000), (1, 10_000), (6, 300_000)):
        for _ in range(number):  # each in a process of its own, as curl is
            client.client("slow", SERVER, real.NGINX, real.BIG, 1, rate)
    client.client("slow", SERVER, real.NGINX, real.BIG, 1, 0)
    sooner = ("--threshold", "unread=500ms", "--threshold", "zero-window=500ms")
    allowed = frozenset({"unread", "zero-window"})
    finding(server, "zero-window", *sooner)
    finding(client, "unread", *sooner)
    for _ in range(3):
        assert_healthy(hosts, *sooner, allowed=allowed)
        assert_healthy(hosts, *sooner, "--watch", "2", allowed=allowed)
    found = server.doctor(*sooner)["findings"]
    assert [f["rule"] for f in found] == ["zero-window"]  # one, for both workers


@needs("nft")
def test_a_few_of_many_clients_that_vanish(hosts: Hosts) -> None:
    server, client = hosts
    server.server("pushing", SERVER, 7000, 150)
    client.client("listening", SERVER, 7000, 144)
    lost = client.client("listening", SERVER, 7000, 6)
    ports = re.findall(
        r"10\.9\.0\.2:(\d+)", client.must("ss", "-Htnp", "dport", "=", ":7000")
    )
    owned = [
        port
        for port, line in zip(
            ports,
            client.must("ss", "-Htnp", "dport", "=", ":7000").splitlines(),
            strict=True,
        )
        if f"pid={lost.pid}," in line
    ]
    assert len(owned) == 6
    client.must("nft", "add table inet t")
    client.must("nft", "add chain inet t c { type filter hook input priority 0; }")
    client.must("nft", f"add rule inet t c tcp dport {{ {', '.join(owned)} }} drop")
    found = finding(server, "silent-peer", sockets=6)
    assert found["severity"] == "notice"
    assert_healthy(hosts, allowed=frozenset({"silent-peer"}))


@needs("nginx", "nft")
def test_a_target_that_is_down_among_others(hosts: Hosts, tmp_path: Path) -> None:
    server, client = hosts
    real.nginx(server, tmp_path)
    server.must("ip", "address", "add", "10.9.0.7/24", "dev", server.device)
    server.must("nft", "add table inet t")
    server.must("nft", "add chain inet t c { type filter hook input priority 0; }")
    server.must("nft", "add rule inet t c ip daddr 10.9.0.7 drop")
    client.client("scraper", real.NGINX, SERVER, "10.9.0.7")
    found = finding(client, "connect")
    assert (found["severity"], found["numbers"]["sockets"]) == ("notice", 1)
    for _ in range(4):
        assert_healthy(hosts, allowed=frozenset({"connect"}))
        time.sleep(0.5)


@needs("nginx", "nft")
def test_a_narrow_and_lossy_link(hosts: Hosts, tmp_path: Path) -> None:
    server, client = hosts
    real.nginx(server, tmp_path)
    limit = ("tbf", "rate", "20mbit", "burst", "20kb", "latency", "200ms")
    server.must("tc", "qdisc", "add", "dev", server.device, "root", *limit)
    client.must("nft", "add table inet t")
    client.must("nft", "add chain inet t c { type filter hook input priority 0; }")
    client.must("nft", "add rule inet t c numgen random mod 100 < 5 drop")
    for _ in range(4):
        client.client("slow", SERVER, real.NGINX, real.BIG, 1, 10_000_000)
    until(lambda: server.count("retrans", ">", "0", "or", "send-q", ">", "0"))
    for _ in range(4):
        assert_healthy(hosts, allowed=frozenset())
        time.sleep(0.5)
    assert_healthy(hosts, "--watch", "2", allowed=frozenset())
