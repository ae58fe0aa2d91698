"""Make the pictures in the README: real runs on real sockets, as SVG.

    cd tests && unshare -n python -m support.tools.picture ../.github

Run it as root. The programs are children that carry the names
of well-known servers; the addresses are those for documentation (RFC 5737).
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from support.labs.lab import HELD, connected, in_child, loopback_up, rename
from support.tools.terminal import on_terminal

WIDTH = 118
HOST = "192.0.2.10"
CELL = 12.2  # rich's width of a character


def serve(address: str, number: int, backlog: int = 128) -> socket.socket:
    """Return a listener on a well-known port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, number))
    made.listen(backlog)
    HELD.append(made)
    return made


def sshd() -> None:
    """Listen, and hold one connection."""
    listening = serve("0.0.0.0", 22)
    connected(listening, HOST)


def nginx() -> None:
    """Share a listener between a master and two workers."""
    serve("0.0.0.0", 443, 511)
    for _ in range(2):
        in_child(lambda: None, b"nginx")


def postgres() -> None:
    """Listen; one client waits to be accepted."""
    serve("127.0.0.1", 5432)
    HELD.append(socket.create_connection(("127.0.0.1", 5432)))


def billing_api() -> None:
    """Leak connections: the peer has closed, the program has not."""
    listening = serve("0.0.0.0", 8080)
    for _ in range(3):
        client, _ = connected(listening, HOST)
        client.close()
    client, server = connected(listening, HOST)
    client.close()
    server.close()


def main() -> None:
    """Start the programs, run tcpstates on a terminal, write the SVG."""
    loopback_up()
    subprocess.run(["ip", "address", "add", f"{HOST}/24", "dev", "lo"], check=True)
    for name, work in (
        (b"sshd", sshd),
        (b"nginx", nginx),
        (b"postgres", postgres),
        (b"billing-api", billing_api),
    ):
        in_child(work, name)
    rename(b"picture")
    console = Console(record=True, width=WIDTH, file=StringIO())
    for words in (
        "-ltpn",
        "-tanp exclude listen",
        "-tan --by process,state not listen",
    ):
        command = [sys.executable, "-m", "tcpstates", *words.split()]
        screen = on_terminal(command, WIDTH)
        console.print(Text(f"$ tcpstates {words}", style="bold"))
        console.print(Text.from_ansi(screen.rstrip().replace("\r", "")))
    # The pattern loads fonts from a server; the reader's own will do.
    pattern = re.sub(
        r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL
    )
    svg = console.export_svg(title="tcpstates", code_format=pattern)
    svg = re.sub(
        r' x="([\d.]+)"([^>]*) textLength="([\d.]+)"([^>]*)>((?:&#160;)+)', moved, svg
    )
    folder = Path(sys.argv[1])
    (folder / "tcpstates.svg").write_text(svg.replace("Fira Code, ", ""))
    command = [sys.executable, "-m", "tcpstates", "diagram", "--svg"]
    subprocess.run([*command, str(folder / "diagram.svg")], check=True)


def moved(text: re.Match[str]) -> str:
    """Return a text's start without blanks, which some viewers leave out."""
    x, between, length, after, blanks = text.groups()
    width = len(blanks) / len("&#160;") * CELL
    return (
        f' x="{float(x) + width:g}"{between}'
        f' textLength="{float(length) - width:g}"{after}>'
    )


if __name__ == "__main__":
    main()
