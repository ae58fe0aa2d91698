"""Formats of other systems' current sources, and names that are made to deceive."""

from __future__ import annotations

import pytest

from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import Row

SOCKSTAT = (
    "USER     COMMAND    PID   FD PROTO LOCAL ADDRESS         FOREIGN ADDRESS      "
)
MACOS = (
    "Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)     "
    "    rxbytes      txbytes  rhiwat  shiwat    process:pid    state  options"
    "           gencnt    flags   flags1 usecnt rtncnt fltrs\n"
)
MACOS_ROW = (
    "tcp4       0      0  10.0.0.1.22            10.0.0.2.50000         ESTABLISHED "
    "       4567          890  131072  131768 {} 00102 00000006 0000000000000a1b"
    " 00000080 01000900      1      0 000001\n"
)


def read(text: str) -> tuple[list[Row], Reader]:
    reader = Reader(lambda name: None)
    return [*reader.read(text.splitlines()), *reader.finish()], reader


@pytest.mark.parametrize(
    ("headings", "words", "state"),
    [
        ("PATH STATE CONN STATE", "?? LISTEN", "LISTEN"),
        ("PATH STATE CONN STATE", "           LISTEN", "LISTEN"),  # older: blanks
        ("PATH STATE CONN STATE STACK CC", "?? SYN_SENT freebsd cubic", "SYN_SENT"),
        ("STACK CC", "freebsd cubic", None),
        ("STACK", "freebsd", None),
        ("PCB KVA", "0xfffff80003c4a000", None),
        ("FIB PATH STATE CONN STATE", "0 ?? ESTABLISHED", "ESTABLISHED"),
        ("ID ENCAPS PATH STATE CONN STATE", "4711 ?? ?? CLOSE_WAIT", "CLOSE_WAIT"),
        (
            "SPLICE ADDRESS PATH STATE CONN STATE",
            "10.0.0.9:80 ?? ESTABLISHED",
            "ESTABLISHED",
        ),
        ("PATH STATE CONN STATE", "?? ??", None),
        ("PATH STATE CONN STATE", "?? BOUND", "BOUND"),
        ("PATH STATE CONN STATE STACK", "?? NEW_STATE rack", "NEW_STATE"),
        ("", "", None),
    ],
)
def test_states_of_sockstat_stand_below_their_heading(
    headings: str, words: str, state: str | None
) -> None:
    row = f"root     sshd       812    4 tcp4  10.0.0.1:22           10.0.0.2:99          {words}"
    ((found,), reader) = read(f"{SOCKSTAT}{headings}\n{row}\n")
    assert found.raw_state == state
    assert (found.local_port, found.remote_port) == (22, 99)
    assert reader.unreadable == 0


@pytest.mark.parametrize("protocol", ["toe4", "toe6", "toe46"])
def test_connections_of_a_network_card_are_tcp(protocol: str) -> None:
    family = "ipv4" if protocol == "toe4" else "ipv6"
    row = f"root     sshd       812    4 {protocol}  *:22   *:*   ?? LISTEN"
    ((found,), _) = read(f"{SOCKSTAT}PATH STATE CONN STATE\n{row}\n")
    assert (found.protocol, found.family, found.raw_state) == ("tcp", family, "LISTEN")
    text = (
        "Proto Recv-Q Send-Q Local Address          Foreign Address        (state)\n"
        "toe4       0      0 10.0.0.1.22            10.0.0.2.50000         ESTABLISHED\n"
    )
    ((found,), _) = read(text)
    assert (found.protocol, found.raw_state) == ("tcp", "ESTABLISHED")


def test_an_address_that_sockstat_has_cut_off_is_marked() -> None:
    row = (
        "root     sshd       812    4 tcp6  2001:db8:1234:5678:9a 2001:db8::2:443      "
        "?? ESTABLISHED\n"
    )
    ((found,), reader) = read(f"{SOCKSTAT}PATH STATE CONN STATE\n{row}")
    assert reader.unreadable == 0
    assert (found.more or {})["truncated"] == ("local_address",)
    assert found.local_address == "2001:db8:1234:5678:9a"
    assert found.local_port is None
    assert found.remote_port == 443
    # With -w the columns are as wide as they have to be.
    wide = SOCKSTAT.replace("LOCAL ADDRESS         ", "LOCAL ADDRESS              ")
    row = row.replace("5678:9a ", "5678:9a:22 ")
    ((found,), _) = read(f"{wide}PATH STATE CONN STATE\n{row}")
    assert "truncated" not in (found.more or {})
    assert found.local_port == 22


@pytest.mark.parametrize(
    ("shown", "owner"),
    [
        ("       sshd:812", (812, b"sshd", None)),
        ("  Google Chrome He:342", (342, b"Google Chrome He", None)),
        ("       a:9 b:5", (5, b"a:9 b", None)),
        ("       a:9 :5", (5, b"a:9", None)),
        ("     1:2:3:4:5", (5, b"1:2:3:4", None)),
        ("       launchd:1", (1, b"launchd", None)),
        ("       7 zip:99", (99, b"7 zip", None)),
        ("       a:9 00102 b:5", (5, b"a:9 00102 b", None)),
    ],
)
def test_nobody_chooses_the_pid_that_macos_shows(
    shown: str, owner: tuple[int, bytes, None]
) -> None:
    ((found,), reader) = read(MACOS + MACOS_ROW.format(shown))
    assert (found.more or {})["processes"] == (owner,)
    assert (found.raw_state, reader.unreadable) == ("ESTABLISHED", 0)


def test_without_a_heading_a_deceptive_name_is_unknown() -> None:
    ((found,), _) = read(MACOS_ROW.format("       a:9 b:5"))
    assert "processes" not in (found.more or {})
    ((found,), _) = read(MACOS_ROW.format("       sshd:812"))
    assert (found.more or {})["processes"] == ((812, b"sshd", None),)


def test_a_process_without_a_name_is_unknown() -> None:
    ((found,), _) = read(MACOS + MACOS_ROW.format("       :0"))
    assert "processes" not in (found.more or {})
