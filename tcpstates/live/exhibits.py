"""The sockets that the tour shows: a listener, connections, a leak; all on loopback."""

from __future__ import annotations

import socket
from contextlib import ExitStack

_ADDRESS = "127.0.0.1"
LEAKED = 6  # connections: more than a pool would keep


class Exhibits(ExitStack):
    """Sockets of this process; leaving the context closes all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.port = 0  # of the listener
        self._listener: socket.socket | None = None
        self._open: list[tuple[socket.socket, socket.socket]] = []
        self._leaked: list[socket.socket] = []

    def nothing(self) -> None:
        """Make nothing."""

    def listen(self) -> None:
        """Open the listener."""
        self._listener = self.enter_context(socket.socket())
        self._listener.bind((_ADDRESS, 0))
        self._listener.listen()
        self.port = self._listener.getsockname()[1]

    def _connected(self) -> tuple[socket.socket, socket.socket]:
        """Return a connection: the end of the client, and that of the server."""
        if self._listener is None:
            self.listen()
        assert self._listener is not None  # noqa: S101
        client = self.enter_context(socket.create_connection((_ADDRESS, self.port)))
        accepted, _ = self._listener.accept()
        return client, self.enter_context(accepted)

    def connect(self) -> None:
        """Make two connections."""
        self._open = [self._connected() for _ in range(2)]

    def close_one_side(self) -> None:
        """Let the clients close first, and then the servers: TIME_WAIT."""
        for client, accepted in self._open:
            client.close()
            accepted.recv(1)
            accepted.close()

    def leak(self) -> None:
        """Let clients close, and forget to close the ends of the server."""
        for _ in range(LEAKED):
            client, accepted = self._connected()
            client.close()
            accepted.recv(1)
            self._leaked.append(accepted)

    def repair(self) -> None:
        """Close what was forgotten."""
        for forgotten in self._leaked:
            forgotten.close()
