"""One trouble, or the healthy situation nearest to it. Run as a program, with its name.

Like `lab.py` it needs a private network namespace, prints one line of JSON that says
who is guilty, and holds everything until its standard input ends. Everything is bounded.
"""

from __future__ import annotations

import ctypes
import os
import queue
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from support.hosts.packets import ACK, PSH, SYN
from support.hosts.peer import (
    DEAD,
    HERE,
    KIND,
    MUTE,
    THERE,
    Conversation,
    Peer,
    Place,
)
from support.labs.lab import (
    HELD,
    connected,
    in_child,
    listener,
    loopback_up,
    port,
    reach,
    setting,
    tell_and_wait,
    wait_until,
)

PR_SET_PDEATHSIG = 1  # linux/prctl.h
MANY = 8  # sockets, where a few are too few


def pairs(number: int) -> list[tuple[socket.socket, socket.socket]]:
    """Return connections, each the end of who connected and the other."""
    server = listener(backlog=number)
    return [connected(server) for _ in range(number)]


def fill(made: socket.socket) -> None:
    """Send until no more fits into the buffers of both ends."""
    made.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            made.send(bytes(65536))


def held_by(name: bytes, ours: list[socket.socket]) -> int:
    """Give sockets to a process of that name, to it alone; return its pid."""

    def keep_ours() -> None:
        for made in HELD:
            if made not in ours:
                made.close()

    pid = in_child(keep_ours, name)
    for made in ours:
        HELD.remove(made)
        made.close()
    return pid


def leak(unread: bytes = b"", *, read: bool = True) -> dict[str, int]:
    """CLOSE_WAIT in a process of its own; the other ends are closed."""
    made = pairs(MANY)
    for client, _ in made:
        client.sendall(unread)
        HELD.remove(client)
        client.close()
    for _, server in made:
        reach("08", port(made[0][1]))
        if read:
            server.recv(100)
    pid = held_by(b"leaky", [server for _, server in made])
    return {"guilty": pid, "started": time.monotonic_ns()}


def pool() -> dict[str, int]:
    """A pool of connections in use, a few of which the peer has closed just now."""
    made = pairs(MANY)
    for client, server in made[:3]:
        HELD.remove(server)
        server.close()
        reach("08", port(client))

    def talk() -> None:
        for _ in range(2000):
            for client, server in made[3:]:
                client.sendall(b"?")
                server.recv(1)
            time.sleep(0.01)

    threading.Thread(target=talk, daemon=True).start()
    return {}


def growing() -> dict[str, int]:
    """A leak that goes on: thirty sockets a second, 300 at most."""
    server = listener(backlog=64)

    def work() -> None:
        def go_on() -> None:
            for _ in range(300):
                client = socket.create_connection(server.getsockname())
                accepted, _ = server.accept()
                HELD.append(accepted)
                client.close()
                accepted.recv(1)
                time.sleep(0.03)

        threading.Thread(target=go_on, daemon=True).start()

    return {"guilty": in_child(work, b"growing")}


def slow_accept(number: int = 5) -> dict[str, int]:
    """A listener that accepts nothing, its queue of four full."""
    found = listener(backlog=4)
    place = found.getsockname()
    pid = held_by(b"sleepy", [found])
    for _ in range(number):
        HELD.append(socket.create_connection(place))
    return {"guilty": pid, "port": place[1]}


def timeout_note() -> dict[str, int]:
    """Connections that nobody has accepted, and that the clients have closed."""
    parts = slow_accept(2)
    for client in HELD[-2:]:
        number = port(client)
        end(client)
        reach("05", number)
    return parts


def busy_accept() -> dict[str, int]:
    """A listener with a short queue that is always emptied."""
    found = listener(backlog=4)

    def serve() -> None:
        while True:
            found.accept()[0].close()

    def ask() -> None:
        for _ in range(3000):
            socket.create_connection(found.getsockname()).close()
            time.sleep(0.001)

    for work in (serve, ask):
        threading.Thread(target=work, daemon=True).start()
    return {"port": port(found)}


def end(*made: socket.socket) -> None:
    """Close sockets, the first one first: it goes to TIME_WAIT."""
    for each in made:
        HELD.remove(each)
        each.close()


def time_waits(number: int) -> None:
    """Leave sockets in TIME_WAIT, all to one destination."""
    server = listener(backlog=number)
    for _ in range(number):
        end(*connected(server))
    wait_until(lambda: Path("/proc/net/tcp").read_text().count(" 06 ") >= number)


