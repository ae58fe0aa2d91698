"""What is no listing is refused with what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import finish, run_command

COUNTED = (
    "has no sockets: it contains counts (`sort | uniq -c`); save the listing that was"
    " counted"
)
TRACKED = (
    "src=10.0.0.1 dst=10.0.0.2 sport=5000 dport=22 src=10.0.0.2 dst=10.0.0.1 sport=22"
    " dport=5000 [ASSURED] mark=0 use=1\n"
)
FIREWALL = "has no sockets: it contains connections that a firewall tracks (conntrack)"
REFUSED = {
    "     12 ESTABLISHED\n      3 LISTEN\n      1 TIME_WAIT\n": COUNTED,
    "ESTAB 12\nTIME-WAIT 4\n": COUNTED,
    "TIME_WAIT: 12\nCLOSE_WAIT: 3\n": COUNTED,
    "     12 10.0.0.1:443\n      3 10.0.0.2:80\n": COUNTED,
    "     12 10.0.0.1\n      3 2001:db8::1\n": COUNTED,
    "10.0.0.1:443\n10.0.0.2:80\n": (
        "has no sockets: it contains a list of addresses, without states"
    ),
    f"tcp      6 431999 ESTABLISHED {TRACKED}udp      17 29 {TRACKED}": FIREWALL,
    f"ipv4     2 tcp      6 431999 TIME_WAIT {TRACKED}": FIREWALL,
    "12:00:01.1 IP 10.0.0.1.5000 > 10.0.0.2.22: Flags [S], seq 1, length 0\n": (
        "has no sockets: it contains captured packets (tcpdump)"
    ),
    "PORT     STATE SERVICE\n22/tcp   open  ssh\n": (
        "has no sockets: it contains a port scan (nmap)"
    ),
    "sconn(fd=115, laddr=addr(ip='10.0.0.1', port=48776), status='ESTABLISHED')\n": (
        "has no sockets: it contains objects of psutil, printed by Python"
    ),
    "python3 4003 root 3 rw- SOCK sockfs 10 6400 TCP:[6400]\n": (
        "has no sockets: it contains open files of lsfd before util-linux 2.39, which"
        " prints no addresses"
    ),
    "": "is empty",
    "\n\n": "is empty",
    "\x7fELF\0\0\0\0\0abc\n": "is not text",
}


@pytest.mark.parametrize("text", REFUSED)
def test_it_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    finished = run_command("-ta", "--from", str(path))
    assert (finished.stdout, finished.returncode) == ("", 3)
    assert finished.stderr == f"tcpstates: {path}: {REFUSED[text]}\n"


@pytest.mark.skipif(os.name == "nt", reason="the tools of Unix")
@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("netstat -s", "counters of protocols (netstat -s)"),
        ("netstat -rn", "a table of routes"),
        ("netstat -i", "a table of network interfaces"),
        ("ps aux", "processes (ps)"),
    ],
)
def test_so_is_what_real_tools_print(tmp_path: Path, command: str, name: str) -> None:
    path = tmp_path / "file"
    path.write_text(finish(command.split()).stdout)
    finished = run_command("-ta", "--from", str(path))
    assert finished.stderr == f"tcpstates: {path}: has no sockets: it contains {name}\n"


def test_a_listing_beside_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(
        "     12 ESTABLISHED\n      3 LISTEN\n"
        "tcp        0      0 0.0.0.0:22      0.0.0.0:*     LISTEN      7/sshd\n"
    )
    finished = run_command("-tac", "--from", str(path))
    assert (finished.stdout, finished.stderr) == ("1\n", "")
