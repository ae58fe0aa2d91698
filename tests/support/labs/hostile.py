"""Listeners in processes whose names are meant to harm. Run as `lab.py` is."""

from __future__ import annotations

import os

from support.labs.lab import in_child, listener, loopback_up, port, tell_and_wait

NAMES = (
    b"\x1b[31mRED\x1b]0;x\x07",
    b"a\nLISTEN 9 9\n",
    b"\xff\xfe\xc3(",
    b"[red]x[/red]",
    b"[/x]",
    b"=cmd|/c calc",
    b'a",pid=1)) b',
    b"a(b",
    b"a)b",
    b") R 1 (",
    b"((",
    b"\xc2\x9b31m",
    "\u202egnp.exe".encode(),
    "e\u0301\u0301\u0301\u0301".encode(),
    b"\r\x08\x08evil",
    b" ",
    b"\\x1b[0m",
)


def main() -> None:
    """Start one process for each name; print its port and pid."""
    loopback_up()
    parts = {"main": os.getpid()}
    for number, name in enumerate(NAMES):
        made = listener()
        parts[f"port{number}"] = port(made)
        parts[f"pid{number}"] = in_child(lambda: None, name)
        made.close()  # the child has it
    tell_and_wait(parts)


if __name__ == "__main__":
    main()
