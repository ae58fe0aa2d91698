"""Connections that come and go as fast as they can, beside some that stay.

Run as `lab.py` is. With `--few-buckets` the namespace's hash has 16 buckets, so that what
comes and goes there moves the others while the kernel counts through them; that takes
root. A line of standard input is answered with how many connections there have been, and
what the kernel counts.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import sys
import time
from pathlib import Path

from support.labs.lab import HELD, connected, listener, loopback_up, port, setting

STAYING = 100  # connections, so twice as many sockets
_AT_MOST = 300  # seconds


def come_and_go(counter: mmap.mmap) -> None:
    """Open and close connections; count them."""
    for made in HELD:
        made.close()
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    place = server.getsockname()
    done, end = 0, time.monotonic() + _AT_MOST
    while time.monotonic() < end:
        for _ in range(50):
            client = socket.socket()
            client.connect(place)
            accepted = server.accept()[0]
            client.close()
            accepted.close()
        done += 50
        counter[:8] = done.to_bytes(8, "little")


def kernel_counts() -> dict[str, int]:
    """Return the numbers of TCP in /proc/net/sockstat, by name."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        name, *words = line.split()
        if name == "TCP:":
            return dict(zip(words[::2], map(int, words[1::2]), strict=True))
    return {}


def main() -> None:
    """Start both; answer questions."""
    loopback_up()
    setting("ipv4/tcp_max_tw_buckets", "5000")
    server = listener(backlog=STAYING)
    for _ in range(STAYING):
        connected(server)
    counter = mmap.mmap(-1, 8)
    pid = os.fork()
    if pid == 0:
        come_and_go(counter)
        os._exit(0)
    parts = {"main": os.getpid(), "port": port(server), "churner": pid}
    sys.stdout.write(json.dumps(parts) + "\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        told = kernel_counts() | {"done": int.from_bytes(counter[:8], "little")}
        sys.stdout.write(json.dumps(told | {"at": time.monotonic_ns()}) + "\n")
        sys.stdout.flush()
    os.kill(pid, 9)
    os._exit(0)


if __name__ == "__main__":
    if "--few-buckets" in sys.argv:
        setting("ipv4/tcp_child_ehash_entries", "16")  # since Linux 6.1
        here = [sys.executable, "-m", "support.labs.churn"]
        os.execvp("unshare", ["unshare", "-n", *here])
    main()
