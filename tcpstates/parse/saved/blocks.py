"""Read runs of lines of one shape at once: 1.5 us per line instead of 6.

Most lines of a long listing are plain sockets, printed alike. A layout describes such a
line by a `Shape`; the words of a run of them are columns, and the columns become
batches. Everything else, and a run in which a value is not plain after all, is read
line by line, with the same result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import compress, repeat
from typing import Any

from tcpstates.batch import ColumnBatch, LateColumn
from tcpstates.fields import SIDES_OF_A_SOCKET, ColumnName
from tcpstates.model import Owner
from tcpstates.parse.saved.cleaning import LONGEST
from tcpstates.parse.saved.endpoints import Address, Endpoints, spelled_out
from tcpstates.parse.saved.gate import are_owners, are_valid
from tcpstates.parse.saved.layout import Layout, Shape, Words
from tcpstates.parse.saved.rows import MalformedLine, encode_name, label_columns
from tcpstates.parse.saved.shapes import FAMILIES, PORT_DIGITS, require_numbers

# Lines to try at once: more after each run that fills the window, because what is not
# plain is tried again.
_FIRST_WINDOW, _WIDEST_WINDOW = 128, 2048
LEAST = 32  # lines of a run for which this is quicker
_PROTOCOL = "tcp"
Parts = tuple[Sequence[Any], ...]  # pids, names and descriptors
# Between the words of two lines; a control character, which no plain line contains.
_END = "\0"


class PlainRuns:
    """Finds the runs in the lines of one file."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._window = _FIRST_WINDOW

    def at(
        self, layout: Layout, lines: Sequence[str], place: int
    ) -> tuple[int, list[ColumnBatch] | None]:
        """Return how many lines from `place` on are plain, and their batches.

        None: read by line. The last line of a run is left for later, because what
        follows may belong to it.
        """
        shape = layout.shape(lines[place]) if len(lines) - place > LEAST else None
        if shape is None:
            return 0, None
        size = min(self._window, len(lines) - place)
        is_whole = True
        while size > LEAST:
            batches = plain_batches(shape, lines[place : place + size], self._endpoints)
            if batches is not None:
                wider = min(2 * self._window, _WIDEST_WINDOW)
                self._window = wider if is_whole else _FIRST_WINDOW
                return size - 1, batches
            is_whole, size = False, size // 2
        self._window = _FIRST_WINDOW
        return 1, None


def plain_batches(
    shape: Shape, lines: Sequence[str], endpoints: Endpoints
) -> list[ColumnBatch] | None:
    """Convert all lines but the last one; None if one of them is not plain."""
    if max(map(len, lines)) > LONGEST:
        return None
    words = f" {_END} ".join(lines).split()
    width = shape.words + 1
    if len(words) != width * len(lines) - 1:
        return None
    if set(words[shape.words :: width]) != {_END}:
        return None
    try:
        columns = shape.columns([words[n::width] for n in range(shape.words)])
        rows = {name: texts[:-1] for name, texts in columns.items()}
        return _batches(shape, rows, endpoints)
    except (MalformedLine, ValueError, OverflowError):
        return None


def _batches(shape: Shape, columns: Words, endpoints: Endpoints) -> list[ColumnBatch]:
    """Convert columns of text; raise MalformedLine."""
    texts = {*columns["local"], *columns["remote"]}
    addresses = {text: endpoints.address(text) for text in texts}
    are_plain = all(address.is_whole for address in addresses.values())
    if not (are_plain and all(map(shape.address.fullmatch, texts))):
        raise MalformedLine
    if shape.width is not None and _may_be_cut(shape.width, columns):
        raise MalformedLine
    made = _made(shape, columns)
    owners = _owner_parts(shape, columns) if "pid" in columns else None
    families = _families(shape, columns, addresses)
    return [
        _batch(family, families, columns, made, addresses, owners)
        for family in dict.fromkeys(families)
    ]


