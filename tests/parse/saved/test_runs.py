"""Runs of plain lines, read at once, give what they give line by line."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tcpstates.batch import ColumnBatch
from tcpstates.fields import COLUMN_NAMES
from tcpstates.parse.saved import blocks
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import to_batches

DATA = Path(__file__).parents[2] / "data" / "saved"
FILES = sorted(
    path
    for path in DATA.rglob("*")
    if path.is_file() and path.name not in ("README.md", "EXPECTED.csv")
)
# A column that differs only in being absent, or unknown for every socket, is the same.
NAMES = sorted(COLUMN_NAMES)
SERVICES = {"ssh": 22, "https": 443}
SS = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
NETSTAT = "Proto Recv-Q Send-Q Local Address Foreign Address State\n"
LSOF = "COMMAND PID USER FD TYPE DEVICE SIZE/OFF NODE NAME\n"


def sockets(batches: Iterable[ColumnBatch]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for batch in batches:
        columns = [batch.column(name) for name in NAMES]  # type: ignore[arg-type]
        for row in zip(*columns, strict=True):
            shown = (None if value is None else repr(value) for value in row)
            key = (batch.protocol, batch.family, *shown)
            found[key] += 1
    return found


def both(lines: Sequence[str], **how: Any) -> list[Any]:
    """Return what both ways of reading find and count."""
    results = []
    for in_blocks in (True, False):
        one = Reader(SERVICES.get, **how)
        found: Counter[Any] = Counter()
        for start in range(0, len(lines), 700):
            some = lines[start : start + 700]
            if in_blocks:
                found += sockets(one.batches(some))
            else:
                found += sockets(to_batches(one.read(some)))
        found += sockets(to_batches(one.finish()))
        counted = (one.rows, one.unreadable, one.numbers, one.snapshots, one.recognised)
        results.append((found, counted))
    return results


def same(lines: Sequence[str], **how: Any) -> Counter[Any]:
    at_once, by_line = both(lines, **how)
    assert at_once == by_line
    return at_once[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(DATA).as_posix())
def test_every_sample_with_its_lines_repeated(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", "replace")
    if text.startswith(("{", "[")):
        pytest.skip("JSON has no lines")
    same([line for line in text.splitlines() for _ in range(40)])


PLAIN = {
    "ss": (SS, "{state:<10} {n} {q} 10.0.0.{n}:80 192.0.2.{n}:{port}   "),
    "ss-ipv6": (SS, "{state:<10} {n} {q} [2001:db8::{n}]:80 [::1]:{port}"),
    "ss-netid": ("Netid " + SS, "tcp {state:<10} 0 0 10.0.0.{n}:80 192.0.2.1:{port}"),
    "netstat": (NETSTAT, "tcp {n} {q} 10.0.0.{n}:80 192.0.2.{n}:{port} {under}"),
    "netstat-ipv6": (NETSTAT, "tcp6 {n} 0 ::1:80 10.0.0.{n}:{port} {under} "),
    "lsof": (
        LSOF,
        "p\\x20y {n} root {n}u IPv4 4{n} 0t0 TCP 10.0.0.{n}:80->10.0.0.1:{port} ({under})",
    ),
    "lsof-many": (LSOF, "x 7 root *{n:03}u IPv4 4 0t0 TCP 10.0.0.{n}:{port} (LISTEN)"),
    "lsof-ipv6": (LSOF, "x 7 1000 {n}u IPv6 4{n} 0t0 TCP *:{port} (LISTEN)"),
}
STATES = ("LISTEN", "ESTAB", "TIME-WAIT", "CLOSE-WAIT", "SYN-SENT")
UNDER = ("LISTEN", "ESTABLISHED", "TIME_WAIT", "CLOSE_WAIT", "SYN_SENT")


def plain(kind: str, number: int, seed: int = 3) -> list[str]:
    heading, form = PLAIN[kind]
    order = random.Random(seed)
    return [
        heading.rstrip("\n"),
        *(
            form.format(
                state=order.choice(STATES),
                under=order.choice(UNDER),
                n=order.randrange(1, 255),
                q=order.choice((0, 5, 128)),
                port=order.randrange(1, 65536),
            )
            for _ in range(number)
        ),
    ]


@pytest.mark.parametrize("kind", PLAIN)
def test_a_long_plain_listing_is_read_at_once(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = plain(kind, 3000)
    assert sum(same(lines).values()) == 3000
    by_line: list[str] = []
    read = Reader.read

    def noted(self: Reader, some: Iterable[str]) -> Any:
        some = list(some)
        by_line.extend(some)
        return read(self, some)

    monkeypatch.setattr(Reader, "read", noted)
    one = Reader(SERVICES.get)
    assert sum(map(len, one.batches(lines))) + len(one.finish()) == 3000
    assert len(by_line) < 3000 * 0.1


# What a line that breaks a run may look like; {line} is the plain one.
ODD = (
    "",
    "garbage",
    "# {line}",
    "  {line}",
    '{line} users:(("x",pid=1,fd=3))',
    "{line} timer:(on,200ms,3)",
    "\t cubic wscale:7,7 rto:204 rtt:1/2",
    "{line}extra",
    "10.0.0.1",
    "\x1b[31m{line}\x1b[0m",
    "> {line}",
)


@pytest.mark.parametrize("odd", range(len(ODD)))
@pytest.mark.parametrize("kind", PLAIN)
def test_what_breaks_a_run(kind: str, odd: int) -> None:
    lines = plain(kind, 400)
    order = random.Random(odd)
    for place in order.sample(range(1, 400), 5):
        lines.insert(place, ODD[odd].format(line=lines[place]))
    same(lines)


REPLACED = (
    ("10.0.0.", "10.0.999."),
    (":80", ":99999"),
    (":80", ":ssh"),
    (":80", ":*"),
    (":80", ":"),
    (":80", ""),
    ("->10.0.0.1:", "->"),
    ("->10.0.0.1", "->"),
    (" ", " " * 70_000),
    ("0", "\N{DEVANAGARI DIGIT ONE}"),
    ("LISTEN", "LISTENER"),
    ("192.0.2.1", "192.0.2.1%eth0"),
    ("10.0.0.", "*"),
    (" ", ""),
    ("0", "00000000000000000000000000000000000"),
    ("::1", "fe80:1111:2222:3333:4"),
    ("IPv4", "IPv5"),
    ("root", "r;t"),
)


@pytest.mark.parametrize("replaced", range(len(REPLACED)))
@pytest.mark.parametrize("kind", PLAIN)
def test_values_that_are_not_plain(kind: str, replaced: int) -> None:
    old, new = REPLACED[replaced]
    lines = plain(kind, 300)
    for place in (40, 41, 200, 300):
        lines[place] = lines[place].replace(old, new, 1)
    same(lines)


def test_an_arrow_without_an_end_beside_a_listener() -> None:
    lines = plain("lsof-many", 200)
    lines[60] = lines[60].replace(" (LISTEN)", "-> (LISTEN)")
    assert sum(same(lines).values()) == 199


@pytest.mark.parametrize(
    ("first", "second"), [("UNCONN", "LISTEN"), ("ESTAB", "UNCONN")]
)
def test_a_protocol_that_later_lines_decide(first: str, second: str) -> None:
    lines = plain("ss-netid", 300)
    for place, state in ((60, first), (150, second)):
        lines[place] = f"{state} 0 0 10.0.0.1:80 192.0.2.1:0"
    same(lines)


def test_addresses_that_a_narrow_netstat_has_cut() -> None:
    heading = "Proto Recv-Q Send-Q Local Address    Foreign Address  (state)"
    row = "tcp 0 0 10.0.0.100:10031 192.0.2.1:443 ESTABLISHED"
    same([heading, *[row] * 300])


def test_a_repeated_heading_starts_a_snapshot() -> None:
    lines = plain("ss", 200) + plain("ss", 150, seed=4) + plain("netstat", 90)
    assert sum(same(lines).values()) == 440
    assert sum(same(lines, snapshot=1).values()) == 200
    assert sum(same(lines, snapshot=2).values()) == 240


def test_details_below_the_last_line_of_a_run_belong_to_it() -> None:
    lines = plain("ss", 100)
    lines.insert(70, "\t cubic rto:204 rtt:1.5/0.75 cwnd:10")
    found = same(lines)
    with_info = [row for row in found if any("'rtt': 1500" in str(v) for v in row)]
    assert len(with_info) == 1


def test_a_listing_without_runs_is_not_searched_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = plain("ss", 8000)
    lines[1::2] = [f"{line} timer:(on,200ms,3)" for line in lines[1::2]]
    searched: list[int] = []
    convert = blocks.plain_batches

    def counted(shape: Any, some: Sequence[str], endpoints: Any) -> Any:
        searched.append(len(some))
        return convert(shape, some, endpoints)

    monkeypatch.setattr(blocks, "plain_batches", counted)
    one = Reader(SERVICES.get)
    assert sum(map(len, one.batches(lines))) + len(one.finish()) == 8000
    assert 0 < sum(searched) < 2000


@pytest.mark.parametrize("kind", PLAIN)
def test_what_the_gate_refuses_is_read_by_line(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = plain(kind, 400)
    expected = same(lines)
    asked: list[int] = []

    def refusing(columns: Any) -> bool:
        asked.append(len(columns))
        return False

    monkeypatch.setattr(blocks, "are_valid", refusing)
    assert same(lines) == expected
    assert asked
