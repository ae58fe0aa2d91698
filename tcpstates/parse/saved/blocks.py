"""Read runs of lines of one shape at once: 2 us per line instead of 6.

Most lines of a long listing are plain sockets, printed alike. A layout describes such a
line by a `Shape`; a run of them is cut into columns by one pattern, and the columns
become batches. Everything else, and a run in which a value is not plain after all, is
read line by line, with the same result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import compress, repeat
from typing import Any

from tcpstates.batch import ColumnBatch
from tcpstates.fields import SIDES_OF_A_SOCKET, ColumnName
from tcpstates.model import Owner
from tcpstates.parse.saved.endpoints import Address, Endpoints, spelled_out
from tcpstates.parse.saved.gate import are_valid
from tcpstates.parse.saved.layout import Layout, Shape
from tcpstates.parse.saved.rows import MalformedLine, encode_name, label_columns

# Lines to try at once: more after each run that fills the window, because the rest of
# the window is tried again.
FIRST_WINDOW, _WIDEST_WINDOW = 128, 2048
LEAST = 32  # lines of a run for which this is quicker
_PROTOCOL = "tcp"
_FAMILIES = {"4": "ipv4", "6": "ipv6"}

Columns = Mapping[str, Sequence[str]]  # the groups of a shape's pattern, for all lines


class PlainRuns:
    """Finds the runs in the lines of one file."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._window = FIRST_WINDOW

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
        run, _ = cut_run(shape, lines[place : place + LEAST + 1])
        if run <= LEAST:
            return run or 1, None
        run, found = cut_run(shape, lines[place : place + self._window])
        is_full = run == self._window
        self._window = (
            min(2 * self._window, _WIDEST_WINDOW) if is_full else FIRST_WINDOW
        )
        return run - 1, to_column_batches(shape, found[:-1], self._endpoints)


def cut_run(shape: Shape, lines: Sequence[str]) -> tuple[int, list[tuple[str, ...]]]:
    """Return how many of the first lines have the shape, and their groups."""
    text = "\n".join(lines) + "\n"
    line, run = _patterns(shape.line)
    found = line.findall(text)
    number = len(lines)
    if len(found) != number:
        same = run.match(text)
        if same is None:
            return 0, []
        number = text.count("\n", 0, same.end())
        found = line.findall(text, 0, same.end())
    return number, found


@cache
def _patterns(line: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Compile a shape: for one line, and for a run of lines."""
    return re.compile(f"^{line}\n", re.MULTILINE), re.compile(f"(?:{line}\n)+")


def to_column_batches(
    shape: Shape, found: Sequence[tuple[str, ...]], endpoints: Endpoints
) -> list[ColumnBatch] | None:
    """Convert the groups of a run; None if a value is unusual: then read by line."""
    names = _patterns(shape.line)[0].groupindex
    columns = dict(zip(names, zip(*found, strict=True), strict=True))
    if shape.states is not None and not shape.states.issuperset(columns["state"]):
        return None
    texts = {*columns["local"], *columns["remote"]}
    try:
        # lsof prints no remote end for a listener.
        addresses = {text: endpoints.address(text or "*") for text in texts}
        local = _ports(columns["local_port"], endpoints)
        remote = _ports(columns["remote_port"], endpoints)
    except MalformedLine:
        return None
    if not all(address.is_whole for address in addresses.values()):
        return None
    if shape.width is not None and _may_be_cut(shape.width, columns):
        return None
    made = _made(shape, columns)
    made["local_port"], made["remote_port"] = local, remote
    families = _families(shape, columns, addresses)
    batches = []
    for family in dict.fromkeys(families):
        batch = _batch(family, families, columns, made, addresses)
        if batch is None:
            return None
        batches.append(batch)
    return batches


def _ports(texts: Sequence[str], endpoints: Endpoints) -> list[int | str]:
    if "" in texts:
        texts = [text or "*" for text in texts]
    return list(map(endpoints.ports.__getitem__, texts))


def _batch(
    family: str,
    families: Sequence[str],
    columns: Columns,
    made: Mapping[ColumnName, Sequence[Any]],
    addresses: Mapping[str, Address],
) -> ColumnBatch | None:
    """Make a batch of the sockets of one family; None if a value is unusual."""
    local, remote = columns["local"], columns["remote"]
    count = families.count(family)
    if count < len(families):
        chosen = [each == family for each in families]
        local, remote = list(compress(local, chosen)), list(compress(remote, chosen))
        made = {name: list(compress(values, chosen)) for name, values in made.items()}
    shown = {text: spelled_out(each, family) for text, each in addresses.items()}
    fixed: dict[ColumnName, Sequence[Any]] = {
        **made,
        "local_address": list(map(shown.__getitem__, local)),
        "remote_address": list(map(shown.__getitem__, remote)),
    }
    if not are_valid(fixed):
        return None
    owners = made.get("processes")
    labels = label_columns(_PROTOCOL, made["raw_state"], owners)
    if any(label.startswith("UNKNOWN") for label in set(labels["state_label"])):
        return None
    return ColumnBatch(_PROTOCOL, family, count, {**fixed, **labels})


def _may_be_cut(width: int, columns: Columns) -> bool:
    """Whether an endpoint is so long that the tool may have cut it off."""
    return any(
        _longest(columns[side]) + 1 + _longest(columns[f"{side}_port"]) >= width
        and any(
            len(address) + 1 + len(port) >= width
            for address, port in zip(
                columns[side], columns[f"{side}_port"], strict=True
            )
        )
        for side in SIDES_OF_A_SOCKET
    )


def _longest(texts: Sequence[str]) -> int:
    return max(map(len, texts))


def _families(
    shape: Shape, columns: Columns, addresses: Mapping[str, Address]
) -> Sequence[str]:
    """Return each socket's family: that of its shape, a column, or its address."""
    if shape.family is not None:
        return [shape.family] * len(columns["local"])
    if "family" in columns:
        return list(map(_FAMILIES.__getitem__, columns["family"]))
    families = {text: each.family or "ipv4" for text, each in addresses.items()}
    return list(map(families.__getitem__, columns["local"]))


def _made(shape: Shape, columns: Columns) -> dict[ColumnName, Sequence[Any]]:
    """Make the columns that do not depend on the family, except the ports."""
    states = columns["state"]
    made: dict[ColumnName, Sequence[Any]] = {
        "raw_state": states,
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
    if "pid" in columns:
        made["processes"] = _owners(shape, columns)
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


def _owners(shape: Shape, columns: Columns) -> list[tuple[Owner, ...]]:
    """Make the owner of each row; its descriptor is unknown if it is not a number."""
    names = {text: encode_name(shape.unescape(text)) for text in {*columns["command"]}}
    pids = {text: int(text) for text in {*columns["pid"]}}
    numbers = {
        text: int(text) if text.isdecimal() else None for text in {*columns["fd"]}
    }
    rows = zip(
        map(pids.__getitem__, columns["pid"]),
        map(names.__getitem__, columns["command"]),
        map(numbers.__getitem__, columns["fd"]),
        strict=True,
    )
    # `Owner._make` does this with a call of Python, which takes four times as long.
    return list(zip(map(tuple.__new__, repeat(Owner), rows)))
