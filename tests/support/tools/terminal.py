"""Run a command on a terminal of its own and return what it prints there."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence


def on_terminal(
    command: Sequence[str], width: int, environment: Mapping[str, str] | None = None
) -> str:
    """Return standard output of a command on a terminal `width` cells wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    inherited = {
        k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")
    }
    inherited |= {"TERM": "xterm-256color", **(environment or {})}
    with subprocess.Popen(
        command, stdout=theirs, stderr=subprocess.DEVNULL, env=inherited
    ) as process:
        os.close(theirs)
        chunks = []
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # EIO: the last writer has gone
                break
            if not chunk:
                break
            chunks.append(chunk)
        os.close(ours)
        assert process.wait(60) == 0
    return b"".join(chunks).decode()
