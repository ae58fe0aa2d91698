"""A row that cannot be read costs no other, in layouts that read several lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.tools.inprocess import told
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import Row


def read(text: str) -> tuple[list[Row], Reader]:
    reader = Reader({"ssh": 22}.get)
    return [*reader.read(text.split("\n")), *reader.finish()], reader


WINDOWS = """
  TCP    10.0.0.1:100  10.0.0.9:80  ESTABLISHED  4242
 [chrome.exe]
  TCP    10.0.0.1:101  {}  ESTABLISHED  666
 [other.exe]
  TCP    10.0.0.1:102  10.0.0.9:80  ESTABLISHED  7
 [third.exe]
"""


@pytest.mark.parametrize("bad", ["b;d:443", "10.0.0.9:99999", "$(id):1"])
def test_a_program_stays_with_its_own_row(bad: str) -> None:
    found, reader = read(WINDOWS.format(bad))
    owners = [(row.local_port, (row.more or {})["processes"][0].name) for row in found]
    assert owners == [(100, b"chrome.exe"), (102, b"third.exe")]
    assert (reader.unreadable, reader.numbers) == (1, [4])


def block(port: object, host: str = "2.2.2.2") -> str:
    return (
        f"LocalAddress  : 1.1.1.1\nLocalPort     : {port}\nRemoteAddress : {host}\n"
        "RemotePort    : 5\nState         : Listen\nOwningProcess : 1\n"
    )


@pytest.mark.parametrize("between", ["", "\n"])
def test_blocks_of_powershell(between: str) -> None:
    text = between.join((block(1), block(2, "a;b"), block(3), block("x;y"), block(5)))
    found, reader = read(text)
    assert [row.local_port for row in found] == [1, 3, 5]
    size = 6 + len(between)
    assert (reader.unreadable, reader.numbers) == (2, [size + 1, 3 * size + 1])


@pytest.mark.parametrize("separator", ["\n", "\0"])
def test_fields_of_lsof(separator: str) -> None:
    def of(pid: int, host: str) -> str:
        fields = (
            f"p{pid}",
            f"cname{pid}",
            "f5",
            "tIPv4",
            "PTCP",
            f"n1.1.1.1:{pid}->{host}:5",
        )
        return separator.join(fields) + ("\n" if separator == "\n" else "\0\n")

    found, reader = read(of(11, "2.2.2.2") + of(22, "a;b") + of(33, "2.2.2.2"))
    owners = [(row.local_port, (row.more or {})["processes"]) for row in found]
    assert owners == [(11, ((11, b"name11", 5),)), (33, ((33, b"name33", 5),))]
    assert reader.unreadable == 1


HEADING = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"


def test_a_bracket_in_a_listing_swallows_nothing() -> None:
    row = "ESTAB 0 0 1.1.1.1:{} 2.2.2.2:2\n"
    for noise in ("{\n", "[\n", '{ "a":\n'):
        found, reader = read(
            HEADING + row.format(1) + noise + row.format(3) + row.format(4)
        )
        assert [one.local_port for one in found] == [1, 3, 4], noise
        assert reader.unreadable <= 1


def test_json_between_other_listings(tmp_path: Path) -> None:
    import json

    from support.fakes.hostile_saved import OWN

    path = tmp_path / "mixed"
    row = "ESTAB 0 0 1.1.1.1:{} 2.2.2.2:2\n"
    path.write_text(
        HEADING + row.format(1) + json.dumps(OWN) + "\n" + HEADING + row.format(2)
    )
    code, text, errors = told(["-tac", "--from", str(path)])
    assert (code, text) == (0, "3\n"), errors


def test_a_state_of_an_ss_to_come_is_listed(tmp_path: Path) -> None:
    found, reader = read(
        f"{HEADING}ESTABX 0 0 1.1.1.1:1 2.2.2.2:2\nESTAB 0 0 1.1.1.1:3 2.2.2.2:2"
    )
    assert [(row.raw_state, row.local_port) for row in found] == [
        ("ESTABX", 1),
        ("ESTAB", 3),
    ]
    assert reader.unreadable == 0


@pytest.mark.parametrize(
    "fields",
    [
        '"LocalAddress":null,"LocalPort":1,"RemoteAddress":"1.1.1.1","RemotePort":5',
        '"LocalAddress":"1.1.1.1","LocalPort":true,"RemoteAddress":"1.1.1.1","RemotePort":5',
        '"LocalAddress":"1.1.1.1","LocalPort":1,"RemoteAddress":{},"RemotePort":5',
        '"LocalAddress":"1.1.1.1","LocalPort":1,"RemoteAddress":"1.1.1.1","RemotePort":5.5',
        '"LocalAddress":"1.1.1.1","LocalPort":1,"RemoteAddress":"1.1.1.1","RemotePort":[]',
    ],
)
def test_objects_of_powershell_have_types(fields: str) -> None:
    good = '{"LocalAddress":"1.1.1.1","LocalPort":9,"RemoteAddress":"::","RemotePort":0,"State":5,"OwningProcess":4}'
    found, reader = read(f'[{good},{{{fields},"State":5,"OwningProcess":4}}]')
    assert [row.local_port for row in found] == [9]
    assert reader.unreadable == 1


def test_an_address_that_powershell_has_cut() -> None:
    text = (
        '"LocalAddress","LocalPort","RemoteAddress","RemotePort","State"\n'
        '"fe80::1234:5678\u2026","445","::","0","Listen"\n'
    )
    ((row,), reader) = read(text)
    assert row.local_address == "fe80::1234:5678"
    assert (row.more or {})["truncated"] == ("local_address",)
    assert reader.unreadable == 0