def _batch(
    family: str,
    families: Sequence[str],
    columns: Words,
    made: Mapping[ColumnName, Sequence[Any]],
    addresses: Mapping[str, Address],
    owners: Parts | None,
) -> ColumnBatch:
    """Make a batch of the sockets of one family; raise MalformedLine.

    `owners`: the parts of the owner of each socket; None: they have none.
    """
    local, remote = columns["local"], columns["remote"]
    count = families.count(family)
    if count < len(families):
        chosen = [each == family for each in families]
        local, remote = list(compress(local, chosen)), list(compress(remote, chosen))
        made = {name: list(compress(values, chosen)) for name, values in made.items()}
        if owners is not None:
            owners = tuple(list(compress(part, chosen)) for part in owners)
    shown = {text: spelled_out(each, family) for text, each in addresses.items()}
    fixed: dict[ColumnName, Sequence[Any]] = {
        **made,
        "local_address": list(map(shown.__getitem__, local)),
        "remote_address": list(map(shown.__getitem__, remote)),
    }
    labels = label_columns(_PROTOCOL, made["raw_state"], None)
    if owners is not None:
        labels["processes"] = LateColumn(count, partial(_owners, owners))
        labels["no_process_reason"] = [None] * count
    is_known = not any(map(_is_unknown, set(labels["state_label"])))
    if not (is_known and are_valid(fixed)):
        raise MalformedLine
    return ColumnBatch(_PROTOCOL, family, count, {**fixed, **labels})


def _is_unknown(label: str) -> bool:
    return label.startswith("UNKNOWN")


def _may_be_cut(width: int, columns: Words) -> bool:
    """Whether an endpoint is so long that the tool may have cut it off."""
    for side in SIDES_OF_A_SOCKET:
        addresses, ports = columns[side], columns[f"{side}_port"]
        most = max(map(len, addresses)) + 1 + max(map(len, ports))
        if most >= width and any(
            len(address) + 1 + len(port) >= width
            for address, port in zip(addresses, ports, strict=True)
        ):
            return True
    return False


def _families(
    shape: Shape, columns: Words, addresses: Mapping[str, Address]
) -> Sequence[str]:
    """Return each socket's family: that of its shape, a column, or its address."""
    if shape.family is not None:
        return [shape.family] * len(columns["local"])
    if "family" in columns:
        return list(map(FAMILIES.__getitem__, columns["family"]))
    families = {text: each.family or "ipv4" for text, each in addresses.items()}
    return list(map(families.__getitem__, columns["local"]))


def _made(shape: Shape, columns: Words) -> dict[ColumnName, Sequence[Any]]:
    """Make the columns that do not depend on the family."""
    states = columns["state"]
    made: dict[ColumnName, Sequence[Any]] = {
        "raw_state": states,
        "local_port": _ports(columns["local_port"]),
        "remote_port": _ports(columns["remote_port"]),
        "recv_q": [None] * len(states),
        "send_q": [None] * len(states),
    }
    if "recv_q" in columns:
        made["recv_q"] = list(map(int, columns["recv_q"]))
        sent: list[int | None] = list(map(int, columns["send_q"]))
        if not shape.has_backlog_limit and "LISTEN" in states:
            pairs = zip(states, sent, strict=True)
            sent = [None if state == "LISTEN" else number for state, number in pairs]
        made["send_q"] = sent
    if "user" in columns:
        users = columns["user"]
        is_number = {text: text.isdecimal() for text in set(users)}
        if any(is_number.values()):
            made["uid"] = [int(t) if is_number[t] else None for t in users]
        if not all(is_number.values()):
            made["user_name"] = [None if is_number[t] else t for t in users]
    if "inode" in columns:
        made["inode"] = list(map(int, columns["inode"]))
    return made


def _ports(texts: Sequence[str]) -> list[int]:
    """Return port numbers, 0 for the wildcard; the gate refuses what is too high."""
    if "*" in texts:
        texts = ["0" if text == "*" else text for text in texts]
    require_numbers(texts, PORT_DIGITS)
    return list(map(int, texts))


def _owner_parts(shape: Shape, columns: Words) -> Parts:
    """Return the parts of the owner of each row; raise MalformedLine."""
    names = {text: encode_name(shape.unescape(text)) for text in {*columns["command"]}}
    pids = {text: int(text) for text in {*columns["pid"]}}
    descriptors: Sequence[Any] = columns["fd"]
    if not are_owners(list(pids.values()), list(names.values()), descriptors):
        raise MalformedLine
    return (
        list(map(pids.__getitem__, columns["pid"])),
        list(map(names.__getitem__, columns["command"])),
        descriptors,
    )


def _owners(parts: Parts) -> list[tuple[Owner, ...]]:
    """Make the owner of each row."""
    make: Any = tuple.__new__  # as Owner() does, in a quarter of the time
    return list(zip(map(make, repeat(Owner), zip(*parts, strict=True))))