def no_ports(reuse: str = "0") -> dict[str, int]:
    """Seven tenths of a small range of ports used for one destination."""
    setting("ipv4/ip_local_port_range", "40000 40099")
    setting("ipv4/tcp_tw_reuse", reuse)
    server = socket.create_server(("127.0.0.1", 8000), backlog=100)
    HELD.append(server)
    ours: list[socket.socket] = []
    for _ in range(70):
        client, accepted = connected(server)
        if len(ours) < 10:
            ours.append(client)
        else:
            end(client, accepted)
    return {"guilty": held_by(b"hungry", ours)}


def bound_first() -> dict[str, int]:
    """Nearly every port of an address taken by bind() before connect()."""
    setting("ipv4/ip_local_port_range", "40000 40049")
    servers = [listener(backlog=64) for _ in range(3)]
    for number in range(45 - len(servers)):
        made = socket.socket()
        made.bind(("127.0.0.1", 0))
        made.connect(servers[number % 3].getsockname())
        HELD.append(made)
    return {}


def still_answering() -> dict[str, int]:
    """A server that cannot send its answer: half closed, the clients do not read."""
    made = pairs(6)
    for client, server in made:
        client.shutdown(socket.SHUT_WR)
        reach("08", port(server))
        server.recv(1)
        fill(server)
    sender = held_by(b"answering", [server for _, server in made])
    return {
        "sender": sender,
        "guilty": held_by(b"deaf", [client for client, _ in made]),
    }


def both_families() -> dict[str, int]:
    """A leak of a server for both families, whose client is here and has IPv4."""
    server = listener("::", MANY, v6only=False)
    made = [connected(server, "127.0.0.1") for _ in range(MANY)]
    for client, accepted in made:
        client.shutdown(socket.SHUT_WR)
        accepted.recv(1)
    pid = held_by(b"client", [client for client, _ in made])
    return {"client": pid, "guilty": held_by(b"dual", [end for _, end in made])}


def workers() -> dict[str, int]:
    """Six processes of one name that keep a socket each."""
    made = pairs(6)
    for client, accepted in made:
        end(client)
        reach("08", port(accepted))
        accepted.recv(1)
    return {
        f"worker{n}": held_by(b"prefork", [each]) for n, (_, each) in enumerate(made)
    }


def two_places() -> dict[str, int]:
    """One port on two addresses: one accepts nothing, the other all but one."""
    parts = slow_accept()
    healthy = socket.create_server(("127.0.0.2", parts["port"]), backlog=4)
    HELD.append(healthy)
    HELD.append(socket.create_connection(healthy.getsockname()))
    return {**parts, "healthy": held_by(b"healthy", [healthy])}


def stopped() -> dict[str, int]:
    """A listener whose process has been stopped."""
    parts = slow_accept()
    os.kill(parts["guilty"], signal.SIGSTOP)
    return parts


def stuck() -> dict[str, int]:
    """A listener whose process no signal wakes: it waits for a child of vfork()."""
    found = listener(backlog=4)
    libc = ctypes.CDLL(None)

    def fork(*_: object) -> None:
        if libc.vfork() == 0:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            time.sleep(300)
            os._exit(0)

    def work() -> None:
        signal.signal(signal.SIGALRM, fork)
        signal.setitimer(signal.ITIMER_REAL, 0.2)  # once it has said that it is ready

    pid = in_child(work, b"stuck")
    HELD.remove(found)
    found.close()
    wait_until(lambda: " D " in Path(f"/proc/{pid}/stat").read_text())
    return {"guilty": pid}


def stopped_reader() -> dict[str, int]:
    """A process that has been stopped and has data to read."""
    made = pairs(MANY)
    for client, _ in made:
        client.sendall(b"a question")
    pid = held_by(b"sleeper", [server for _, server in made])
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: " T " in Path(f"/proc/{pid}/stat").read_text())
    return {"guilty": pid}


def kept_alive_leak() -> dict[str, int]:
    """A leak with keepalive, whose probes the peers answer."""
    made = pairs(MANY)
    for client, accepted in made:
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        client.shutdown(socket.SHUT_WR)
        accepted.recv(1)
    return {"guilty": held_by(b"probing", [accepted for _, accepted in made])}


