"""Every row is what ss and /proc say of the same sockets, from every source."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest

from conftest import Lab
from tcpstates.protocols import PROTOCOLS
from tcpstates.states import find_state

RUNS = 50
Row = tuple[Any, ...]

needs_ss = pytest.mark.skipif(
    shutil.which("ss") is None, reason="ss is missing (Debian: iproute2)"
)


def endpoint(text: str) -> tuple[str, int]:
    """Return an endpoint as ss prints it; its "*" is the dual-stack wildcard."""
    address, _, port = text.rpartition(":")
    address = address.partition("%")[0].strip("[]")
    return ("::" if address == "*" else address), int(port.replace("*", "0"))


def rows_of_ss(lab: Lab) -> list[Row]:
    found = []
    for line in lab.run("ss", "-tuaneH").stdout.splitlines():
        netid, word, received, sent, local, remote, *rest = line.split()
        details = dict(re.findall(r"\b(uid|ino|sk):([0-9a-f]+)", " ".join(rest)))
        found.append(
            (
                netid,
                *endpoint(local),
                *endpoint(remote),
                str(find_state(word, has_states=PROTOCOLS[netid].has_states)),
                int(received),
                int(sent),
                int(details.get("uid", 0)),
                int(details["ino"]),
            )
        )
    return sorted(found)


def rows_of_proc(lab: Lab) -> list[Row]:
    found = []
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in lab.run("cat", f"/proc/thread-self/net/{name}").stdout.splitlines()[
            1:
        ]:
            f = line.split()
            found.append(
                (
                    name[:3],
                    int(f[1][-4:], 16),
                    int(f[2][-4:], 16),
                    f[3],
                    f[4],
                    f[7],
                    f[9],
                )
            )
    return sorted(found)


COLUMNS = [
    "local_address",
    "local_port",
    "remote_address",
    "remote_port",
    "state_label",
    "recv_q",
    "send_q",
    "uid",
    "inode",
]


def rows_of_ours(lab: Lab, source: str) -> list[Row]:
    found = []
    for socket in lab.sockets("-tuan", "--source", source):
        socket["state_label"] = socket["state"] or "UNCONN"
        found.append((socket["protocol"], *(socket[name] for name in COLUMNS)))
    return sorted(found, key=repr)


def without(row: Row, *names: str) -> Row:
    return tuple(
        value
        for name, value in zip(["protocol", *COLUMNS], row, strict=True)
        if name not in names
    )


@needs_ss
def test_fifty_runs_without_a_difference(lab: Lab) -> None:
    kinds = set()
    for _ in range(RUNS):
        expected = rows_of_ss(lab)
        assert sorted(rows_of_ours(lab, "netlink")) == expected
        kinds |= {row[5] for row in expected}
    assert {"LISTEN", "SYN_SENT", "SYN_RECEIVED", "CLOSE_WAIT", "FIN_WAIT_2"} <= kinds


@needs_ss
def test_procfs_says_the_same_but_the_backlogs_limit(lab: Lab) -> None:
    for _ in range(RUNS):
        expected = [
            without(row, *(["send_q"] if row[5] == "LISTEN" else []))
            for row in rows_of_ss(lab)
        ]
        ours = [
            without(row, *(["send_q"] if row[5] == "LISTEN" else []))
            for row in rows_of_ours(lab, "procfs")
        ]
        assert sorted(ours, key=repr) == sorted(expected, key=repr)


@needs_ss
def test_psutil_says_the_same_as_far_as_it_can_tell(lab: Lab) -> None:
    unknown = ("recv_q", "send_q", "uid", "inode")
    # Rows that psutil cannot tell apart are one row to it.
    expected = {without(row, *unknown) for row in rows_of_ss(lab)}
    assert {without(row, *unknown) for row in rows_of_ours(lab, "psutil")} == expected


def test_the_kernels_own_table_says_the_same(lab: Lab) -> None:
    numbers = {"LISTEN": "0A", "ESTABLISHED": "01", "CLOSE_WAIT": "08", "UNCONN": "07"}
    numbers |= {"FIN_WAIT_2": "05", "TIME_WAIT": "06", "SYN_SENT": "02"}
    numbers |= {"SYN_RECEIVED": "03"}
    for source in ("netlink", "procfs"):
        ours = []
        for row in rows_of_ours(lab, source):
            protocol, _, lport, _, rport, word, received, sent, uid, inode = row
            sent = 0 if word == "LISTEN" else sent
            queues = f"{sent:08X}:{received:08X}"
            ours.append(
                (protocol, lport, rport, numbers[word], queues, str(uid), str(inode))
            )
        assert sorted(ours) == rows_of_proc(lab)


@needs_ss
def test_the_numbers_of_tcp_info_are_those_of_ss(lab: Lab) -> None:
    text = lab.run("ss", "-tinOH", "state", "established").stdout
    theirs = {}
    for line in text.splitlines():
        words = dict(re.findall(r"\b(cwnd|rtt|bytes_acked|mss):([0-9.]+)", line))
        theirs[tuple(endpoint(word) for word in line.split()[2:4])] = words
    for socket in lab.sockets("-tni", "established"):
        key = (
            (socket["local_address"], socket["local_port"]),
            (socket["remote_address"], socket["remote_port"]),
        )
        info: Any = socket["info"]
        expected = theirs[key]
        assert info["congestion_window"] == int(expected["cwnd"])
        assert info["rtt"] == round(float(expected.get("rtt", 0)) * 1000)
        assert info["bytes_acked"] == int(expected.get("bytes_acked", 0))
        assert info["send_mss"] == int(expected["mss"])
    assert theirs


@needs_ss
def test_counts_are_those_of_the_rows(lab: Lab) -> None:
    rows = rows_of_ss(lab)
    tcp = [row for row in rows if row[0] == "tcp"]
    assert lab.tcpstates("-tac").stdout == f"{len(tcp)}\n"
    assert lab.tcpstates("-tuac").stdout == f"{len(rows)}\n"
    established = [row for row in tcp if row[5] == "ESTABLISHED"]
    assert lab.tcpstates("-c", "estab").stdout == f"{len(established)}\n"
    summary = lab.tcpstates("-s").stdout.splitlines()
    end = next(i for i, line in enumerate(summary) if line.startswith("total "))
    assert summary[end].split()[-1] == str(len(rows))
    by_word = {line.split()[0]: int(line.split()[-1]) for line in summary[1:end]}
    for word, number in by_word.items():
        assert number == sum(row[5] == word for row in rows), word
    assert len(by_word) == 12
