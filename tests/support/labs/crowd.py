"""Some hundred sockets that differ in all that a filter can ask for. Run as a program.

Like `lab.py` it needs a private network namespace, prints one line of JSON and holds
everything until its standard input ends. Then it reads filters, one JSON list of
words a line, and answers with the cookies that tcpstates selects, with the kernel's
help and without.
"""

from __future__ import annotations

import json
import os
import random
import socket
import sys
from contextlib import suppress

from support.labs.lab import HELD, in_child, loopback_up
from tcpstates.collect.name_lookup import SystemLookup
from tcpstates.filters.selection import read_selection
from tcpstates.model import Request
from tcpstates.origin import LiveHost
from tcpstates.pipeline import list_sockets

_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
_SO_MARK = 36
HOSTS = (
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.1.200.9",
    "127.200.0.1",
    "::1",
    "::ffff:127.0.0.3",
    "::ffff:127.1.2.4",
)
PORTS = (22, 53, 80, 443, 1023, 1024, 3306, 8080, 20000, 30000)
FOREIGN = ("192.0.2.1", "198.51.100.77", "2001:db8::5", "2001:db8:1:2::7")


def server(host: str, number: int, *, mark: int = 0, device: str = "") -> socket.socket:
    """Return a listener; several may share a port on different addresses."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    decorate(made, mark, device)
    made.bind((host, number))
    made.listen(8)
    HELD.append(made)
    return made


def decorate(made: socket.socket, mark: int, device: str) -> None:
    """Give a socket a firewall mark and an interface, as far as we may."""
    with suppress(PermissionError):
        if mark:
            made.setsockopt(socket.SOL_SOCKET, _SO_MARK, mark)
        if device:
            made.setsockopt(
                socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0"
            )


def build(seed: int) -> dict[str, int]:
    """Make the crowd; return ports by what they are for."""
    dice = random.Random(seed)
    parts = {"main": os.getpid()}
    servers = []
    for host in HOSTS:
        for number in dice.sample(PORTS, 5):
            mark = dice.choice((0, 0, 1, 0x10, 0x11, 0xFF00))
            servers.append(
                server(host, number, mark=mark, device=dice.choice(("", "", "lo")))
            )
    servers.append(server("::", 9999))
    servers.append(server("0.0.0.0", 9998))
    for listening in servers:
        for _ in range(dice.randrange(1, 5)):
            connect(listening, dice)
    for host in FOREIGN:  # no route leads there: SYN_SENT, or nothing at all
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        made.settimeout(0)
        made.connect_ex((host, dice.choice(PORTS)))
        HELD.append(made)
    for host in HOSTS[:6]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_DGRAM)
        decorate(bound, dice.choice((0, 1, 0x10)), "")
        bound.bind((host, dice.choice(PORTS)))
        talking = socket.socket(family, socket.SOCK_DGRAM)
        talking.connect(bound.getsockname())
        HELD.extend((bound, talking))
    parts["child"] = in_child(lambda: connect(servers[0], dice), b"other (child)")
    return parts


def connect(listening: socket.socket, dice: random.Random) -> None:
    """Make a connection, and leave it in one of the states."""
    client = socket.socket(listening.family)
    decorate(client, dice.choice((0, 0, 1, 0x11)), dice.choice(("", "lo")))
    host, number = listening.getsockname()[:2]
    client.connect(("127.0.0.1" if host == "0.0.0.0" else host, number))
    accepted, _ = listening.accept()
    fate = dice.randrange(6)
    if fate == 0:
        client.shutdown(socket.SHUT_WR)
    elif fate == 1:
        accepted.shutdown(socket.SHUT_WR)
    elif fate == 2:
        client.close()
        accepted.close()
    elif fate == 3:
        client.sendall(bytes(dice.randrange(1, 5000)))
    HELD.extend((client, accepted))


def selected(words: list[str], *, in_kernel: bool) -> list[int]:
    """Return the cookies of what a filter selects among every socket."""
    request = Request(protocols=frozenset({"tcp", "udp"}))
    lookup = SystemLookup(request.protocols)
    selection = read_selection(words, lookup, request) if words else None
    listing = list_sockets(request, LiveHost("netlink"), selection, in_kernel=in_kernel)
    return [n for batch in listing.batches for n in batch.column("cookie")]


if __name__ == "__main__":
    loopback_up()
    sys.stdout.write(json.dumps(build(int(sys.argv[1]))) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        found = [selected(asked, in_kernel=help_) for help_ in (True, False)]
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
    os._exit(0)