def ended_by_keepalive(number: int = 12) -> dict[str, int]:
    """CLOSE_WAIT in a process that leaks them, until keepalive ends the connections."""
    setting("ipv4/tcp_fin_timeout", "1")
    made = pairs(number)
    for client, accepted in made:
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
            accepted.setsockopt(socket.IPPROTO_TCP, option, 3)
        HELD.remove(client)
        client.close()
    return {"guilty": held_by(b"leaky", [accepted for _, accepted in made])}


def unconnected(number: int) -> dict[str, int]:
    """TCP sockets that have never been connected."""
    ours = [socket.socket() for _ in range(number)]
    HELD.extend(ours)
    return {"guilty": held_by(b"early", ours)}


def burst() -> dict[str, int]:
    """A short burst of TIME_WAIT."""
    time_waits(40)
    return {}


def many_time_waits() -> dict[str, int]:
    """TIME_WAIT near the limit of this namespace."""
    setting("ipv4/tcp_max_tw_buckets", "50")
    time_waits(45)
    return {}


def half_closed() -> dict[str, int]:
    """FIN_WAIT_2 that a process keeps; the other ends are in CLOSE_WAIT, kept too."""
    made = pairs(MANY)
    for client, server in made:
        client.shutdown(socket.SHUT_WR)
        server.recv(1)
    waiting = held_by(b"waiting", [client for client, _ in made])
    guilty = held_by(b"careless", [server for _, server in made])
    return {"waiting": waiting, "guilty": guilty}


