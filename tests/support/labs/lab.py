"""Real sockets in many situations, for tests to look at. Run as a program.

It has to be started in a private network namespace. It makes its sockets, prints
one line of JSON that says which port plays which part, and holds everything until
its standard input ends. Nothing leaves the namespace's loopback.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from support import CANNOT

_PR_SET_PDEATHSIG, _PR_SET_NAME, _CLONE_FILES = 1, 15, 0x400
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_TCP_DEFER_ACCEPT, _TCP_MD5SIG = 9, 14
SECRET = b"SECRET-BGP-KEY"
_LIBC = ctypes.CDLL(None, use_errno=True)
HELD: list[socket.socket] = []  # sockets that nobody may collect


def setting(name: str, value: str) -> None:
    """Change a setting of this namespace; end where there is none, or it is locked."""
    try:
        Path("/proc/sys/net", name).write_text(value)
    except OSError:
        os._exit(CANNOT)


def tell_and_wait(parts: object) -> None:
    """Print who is who, hold everything until standard input ends, and end."""
    sys.stdout.write(json.dumps(parts) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


def loopback_up() -> None:
    """Switch on the interface lo of this namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))
        request = struct.pack("16sh14x", b"lo", flags[1] | _IFF_UP)
        fcntl.ioctl(control, _SIOCSIFFLAGS, request)


def rename(name: bytes) -> None:
    """Give this process another name, of any bytes."""
    _LIBC.prctl(_PR_SET_NAME, name, 0, 0, 0)


def in_child(work: Callable[[], None], name: bytes | None = None) -> int:
    """Run `work` in a forked process that then sleeps; return its pid."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        _LIBC.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)  # end with the parent
        if name is not None:
            rename(name)
        work()
        _LIBC.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)  # setuid() has undone it
        os.write(told, b"x")
        os.close(told)
        time.sleep(3600)
        os._exit(0)
    os.close(told)
    is_ready = os.read(ready, 1)
    os.close(ready)
    assert is_ready, "the child has ended before it was ready"
    return pid


def listener(
    address: str = "127.0.0.1", backlog: int = 16, *, v6only: bool | None = None
) -> socket.socket:
    """Return a listening socket on a port of the kernel's choice."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family)
    if v6only is not None:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    made.bind((address, 0))
    made.listen(backlog)
    HELD.append(made)
    return made


def connected(
    server: socket.socket, address: str | None = None
) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection to a listener."""
    client = socket.create_connection(
        (address or server.getsockname()[0], port(server))
    )
    accepted, _ = server.accept()
    HELD.extend((client, accepted))
    return client, accepted


def port(made: socket.socket) -> int:
    """Return a socket's local port."""
    return int(made.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the sockets did not reach their state")
        time.sleep(0.01)


def reach(code: str, local_port: int) -> None:
    """Wait until /proc/net/tcp shows a socket of that port in state `code`."""

    def reached() -> bool:
        with open("/proc/thread-self/net/tcp") as table:
            rows = [line.split() for line in table]
        suffix = f":{local_port:04X}"
        return any(row[1].endswith(suffix) and row[3] == code for row in rows)

    wait_until(reached)


def build() -> dict[str, int]:
    """Make every situation; return ports and pids by name."""
    parts: dict[str, int] = {"main": os.getpid()}

    v4 = listener()
    parts["v4"] = port(v4)
    connected(v4)
    client, accepted = connected(v4)
    client.sendall(b"unread")
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    parts["unread"] = port(client)

    parts["v6"] = port(v6 := listener("::1", v6only=True))
    connected(v6)
    parts["dual"] = port(dual := listener("::", v6only=False))
    connected(dual, "127.0.0.1")  # v4-mapped on the server's side
    connected(dual, "::1")

    waiting = listener()
    parts["unaccepted"] = port(waiting)
    HELD.append(socket.create_connection(waiting.getsockname()))

    # The end that closes its half waits in FIN_WAIT_2, the other in CLOSE_WAIT.
    half, _ = connected(v4)
    half.shutdown(socket.SHUT_WR)
    parts["fin_wait_2"] = port(half)
    reach("05", port(half))
    orphan, _ = connected(v4)
    parts["orphan"] = port(orphan)
    orphan.close()
    reach("05", parts["orphan"])

    first, second = connected(v4)
    parts["time_wait"] = port(first)
    first.close()
    second.close()
    reach("06", parts["time_wait"])

    # A full accept queue drops SYNs: the client stays in SYN_SENT.
    full = listener(backlog=0)
    parts["full"] = port(full)
    HELD.append(socket.create_connection(full.getsockname()))
    stuck = socket.socket()
    stuck.settimeout(0)
    stuck.connect_ex(full.getsockname())
    HELD.append(stuck)
    parts["syn_sent"] = port(stuck)
    reach("02", port(stuck))

    # With TCP_DEFER_ACCEPT the server stays half-open until data come.
    deferred = listener()
    deferred.setsockopt(socket.IPPROTO_TCP, _TCP_DEFER_ACCEPT, 60)
    parts["half_open"] = port(deferred)
    HELD.append(socket.create_connection(deferred.getsockname()))
    reach("03", port(deferred))

    parts["shared"] = port(listener())
    parts["child"] = in_child(lambda: None, b"sharing child")

    for number in (1, 2):
        twin = socket.socket()
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        twin.bind(("127.0.0.1", parts.get("twins", 0)))
        twin.listen(number)
        parts["twins"] = port(twin)
        HELD.append(twin)

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    parts["bound"] = port(bound)
    HELD.append(bound)

    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        plain = socket.socket(family, socket.SOCK_DGRAM)
        plain.bind((address, 0))
        talking = socket.socket(family, socket.SOCK_DGRAM)
        talking.connect(plain.getsockname())
        talking.send(b"datagram")
        HELD.extend((plain, talking))
        parts[f"udp{'4' if family == socket.AF_INET else '6'}"] = port(plain)

    parts["own_table"] = private_table()
    parts["keyed"] = with_key()
    return parts


def with_key() -> int:
    """Listen for peers that sign with TCP-MD5 (RFC 2385); return the port, 0: cannot."""
    made = listener()
    address = struct.pack("=HH4s120x", socket.AF_INET, 0, bytes((127, 0, 0, 9)))
    key = struct.pack("=BBHi80s", 0, 0, len(SECRET), 0, SECRET)  # struct tcp_md5sig
    try:
        made.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, address + key)
    except OSError:
        return 0
    return port(made)


def private_table() -> int:
    """Open a listener in a thread with a descriptor table of its own."""
    found: list[int] = []
    done = threading.Event()

    def work() -> None:
        if _LIBC.unshare(_CLONE_FILES) == 0:
            found.append(port(listener()))
        done.set()
        threading.Event().wait()

    threading.Thread(target=work, daemon=True).start()
    done.wait(10)
    return found[0] if found else 0


if __name__ == "__main__":
    loopback_up()
    tell_and_wait(build())
