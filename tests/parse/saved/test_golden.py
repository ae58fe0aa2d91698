"""What is read from every sample, field by field.

The expected rows are in tests/golden/saved; `pytest --update-golden` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Golden
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import Row, to_batches

SAMPLES = Path(__file__).parents[2] / "data" / "saved"
MOST = 60  # rows shown of a sample; of the others their number is enough
SERVICES = {"http": 80, "https": 443, "ssh": 22, "domain": 53, "ntp": 123}


def decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    return raw.decode("utf-8", "surrogateescape").removeprefix("\ufeff")


def shown(row: Row) -> str:
    """Return a row as a line; `ascii` because names may be any bytes."""
    more = ", ".join(
        f"{key}={value!r}" for key, value in sorted((row.more or {}).items())
    )
    fields = (*row[:4], row.local_port, *row[5:9])
    return ascii(f"{' '.join(map(str, fields))} | {more}")


@pytest.mark.parametrize(
    "path",
    sorted(
        p
        for p in SAMPLES.rglob("*")
        if p.is_file() and p.suffix in (".txt", ".csv", "")
    ),
    ids=lambda path: path.relative_to(SAMPLES).as_posix(),
)
def test_what_is_read(path: Path, golden: Golden) -> None:
    reader = Reader(SERVICES.get)
    text = decoded(path.read_bytes()).replace("\r\n", "\n")
    rows = [*reader.read(text.split("\n")), *reader.finish()]
    words = [word for found in to_batches(rows) for word in found.column("state_label")]
    lines = [
        f"layouts {sorted(reader.recognised)}, snapshots {reader.snapshots}",
        f"rows {len(rows)}, unreadable {reader.unreadable} {reader.numbers}",
        f"states {sorted((word, words.count(word)) for word in set(words))!a}",
        *map(shown, rows[:MOST]),
    ]
    name = path.relative_to(SAMPLES).as_posix().replace("/", "-")
    golden(f"saved/{name}.txt", "\n".join(lines) + "\n")
