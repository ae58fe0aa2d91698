"""Where sockets are: several places at once, and several questions to one place."""

from __future__ import annotations

from pathlib import Path

import pytest

import tcpstates
from tcpstates.errors import ArgumentError, FileUnavailable
from tcpstates.model import Limitation, Request
from tcpstates.origin import LiveHost, Origin, to_origin
from tcpstates.pipeline import join_listings, list_sockets, select

HEADING = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
ROW = "ESTAB 0 0 10.0.0.{}:80 10.0.9.9:99\n"
BROKEN = "ESTAB 0 0 10.0.0.1:99999 10.0.9.9:99\n"


def listing_of(folder: Path, name: str, *rows: str) -> Origin:
    path = folder / name
    path.write_text(HEADING + "".join(rows))
    return tcpstates.saved(str(path))


def test_each_row_knows_its_origin(tmp_path: Path) -> None:
    origins = [
        listing_of(tmp_path, "one", ROW.format(1), BROKEN),
        listing_of(tmp_path, "two", ROW.format(2), ROW.format(3)),
    ]
    joined = join_listings([list_sockets(Request(), each) for each in origins])
    found = {
        (batch.origin, address)
        for batch in joined.batches
        for address in batch.column("local_address")
    }
    assert found == {
        (str(tmp_path / "one"), "10.0.0.1"),
        (str(tmp_path / "two"), "10.0.0.2"),
        (str(tmp_path / "two"), "10.0.0.3"),
    }
    assert [limit.kind for limit in joined.limitations] == ["rows-skipped"]
    assert joined.source == "file"


def test_a_selection_of_rows_keeps_their_origin(tmp_path: Path) -> None:
    origin = listing_of(tmp_path, "one", ROW.format(1), ROW.format(2))
    chosen = select(["src 10.0.0.2"], origin, Request())
    (batch,) = list_sockets(Request(), origin, chosen).batches
    assert (batch.origin, len(batch)) == (str(tmp_path / "one"), 1)


def test_this_host_needs_no_label() -> None:
    labels = {batch.origin for batch in list_sockets(Request(), LiveHost()).batches}
    assert labels <= {""}


def test_what_limits_a_listing_is_reported_by_each_reading(tmp_path: Path) -> None:
    origin = listing_of(tmp_path, "one", ROW.format(1), BROKEN)
    for words in ([], ["listener"], ["not", "listener"]):
        limitations = tcpstates.snapshot(words, source=origin).limitations
        assert [limit.kind for limit in limitations] == ["rows-skipped"], words


def test_what_one_reader_sets_no_other_sees(tmp_path: Path) -> None:
    origin = listing_of(tmp_path, "one", ROW.format(1))
    for port in (80, 80):
        (batch,) = origin.read(Request(), []).batches
        assert list(batch.column("local_port")) == [port]
        batch.set("local_port", ["http"])
    service = "ESTAB 0 0 10.0.0.1:no-such-service 10.0.0.2:99\n"
    named = listing_of(tmp_path, "two", service)
    for _ in range(2):  # the doctor spells services; filters compare numbers
        found = tcpstates.examine("dport = :99", source=named)
        assert sum(found.counted.values()) == 1
        assert tcpstates.examine("sport = :80", source=named).counted == {}


def test_a_name_is_this_host_through_that_source() -> None:
    assert isinstance(to_origin("psutil"), LiveHost)
    with pytest.raises(ArgumentError, match="unknown source 'bogus'"):
        to_origin("bogus")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    limitations: list[Limitation] = []
    origin = tcpstates.saved(str(tmp_path / "none"))
    with pytest.raises(FileUnavailable, match=r"none: cannot be read: No such file"):
        origin.read(Request(), limitations)
