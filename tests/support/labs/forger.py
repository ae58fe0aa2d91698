"""Answers a command's netlink request before the kernel does. Run as a program.

It runs the command so slowly that there is time to send it a row, and the end of a dump,
as if they were the kernel's. That takes root. It adds to the command's JSON how many
forged datagrams have been sent.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time

from support.fakes.diag import message, netlink

FORGED = 0xF0F0F0F0  # the cookie of the forged row
_SOCK_DIAG, _DONE = 4, 3
_PATIENCE = 20  # seconds
_DELAY = 1_000_000  # microseconds before each receiving


def port_of_the_command(own: int) -> int:
    """Return the netlink port that asks sock_diag, besides ours; wait for it."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with open("/proc/net/netlink") as table:
            rows = [line.split() for line in table][1:]
        for row in rows:
            if int(row[1]) == _SOCK_DIAG and int(row[2]) not in (0, own):
                return int(row[2])
        time.sleep(0.01)
    raise TimeoutError("nobody asks sock_diag")


def main() -> None:
    """Run the command, and forge."""
    inject = f"inject=recvmsg:delay_enter={_DELAY}"
    strace = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=recvmsg", "-e", inject]
    process = subprocess.Popen(
        [*strace, *sys.argv[1:]], stdout=subprocess.PIPE, text=True
    )
    forger = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
    forger.bind((0, 0))
    port = port_of_the_command(forger.getsockname()[0])
    row = message(state=1, cookie=FORGED, sequence=1, port_id=port)
    done = netlink(_DONE, struct.pack("=i", 0), sequence=1, port_id=port)
    sent = 0
    too_long = bytes(40_000)  # it would be cut short, and end the dump
    for datagram in (too_long, row, done, row + done):
        sent += forger.sendto(datagram, (port, 0)) == len(datagram)
    output, _ = process.communicate(timeout=_PATIENCE)
    sys.stdout.write(json.dumps(json.loads(output) | {"forged": sent}))
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
