"""A name server that lies: every address has the same hostile name. Run as a program.

    name_server.py NAME_IN_HEX COMMAND ...

It answers on port 53 of 127.0.0.1, in a private network and mount namespace where
/etc/resolv.conf names it, while the command runs.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading

from support.labs.lab import loopback_up

_PTR, _IN = 12, 1


def answer(question: bytes, name: bytes) -> bytes:
    """Return a reply whose PTR record holds these bytes, label by label."""
    end = question.index(b"\0", 12) + 5
    head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
    labels = b"".join(bytes([len(part)]) + part for part in name.split(b".")) + b"\0"
    record = struct.pack("!HHHIH", 0xC00C, _PTR, _IN, 60, len(labels)) + labels
    return head + question[12:end] + record


def serve(channel: socket.socket, name: bytes) -> None:
    """Answer every question."""
    while True:
        question, asker = channel.recvfrom(4096)
        channel.sendto(answer(question, name), asker)


def main() -> int:
    """Serve while the command runs; return its exit code."""
    loopback_up()
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.bind(("127.0.0.1", 53))
    name = bytes.fromhex(sys.argv[1])
    threading.Thread(target=serve, args=(channel, name), daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)):
        return subprocess.call(sys.argv[2:], timeout=50)


if __name__ == "__main__":
    sys.exit(main())