def transfer() -> dict[str, int]:
    """A connection at full speed, and one that has just been closed."""
    ((client, server), (other, _)) = pairs(2)
    other.shutdown(socket.SHUT_WR)

    def pour(work: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            work()

    for work in (lambda: client.sendall(bytes(65536)), lambda: server.recv(65536)):
        threading.Thread(target=pour, args=(work,), daemon=True).start()
    return {}


def full_window() -> dict[str, int]:
    """A process that sends, to one that does not read."""
    made = pairs(2)
    for client, _ in made:
        fill(client)
    sender = held_by(b"sender", [client for client, _ in made])
    return {
        "sender": sender,
        "guilty": held_by(b"deaf", [server for _, server in made]),
        "started": time.monotonic_ns(),
    }


def closed_and_full() -> dict[str, int]:
    """Closed sockets that still have to send, to a process that does not read."""
    made = pairs(6)
    for client, _ in made:
        fill(client)
        end(client)
    return {"guilty": held_by(b"deaf", [server for _, server in made])}


def to_peer(number: int, to: int, *, data: bytes = b"") -> list[socket.socket]:
    """Return connections to the host behind the TUN device."""
    made = []
    for _ in range(number):
        client = socket.create_connection((THERE, to), timeout=10)
        client.sendall(data)
        made.append(client)
    HELD.extend(made)
    return made


def silent() -> dict[str, int]:
    """Data that a peer never acknowledges."""
    Peer()
    made = to_peer(3, MUTE, data=b"hello?")
    return {"guilty": held_by(b"caller", list(made))}


def window_of_peer(*, answers: bool) -> dict[str, int]:
    """A peer on another host that accepts no data, and answers probes or is gone."""
    peer = Peer()
    made = []
    for _ in range(3):
        talk = Conversation(peer, Place(HERE, THERE))
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((THERE, talk.port))
        talk.wait(SYN)
        talk.say(SYN | ACK)
        talk.wait(ACK)
        client.send(b"x" * 1000)
        talk.wait(PSH)
        talk.say(ACK, window=0)
        client.send(b"y" * 1000)
        if answers:
            threading.Thread(target=answer_probes, args=(talk,), daemon=True).start()
        made.append(client)
    HELD.extend(made)
    return {"guilty": held_by(b"sender", made)}


def answer_probes(talk: Conversation) -> None:
    """Answer everything that comes, and never open the window."""
    while True:
        with suppress(queue.Empty):
            talk.wait(ACK)
            talk.say(ACK, window=0, acknowledge=False)


def closing() -> dict[str, int]:
    """Closed sockets whose FIN is never acknowledged."""
    Peer()
    for made in to_peer(6, MUTE):
        HELD.remove(made)
        made.close()
    return {}


def idle() -> dict[str, int]:
    """Connections to another host on which nothing moves, without keepalive."""
    Peer()
    made = to_peer(3, KIND, data=b"once")
    return {"guilty": held_by(b"dreamer", list(made))}


def kept_alive() -> dict[str, int]:
    """The same with keepalive."""
    Peer()
    for made in to_peer(3, KIND, data=b"once"):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return {}


def unanswered() -> dict[str, int]:
    """A connection to a host that does not answer."""
    Peer()
    made = socket.socket()
    made.setblocking(False)
    made.connect_ex((THERE, DEAD))
    HELD.append(made)
    return {"guilty": held_by(b"knocker", [made])}


def flood(backlog: int = 16) -> dict[str, int]:
    """Half-open connections from forged addresses."""
    peer = Peer()
    server = socket.create_server((HERE, 0), backlog=backlog)
    HELD.append(server)
    peer.flood(port(server), [f"10.10.0.{number}" for number in range(1, 16)])
    number = port(server)
    return {"guilty": held_by(b"flooded", [server]), "port": number}


def flood_without_cookies() -> dict[str, int]:
    """The same where tcp_max_syn_backlog is the limit."""
    setting("ipv4/tcp_syncookies", "0")
    setting("ipv4/tcp_max_syn_backlog", "16")
    return flood(1024)


def lost_way() -> dict[str, int]:
    """Half-open connections of one client, to which no answer gets through."""
    peer = Peer()
    server = socket.create_server((HERE, 0), backlog=16)
    HELD.append(server)
    peer.flood(port(server), ["10.10.0.1"] * 12)
    number = port(server)
    return {"guilty": held_by(b"unheard", [server]), "port": number}


def few_half_open() -> dict[str, int]:
    """Two clients that are slow to complete."""
    peer = Peer()
    server = socket.create_server((HERE, 0), backlog=16)
    HELD.append(server)
    peer.flood(port(server), ["10.10.0.1", "10.10.0.2"])
    return {}


def descriptors(number: int = 52) -> dict[str, int]:
    """A process with most of its 64 descriptors in use, for sockets."""

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        HELD.extend(
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(number)
        )

    return {"guilty": in_child(work, b"greedy")}


def stopwatch() -> dict[str, int]:
    """Sockets whose states begin at known times, in nanoseconds."""
    (kept, _), (over, other), (still, _) = pairs(3)
    times = {
        "kept_port": port(kept),
        "over_port": port(over),
        "still_port": port(still),
    }
    times["data"] = time.monotonic_ns()
    kept.sendall(b"before")
    time.sleep(0.5)  # the bounds of CLOSE_WAIT are then apart
    times["kept"] = time.monotonic_ns()
    end(kept)
    over.shutdown(socket.SHUT_WR)
    reach("08", port(other))
    times["over"] = time.monotonic_ns()
    other.shutdown(socket.SHUT_WR)
    times["still"] = time.monotonic_ns()
    still.sendall(b"the last")
    return times


SITUATIONS: dict[str, Callable[[], dict[str, int]]] = {
    "stopwatch": stopwatch,
    "leak": leak,
    "not-read-end": lambda: leak(read=False),
    "not-read-data": lambda: leak(b"unread", read=False),
    "pool": pool,
    "growing": growing,
    "slow-accept": slow_accept,
    "some-wait": lambda: slow_accept(1),
    "given-up": timeout_note,
    "busy-accept": busy_accept,
    "no-ports": no_ports,
    "ports-reused": lambda: no_ports("2"),
    "bound-first": bound_first,
    "still-answering": still_answering,
    "both-families": both_families,
    "workers": workers,
    "two-places": two_places,
    "stopped": stopped,
    "stopped-reader": stopped_reader,
    "stuck": stuck,
    "kept-alive-leak": kept_alive_leak,
    "ended-by-keepalive": ended_by_keepalive,
    "many-ended-by-keepalive": lambda: ended_by_keepalive(120),
    "few-unconnected": lambda: unconnected(9),
    "burst": burst,
    "many-time-waits": many_time_waits,
    "half-closed": half_closed,
    "transfer": transfer,
    "full-window": full_window,
    "closed-and-full": closed_and_full,
    "silent": silent,
    "gone-with-full-window": lambda: window_of_peer(answers=False),
    "full-window-elsewhere": lambda: window_of_peer(answers=True),
    "closing": closing,
    "idle": idle,
    "kept-alive": kept_alive,
    "unanswered": unanswered,
    "flood": flood,
    "flood-without-cookies": flood_without_cookies,
    "lost-way": lost_way,
    "few-half-open": few_half_open,
    "descriptors": descriptors,
    "few-descriptors": lambda: descriptors(20),
}

if __name__ == "__main__":
    loopback_up()
    told = {"main": os.getpid(), **SITUATIONS[sys.argv[1]]()}
    tell_and_wait(told)
