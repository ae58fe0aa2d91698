"""Small servers, each with one habit. Run with a name; they say "ready"."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from support.labs.clients import HELD, say_ready


def forker(host: str, port: str) -> None:
    """A server that forks for every connection."""
    server = socket.create_server((host, int(port)), backlog=128)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    say_ready()
    while True:
        made, _ = server.accept()
        if not os.fork():
            server.close()
            made.recv(1000)
            made.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            made.close()
            os._exit(0)
        made.close()


def echo(host: str, port: str) -> None:
    """A server of WebSockets, as far as a proxy sees it."""
    server = socket.create_server((host, int(port)), backlog=512)

    def serve(made: socket.socket) -> None:
        made.recv(4000)
        made.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\n\r\nok"
        )
        while part := made.recv(4000):
            made.sendall(part)
        made.close()

    say_ready()
    while True:
        made, _ = server.accept()
        threading.Thread(target=serve, args=(made,), daemon=True).start()


def exhausted(host: str, port: str, limit: str) -> None:
    """A server that accepts until no descriptor is left, and never closes."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
    server = socket.create_server((host, int(port)), backlog=8)
    say_ready()
    while True:
        try:
            HELD.append(server.accept()[0])
        except OSError:
            time.sleep(0.1)


def pushing(host: str, port: str, number: str) -> None:
    """A server that accepts so many connections, and sends them a line now and then."""
    server = socket.create_server((host, int(port)), backlog=512)
    say_ready()
    while len(HELD) < int(number):
        HELD.append(server.accept()[0])
    while True:
        for made in HELD:
            with suppress(OSError):
                made.send(b"news\n")
        time.sleep(0.5)


PROGRAMS: dict[str, Callable[..., None]] = {
    "forker": forker,
    "echo": echo,
    "exhausted": exhausted,
    "pushing": pushing,
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
