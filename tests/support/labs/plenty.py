"""As many loopback connections as asked for, both ends held. Run as `lab.py` is.

The first argument is the number of connections.
"""

from __future__ import annotations

import os
import resource
import socket
import sys

from support.labs.lab import HELD, loopback_up, tell_and_wait


def main() -> None:
    """Make the connections; print who is who."""
    loopback_up()
    number = int(sys.argv[1])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * number + 100), hard))
    listening = socket.create_server(("127.0.0.1", 8080), backlog=128)
    HELD.append(listening)
    for _ in range(number):
        HELD.append(socket.create_connection(("127.0.0.1", 8080)))
        HELD.append(listening.accept()[0])
    tell_and_wait({"main": os.getpid(), "sockets": 2 * number + 1})


if __name__ == "__main__":
    main()
