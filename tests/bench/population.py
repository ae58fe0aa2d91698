"""Make N real sockets in this network namespace and hold them.

Run inside a private namespace only (`measure.py` sees to that). The mix is that
of a busy server: both ends of loopback connections, mostly ESTABLISHED, with
five per cent each of CLOSE_WAIT, FIN_WAIT_2 and TIME_WAIT, about a sixth of it IPv6.
Several processes share the work, because a process has a limit of descriptors.

TIME_WAIT lasts 60 seconds, so it has to be made anew: `Population.refresh`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2): end with the process that started us
SPARE_DESCRIPTORS = 200
PAIRS_PER_LISTENER = 10_000
SHARE = 20  # one in 20 sockets is in each of the three closing states
IPV6_EVERY = 6  # every sixth worker
RARE_PORT, RARE = 443, 50  # connections to look for among all the others


def listen(worker: int, number: int) -> socket.socket:
    """Open a listener whose address gives it an ephemeral port range of its own."""
    if worker % IPV6_EVERY == IPV6_EVERY - 1:
        return listen_on(0, "::1")
    return listen_on(8080, f"127.{worker + 1}.{number + 1}.1")


def listen_on(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Open a listener."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(4096)
    return listener


def connect(listener: socket.socket) -> tuple[int, int]:
    """Return the descriptors of both ends of a new connection."""
    client = socket.socket(listener.family)
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    return client.detach(), server.detach()


def close_first(listener: socket.socket) -> None:
    """Leave one TIME_WAIT behind, on the side that closes first."""
    client, server = connect(listener)
    os.close(client)
    os.close(server)


def hold(pipe: Connection, worker: int, sockets: int, half_closed: int) -> None:
    """Work of one process: make its share, then serve until told to end.

    So many connections are half closed, as by a process that leaks them.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    time_waits = sockets // SHARE
    pairs = max((sockets - time_waits) // 2, 1)
    listeners = [
        listen(worker, number) for number in range(-(-pairs // PAIRS_PER_LISTENER))
    ]
    for index in range(pairs):
        client, _server = connect(listeners[index % len(listeners)])
        if index < half_closed:
            with socket.socket(fileno=os.dup(client)) as end:
                end.shutdown(socket.SHUT_WR)
    if worker == 0:
        rare = listen_on(RARE_PORT)
        for _ in range(RARE):
            connect(rare)
    pipe.send("made")
    for command in iter(pipe.recv, "end"):
        for index in range(int(command)):
            close_first(listeners[index % len(listeners)])
        pipe.send("made")


class Population:
    """N sockets, held by other processes until `close`."""

    def __init__(self, sockets: int) -> None:
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("1024 65535")
        Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("1000000")
        self._time_waits = sockets // SHARE
        self._workers: list[tuple[Process, Connection]] = []
        room = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_DESCRIPTORS
        count = -(-sockets // room)
        half_closed = sockets // SHARE  # the first workers have all of them
        for number in range(count):
            ours, theirs = Pipe()
            share = min(half_closed, sockets // count // 3)
            half_closed -= share
            process = Process(
                target=hold, args=(theirs, number, sockets // count, share), daemon=True
            )
            process.start()
            self._workers.append((process, ours))
        self._await()

    def _await(self) -> None:
        for process, pipe in self._workers:
            while not pipe.poll(1):
                if not process.is_alive():
                    raise RuntimeError("a worker ended before its sockets were made")
            pipe.recv()

    def refresh(self) -> None:
        """Bring TIME_WAIT back to its share."""
        missing = self._time_waits - time_waits_now()
        if missing <= 0:
            return
        for _, pipe in self._workers:
            pipe.send(str(-(-missing // len(self._workers))))
        self._await()

    def close(self) -> None:
        """End the workers, and with them every socket."""
        for process, pipe in self._workers:
            pipe.send("end")
            process.join(60)


def crowd(pipe: Connection, descriptors: int) -> None:
    """Work of a process of a crowd: hold a listener and other files, and wait."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.closerange(3, pipe.fileno())  # the pipes of those before
    os.closerange(pipe.fileno() + 1, 10_000)
    with socket.create_server(("127.0.0.1", 0)):
        null = os.open(os.devnull, os.O_RDONLY)
        for _ in range(descriptors - 6):
            os.dup(null)
        pipe.send("made")
        pipe.recv()


class Crowd:
    """Processes with many descriptors and one socket each, held until `close`."""

    def __init__(self, processes: int, descriptors: int) -> None:
        self._workers: list[tuple[Process, Connection]] = []
        for _ in range(processes):
            ours, theirs = Pipe()
            process = Process(target=crowd, args=(theirs, descriptors), daemon=True)
            process.start()
            theirs.close()
            self._workers.append((process, ours))
        for _, pipe in self._workers:
            pipe.recv()

    def refresh(self) -> None:
        """Do nothing: none of them ends by itself."""

    def close(self) -> None:
        """End the processes."""
        for process, pipe in self._workers:
            pipe.send("end")
            process.join(60)


def time_waits_now() -> int:
    """Count this namespace's TIME_WAIT sockets as the kernel does."""
    words = Path("/proc/net/sockstat").read_text().split()
    return int(words[words.index("tw") + 1])


if __name__ == "__main__":
    population = Population(int(sys.argv[1]))
    population.refresh()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    population.close()
