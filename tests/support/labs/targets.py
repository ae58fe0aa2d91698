"""One socket in each state that kill may meet, in a namespace of its own.

At each line of standard input it tells what its programs have noticed.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress

PORT, DEFERRED, SILENT, UDP = 8080, 8081, 8082, 8083
TCP_DEFER_ACCEPT = 9
END = ("127.0.0.1", PORT)
MAPPED = ("::ffff:127.0.0.1", PORT, 0, 0)


def connected(
    listener: socket.socket, end: tuple[str | int, ...] = END
) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection."""
    family = socket.AF_INET6 if len(end) > 2 else socket.AF_INET
    client = socket.socket(family)
    client.connect(end)
    return client, listener.accept()[0]


def unanswered(port: int) -> socket.socket:
    """Begin to connect to a port whose answer is dropped."""
    made = socket.socket()
    made.setblocking(False)
    with suppress(BlockingIOError):
        made.connect(("127.0.0.1", port))
    return made


def main() -> None:
    """Make the sockets, and answer each line with the names of errors."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    listener = socket.create_server(
        ("::", PORT), family=socket.AF_INET6, backlog=64, dualstack_ipv6=True
    )
    deferring = socket.socket()
    deferring.setsockopt(socket.IPPROTO_TCP, TCP_DEFER_ACCEPT, 60)
    deferring.bind(("127.0.0.1", DEFERRED))
    deferring.listen()
    full_queue = socket.create_server(("127.0.0.1", SILENT), backlog=0)
    waiting = socket.create_connection(("127.0.0.1", SILENT))
    kept: dict[str, socket.socket] = {}
    kept["established"], kept["peer"] = connected(listener)
    kept["mapped"], kept["mapped peer"] = connected(listener, MAPPED)
    half, kept["close_wait"] = connected(listener)
    half.shutdown(socket.SHUT_WR)
    kept["fin_wait_2"] = half
    orphan, kept["left alone"] = connected(listener)
    orphan.close()
    done, answered = connected(listener)
    done.close()
    answered.close()
    full, kept["deaf"] = connected(listener)
    full.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            full.send(bytes(65536))
    full.close()  # FIN_WAIT_1: its data are not taken
    kept["half-open"] = unanswered(DEFERRED)
    kept["syn_sent"] = unanswered(SILENT)  # its accept queue is full
    datagrams = socket.socket(type=socket.SOCK_DGRAM)
    datagrams.connect(("127.0.0.1", UDP))
    kept["udp"] = datagrams
    print(json.dumps({"main": os.getpid(), "port": PORT}), flush=True)  # noqa: T201
    for _ in sys.stdin:
        assert full_queue.fileno() > 0
        assert waiting.fileno() > 0
        told = {}
        for name, each in kept.items():
            code = each.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            told[name] = errno.errorcode.get(code, "")
        print(json.dumps(told), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
