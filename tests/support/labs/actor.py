"""Opens and ends connections at a word, in a namespace of its own.

Each line of standard input is a list: a word and numbers. The answer is the time of
`time.monotonic` right after the act, or what the act is about.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time

PORT = 7000
ABORT = struct.pack("ii", 1, 0)


class Actor:
    """A listener and its connections, by number."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", PORT), backlog=512)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []

    def pair(self) -> dict[str, float]:
        """Open a connection; its number, and the client's port."""
        client = socket.create_connection(("127.0.0.1", PORT))
        server, _ = self._listener.accept()
        now = time.monotonic()
        self._pairs.append((client, server))
        port = client.getsockname()[1]
        return {"number": len(self._pairs) - 1, "port": port, "at": now}

    def shut(self, number: int, side: int) -> float:
        """End the stream of a side, which stays open."""
        self._pairs[number][side].shutdown(socket.SHUT_WR)
        return time.monotonic()

    def close(self, number: int, side: int) -> float:
        """Close a side."""
        self._pairs[number][side].close()
        return time.monotonic()

    def send(self, number: int, side: int, count: int) -> float:
        """Send bytes, which the other side reads."""
        self._pairs[number][side].sendall(b"x" * count)
        left = count
        while left:
            left -= len(self._pairs[number][1 - side].recv(left))
        return time.monotonic()

    def abort(self, number: int, side: int) -> float:
        """Close a side with a reset."""
        aborting = self._pairs[number][side]
        aborting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        aborting.close()
        return time.monotonic()

    def resets(self, count: int) -> float:
        """Open so many connections, each ended at once by a reset."""
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", PORT))
            server, _ = self._listener.accept()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            client.close()
            server.close()
        return time.monotonic()

    def short(self, count: int) -> float:
        """Open so many connections, each closed at once by both sides."""
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", PORT))
            server, _ = self._listener.accept()
            client.close()
            server.close()
        return time.monotonic()


def tell(answer: object) -> None:
    """Print a line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Act at each line."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    actor = Actor()
    tell({"main": os.getpid()})
    for line in sys.stdin:
        word, *numbers = json.loads(line)
        tell(getattr(actor, word)(*numbers))


if __name__ == "__main__":
    main()
