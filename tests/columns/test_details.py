"""tcp_info as columns gives what the dictionary of each socket gives."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import pytest

from support.fakes import diag
from support.fakes.batches import FixedNames
from tcpstates.batch import Batch, ColumnBatch
from tcpstates.columns.details import info_texts
from tcpstates.fields import FIELDS, InfoColumn
from tcpstates.parse.inet_diag import DiagDecoder
from tcpstates.parse.tcp_info import PLACES, parse_tcp_info
from tcpstates.render.json_ import row_maker

INFO_COLUMNS: tuple[InfoColumn, ...] = get_args(InfoColumn)
INFO, CONGESTION, MARK = 2, 4, 15
# What Linux 3.2, 4.4, 4.9, 4.19, 5.4, 6.1, 6.18 and one to come send, and odd ones.
LENGTHS = (104, 148, 192, 224, 232, 248, 280, 328, 8, 6, 1, 0)
STATES = {"established": 1, "listen": 10, "fin_wait_1": 4}
RANDOM = random.Random(5)


def packed(length: int, *, small: bool) -> bytes:
    """Return a tcp_info whose numbers are those of a quiet connection, or any."""
    if not small:
        return RANDOM.randbytes(length)
    numbers = [RANDOM.choice((0, 0, 7, 300, 70_000)) for _ in range(length // 4 + 1)]
    return struct.pack(f"={len(numbers)}I", *numbers)[:length]


def messages(length: int, *, state: int, small: bool) -> list[bytes]:
    return [
        diag.message(
            state,
            cookie=cookie,
            attributes=(
                (INFO, packed(length, small=small)),
                (CONGESTION, b"cubic\0"),
            ),
        )
        for cookie in range(1, 6)
    ]


def batches(rows: Sequence[bytes]) -> Iterator[Batch]:
    decoder = DiagDecoder("tcp", sequence=1)
    decoder.port_id = 77
    yield from decoder.decode(b"".join(rows))
    yield from decoder.decode(diag.done())


def one_by_one(batch: Batch) -> ColumnBatch:
    """Return the same sockets from a source that has dictionaries only."""
    names = ("state_label", "congestion", "info")
    columns: dict[Any, Any] = {name: list(batch.column(name)) for name in names}  # type: ignore[arg-type]
    return ColumnBatch("tcp", batch.family, len(batch), columns)


def test_the_names_are_those_that_are_read() -> None:
    assert tuple(PLACES) == INFO_COLUMNS
    names = {f"info.{name}" for name in parse_tcp_info(bytes(400))}
    assert names == set(INFO_COLUMNS)


@pytest.mark.parametrize("small", [True, False], ids=["quiet", "any"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("length", LENGTHS)
def test_columns_give_what_dictionaries_give(
    length: int, state: str, small: bool
) -> None:
    rows = messages(length, state=STATES[state], small=small)
    found = 0
    for batch in batches(rows):
        found += len(batch)
        fields = batch.info_columns()
        assert (fields is None) == (length < 2)
        infos = batch.column("info")
        for name in INFO_COLUMNS:
            key = name.removeprefix("info.")
            expected = [info.get(key) if info else None for info in infos]
            assert list(batch.column(name)) == expected, name
        assert info_texts(batch) == info_texts(one_by_one(batch))
        shown = [field for field in FIELDS if field.name == "info"]
        made = row_maker(shown, FixedNames())(batch)
        assert [json.loads(row)["info"] or None for row in made] == [
            info or None for info in infos
        ]
    assert found == len(rows)


def test_sockets_with_different_attributes_are_read_one_by_one() -> None:
    info, mark = packed(280, small=True), struct.pack("=I", 9)
    rows = [
        diag.message(attributes=((INFO, info), (MARK, mark)), cookie=1),
        diag.message(attributes=((MARK, mark), (INFO, info)), cookie=2),
    ]
    (batch,) = batches(rows)
    assert batch.info_columns() is None
    assert info_texts(batch) == info_texts(one_by_one(batch))
    assert len(set(info_texts(batch))) == 1
    for name in INFO_COLUMNS:
        key = name.removeprefix("info.")
        assert batch.column(name) == [parse_tcp_info(info).get(key)] * 2


def test_a_socket_without_tcp_info_has_no_text() -> None:
    (batch,) = batches([diag.message(6, cookie=n) for n in (1, 2)])
    assert batch.info_columns() == ()
    assert info_texts(batch) == [None, None]


def test_the_text_of_a_connection() -> None:
    data = bytearray(280)
    struct.pack_into("=I", data, 8, 204_000)  # tcpi_rto
    struct.pack_into("=II", data, 68, 1500, 250)  # tcpi_rtt, tcpi_rttvar
    struct.pack_into("=I", data, 44, 90_000)  # tcpi_last_data_sent
    struct.pack_into("=I", data, 80, 10)  # tcpi_snd_cwnd
    struct.pack_into("=Q", data, 120, 5 * 2**32)  # tcpi_bytes_acked
    struct.pack_into("=Q", data, 160, 1_250_000)  # tcpi_delivery_rate
    (batch,) = batches(
        [diag.message(attributes=((INFO, bytes(data)), (CONGESTION, b"bbr\0")))]
    )
    (text,) = info_texts(batch)
    assert text == (
        "bbr rtt:1.5/0.25ms rto:204ms cwnd:10 unacked:0 lost:0 sent:0"
        " acked:21474836480 received:0 not_sent:0 last_sent:1m30s"
        " last_received:0ms last_ack:0ms delivery_rate:10Mbit/s"
    )


def test_a_listener_has_no_numbers() -> None:
    (batch,) = batches(
        [diag.message(10, attributes=((INFO, bytes(280)), (CONGESTION, b"bbr\0")))]
    )
    assert info_texts(batch) == ["bbr"]
