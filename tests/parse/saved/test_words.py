"""Words, numbers and protocols of other tools that few samples have."""

from __future__ import annotations

from typing import Any

import pytest

from tcpstates.fields import ColumnName
from tcpstates.model import Owner
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import Row, take_windows_pid


def read(text: str, **how: Any) -> tuple[list[Row], Reader]:
    reader = Reader({"ssh": 22}.get, **how)
    return [*reader.read(text.split("\n")), *reader.finish()], reader


SS = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"


# What misc/ss.c prints as Netid, besides tcp and udp.
OTHERS = (
    "nl p_raw p_dgr u_str u_dgr u_seq raw udpl dccp sctp tipc vsock v_str v_dgr mptcp"
    " xdp icmp6 ??? ti_st"
)
STATES = (
    "LISTEN ESTAB SYN-SENT SYN-RECV FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSE-WAIT LAST-ACK"
    " CLOSING UNCONN BOUND CLOSED UNKNOWN NEW-SYN-RECV"
)


@pytest.mark.parametrize("netid", OTHERS.split())
def test_sockets_of_other_protocols_are_passed_over(netid: str) -> None:
    """They are no sockets that could not be read."""
    line = f"{netid} ESTAB 0 0 10.0.0.1:1 10.0.0.2:2\n"
    found, reader = read(SS + line + "tcp ESTAB 0 0 10.0.0.3:3 10.0.0.4:4\n")
    assert [row.local_port for row in found] == [3]
    assert reader.unreadable == 0


@pytest.mark.parametrize("word", STATES.split())
def test_every_state_of_ss_is_known(word: str) -> None:
    found, reader = read(f"{SS}tcp {word} 0 0 10.0.0.1:1 10.0.0.2:2\n")
    assert [row.raw_state for row in found] == [word]
    assert reader.unreadable == 0


@pytest.mark.parametrize(
    "number", [1, 2, 41, 46, 47, 50, 51, 58, 89, 103, 112, 132, 255]
)
def test_raw_sockets_of_proc_are_passed_over(number: int) -> None:
    heading = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
        "   uid  timeout inode ref pointer drops"
    )
    row = (
        "   0: 00000000:{:04X} 00000000:0000 07 00000000:00000000 00:00000000 00000000"
        "     0        0 {} 2 0000000000000000 0"
    )
    lines = [heading, row.format(number, 5), row.format(6, 6)]
    found, reader = read("\n".join(lines))
    assert [row.local_port for row in found] == [6]
    assert reader.unreadable == 0


@pytest.mark.parametrize(
    ("protocol", "family"),
    [("tcp4", "ipv4"), ("tcp6", "ipv6"), ("tcp46", "ipv6"), ("udp46", "ipv6")],
)
def test_families_of_sockstat(protocol: str, family: str) -> None:
    text = (
        "USER     COMMAND    PID   FD PROTO  LOCAL ADDRESS         FOREIGN ADDRESS\n"
        f"root     sshd       714   4  {protocol}   *:22                  *:*\n"
    )
    ((row,), _) = read(text)
    assert (row.protocol, row.family) == (protocol[:3], family)
    assert (row.local_port, row.remote_port) == (22, 0)


@pytest.mark.parametrize(
    ("word", "raw"), [("LISTEN", "LISTEN"), ("SYN_SENT", "SYN_SENT"), ("6081", None)]
)
def test_what_stands_behind_the_addresses_of_sockstat(
    word: str, raw: str | None
) -> None:
    text = (
        "USER     COMMAND    PID   FD PROTO  LOCAL ADDRESS  FOREIGN ADDRESS  STATE\n"
        f"root     my prog    714   4  tcp4   10.0.0.1:22    10.0.0.2:99      {word}\n"
    )
    ((row,), _) = read(text)
    assert row.raw_state == raw
    assert row.more is not None
    assert row.more["processes"] == ((714, b"my prog", 4),)
    assert row.more["user_name"] == "root"


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        ("4294967295", 4294967295),
        ("1234567890", 1234567890),
        ("12345678901", None),
        ("x", None),
    ],
)
def test_pids_of_windows_have_ten_digits_at_most(text: str, pid: int | None) -> None:
    more: dict[ColumnName, Any] = {}
    take_windows_pid(text, more)
    assert more.get("pid") == pid
    assert more.get("processes") == (None if pid is None else ((pid, None, None),))


def test_windows_idle_process_holds_nothing() -> None:
    more: dict[ColumnName, Any] = {}
    take_windows_pid("0", more)
    assert more == {"pid": 0}


def test_a_line_without_separators_ends_a_table_of_powershell() -> None:
    text = (
        '"LocalAddress","LocalPort","RemoteAddress","RemotePort","State","OwningProcess"\n'
        '"10.0.0.1","80","10.0.0.2","99","Established","7"\n'
        "PS C:\\> exit\n"
        '"10.0.0.1","81"\n'
    )
    found, reader = read(text)
    assert [row.local_port for row in found] == [80]
    assert reader.unreadable == 1


SOLARIS = """
UDP: IPv4
   Local Address        Remote Address      State
-------------------- -------------------- ----------
      *.111                               Idle
      *.514
      10.0.0.1.5060        10.0.0.9.5060      Connected
"""


def test_udp_of_solaris_with_and_without_a_state() -> None:
    found, _ = read(SOLARIS)
    assert [(row.local_port, row.raw_state) for row in found] == [
        (111, "Idle"),
        (514, None),
        (5060, "Connected"),
    ]


def test_a_command_of_sockstat_may_look_like_a_protocol() -> None:
    heading = (
        "USER     COMMAND    PID   FD PROTO  LOCAL ADDRESS         FOREIGN ADDRESS\n"
    )
    row = "root     {}       714   4  tcp4   *:22                  *:*\n"
    for name in ("tcp4 udp4", "a tcp4"):
        found, reader = read(heading + row.format(name))
        assert [(one.protocol, one.local_port) for one in found] == [("tcp", 22)]
        assert found[0].more is not None
        assert found[0].more["processes"] == ((714, name.encode(), 4),)
        assert reader.unreadable == 0
    found, reader = read(heading + "root sshd 714 4 tcp4 *:22\n")
    assert (found, reader.unreadable) == ([], 1)


def test_lsof_prints_the_last_digits_of_a_large_descriptor() -> None:
    head = "COMMAND PID USER FD TYPE DEVICE SIZE/OFF NODE NAME\n"
    row = "python3 7352 root *001u IPv4 126378 0t0 TCP 10.0.0.1:80 (LISTEN)"
    (one,), _ = read(head + row)
    assert one.more is not None
    assert one.more["processes"] == (Owner(7352, b"python3", None),)
