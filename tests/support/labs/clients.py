"""Clients as programs are in production. Run with a name.

Each prints "ready" once its connections are there, and goes on until it is ended.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from select import select
from struct import pack

GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
HELD: list[socket.socket] = []


def say_ready() -> None:
    """Say that the connections are there."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def ready() -> None:
    """Say so, and go on for at most a few minutes."""
    say_ready()
    time.sleep(300)


def connect(host: str, port: str) -> socket.socket:
    """Connect, and hold the connection."""
    made = socket.create_connection((host, int(port)), timeout=60)
    HELD.append(made)
    return made


def read_all(made: socket.socket, least: bytes = b"ok") -> None:
    """Read until an answer has arrived."""
    got = b""
    while least not in got and b"HTTP/1.1 404" not in got:
        part = made.recv(65536)
        if not part:
            return
        got += part


def pool(host: str, port: str, number: str, path: str = "/index.html") -> None:
    """A pool of connections, each used once and then idle; closed ends stay unread."""
    for _ in range(int(number)):
        made = connect(host, port)
        made.sendall(GET % path.encode())
        read_all(made)
    ready()


def websockets(host: str, port: str, number: str) -> None:
    """Connections that a proxy has switched to another protocol, and that are idle."""
    for _ in range(int(number)):
        made = connect(host, port)
        made.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\n\r\n"
        )
        read_all(made)
    ready()


def postgres_pool(host: str, port: str, number: str, idle_ms: str) -> None:
    """A pool of PostgreSQL, which the server closes after a time, with a message."""
    options = f"-c idle_session_timeout={idle_ms}".encode()
    words = (b"user", b"postgres", b"options", options, b"")
    body = pack("!I", 196608) + b"\0".join(words) + b"\0"
    for _ in range(int(number)):
        made = connect(host, port)
        made.sendall(pack("!I", len(body) + 4) + body)
        read_all(made, b"Z\0\0\0\5I")  # ready for a query, idle
    ready()


def leak(host: str, port: str, number: str) -> None:
    """Connections that the server closes, read to their end, and never closed."""
    for _ in range(int(number)):
        made = connect(host, port)
        made.sendall(
            (GET % b"/index.html").replace(b"Host", b"Connection: close\r\nHost")
        )
        while made.recv(65536):
            pass
    ready()


def commands(host: str, port: str, number: str, command: str = "PING") -> None:
    """Connections to Redis, on each of which a command was answered."""
    for _ in range(int(number)):
        made = connect(host, port)
        made.sendall(command.encode() + b"\r\n")
        assert made.recv(1000)
    ready()


def ask_again(host: str, port: str, number: str) -> None:
    """The same, and on SIGUSR1 one more command on each, whose answer is not read."""
    for _ in range(int(number)):
        made = connect(host, port)
        made.sendall(b"PING\r\n")
        assert made.recv(1000)

    def again(signum: int, frame: object) -> None:
        for made in HELD:
            made.sendall(b"PING\r\n")

    signal.signal(signal.SIGUSR1, again)
    say_ready()
    while True:
        time.sleep(1)


def growing(host: str, port: str) -> None:
    """Forty more connections a second, each used once; four thousand at most."""
    say_ready()
    for _ in range(4000):
        made = connect(host, port)
        made.sendall(b"PING\r\n")
        assert made.recv(1000)
        time.sleep(0.025)


def refused(host: str, port: str) -> None:
    """Attempts to connect to a port on which nothing listens."""
    say_ready()
    for _ in range(4000):
        with suppress(OSError):
            connect(host, port)
        time.sleep(0.05)


def slow(host: str, port: str, path: str, number: str, rate: str) -> None:
    """Downloads at so many bytes a second each; 0: the reader is paused."""

    def load() -> None:
        made = connect(host, port)
        made.sendall(GET % path.encode())
        made.recv(10_000)
        while int(rate):
            time.sleep(0.25)
            made.recv(max(1, int(rate) // 4))

    for _ in range(int(number)):
        threading.Thread(target=load, daemon=True).start()
    ready()


def scraper(port: str, *hosts: str) -> None:
    """Ask each host in turn, all at once every second, with a timeout of four."""

    def scrape(host: str) -> None:
        while True:
            with suppress(OSError):
                made = socket.create_connection((host, int(port)), timeout=4)
                made.sendall(GET % b"/index.html")
                read_all(made)
                made.close()
            time.sleep(1)

    for host in hosts:
        threading.Thread(target=scrape, args=(host,), daemon=True).start()
    ready()


def checks(host: str, port: str) -> None:
    """A load balancer's health checks: connect, then close or reset."""
    say_ready()
    for number in range(3000):
        made = socket.create_connection((host, int(port)), timeout=10)
        if number % 2:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        made.close()
        time.sleep(0.005)


def connections(host: str, port: str, number: str) -> None:
    """So many connections, begun without waiting for them to be established."""
    for _ in range(int(number)):
        made = socket.socket()
        made.setblocking(False)
        with suppress(BlockingIOError):
            made.connect((host, int(port)))
        HELD.append(made)
    ready()


def requests(host: str, port: str, number: str, path: str) -> None:
    """So many requests, whose answers are awaited."""

    def ask() -> None:
        with suppress(OSError):
            made = connect(host, port)
            made.settimeout(None)
            made.sendall(GET % path.encode())
            read_all(made)

    for _ in range(int(number)):
        threading.Thread(target=ask, daemon=True).start()
        time.sleep(0.005)
    ready()


def burst(host: str, port: str, number: str) -> None:
    """So many connections at once; a request on each as soon as it is established."""
    for _ in range(int(number)):
        each = socket.socket()
        each.setblocking(False)
        with suppress(BlockingIOError):
            each.connect((host, int(port)))
        HELD.append(each)
    say_ready()
    made = list(HELD)
    end = time.monotonic() + 60
    while made and time.monotonic() < end:
        for each in select([], made, [], 0.5)[1]:
            made.remove(each)
            each.send(GET % b"/")
    time.sleep(300)


def listening(host: str, port: str, number: str) -> None:
    """Connections that only read."""
    made = [connect(host, port) for _ in range(int(number))]

    def read(each: socket.socket) -> None:
        while each.recv(1000):
            pass

    for each in made:
        each.settimeout(None)
        threading.Thread(target=read, args=(each,), daemon=True).start()
    ready()


PROGRAMS = {
    work.__name__.replace("_", "-"): work
    for work in (
        pool, websockets, postgres_pool, leak, commands, ask_again, growing, refused,
        slow, scraper, checks, connections, requests, burst, listening,
    )
}  # fmt: skip

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
