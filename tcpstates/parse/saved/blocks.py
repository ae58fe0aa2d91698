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
from itertools import compress
from typing import Any

from tcpstates.batch import ColumnBatch
from tcpstates.fields import ColumnName
from tcpstates.model import Owner
from tcpstates.parse.saved.endpoints import Address, Endpoints, spelled_out
from tcpstates.parse.saved.gate import are_valid
from tcpstates.parse.saved.layout import Layout, Shape
from tcpstates.parse.saved.rows import MalformedLine, encode_name, label_columns

WINDOW = 512  # lines to try at once, and so the most rows of a batch
LEAST = 32  # lines of a run for which this is quicker
_PROTOCOL = "tcp"

Columns = Mapping[str, Sequence[str]]  # the groups of a shape's pattern, for all lines


def plain_run(
    layout: Layout, lines: Sequence[str], place: int, endpoints: Endpoints
) -> tuple[int, list[ColumnBatch] | None]:
    """Return how many lines from `place` on are plain, and their batches.

    None: read by line. The last line of a run is left for later, because what follows
    may belong to it.
    """
    shape = layout.shape(lines[place]) if len(lines) - place > LEAST else None
    if shape is None:
        return 0, None
    run, _ = cut_run(shape, lines[place : place + LEAST + 1])
    if run <= LEAST:
        return run or 1, None
    run, found = cut_run(shape, lines[place : place + WINDOW])
    return run - 1, to_column_batches(shape, found[:-1], endpoints)


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
    texts = {*columns["local"], *columns["remote"]}
    ports = {*columns["local_port"], *columns["remote_port"]}
    try:
        addresses = {text: endpoints.address(text) for text in texts if text}
        numbers = {text: endpoints.port(text) for text in ports if text}
    except MalformedLine:
        return None
    if not all(address.is_whole for address in addresses.values()):
        return None
    if shape.width is not None and _may_be_cut(shape.width, columns):
        return None
    # lsof prints no remote end for a listener.
    addresses.setdefault("", endpoints.address("*"))
    numbers.setdefault("", 0)
    families = _families(shape, columns, addresses)
    more = _more(shape, columns)
    batches = []
    for family in dict.fromkeys(families):
        chosen = [each == family for each in families]
        same = {
            name: list(compress(values, chosen)) for name, values in columns.items()
        }
        fixed = _fixed(shape, family, same, addresses, numbers)
        rest = {name: list(compress(values, chosen)) for name, values in more.items()}
        count = sum(chosen)
        if not are_valid({**fixed, **rest}):
            return None
        owned = rest.get("processes") or [()] * count
        labels = label_columns(_PROTOCOL, same["state"], owned)
        if any(label.startswith("UNKNOWN") for label in set(labels["state_label"])):
            return None
        batches.append(
            ColumnBatch(_PROTOCOL, family, count, {**fixed, **rest, **labels})
        )
    return batches


def _may_be_cut(width: int, columns: Columns) -> bool:
    """Whether an endpoint is so long that the tool may have cut it off."""
    return any(
        len(address) + 1 + len(port) >= width
        for side in ("local", "remote")
        for address, port in zip(columns[side], columns[f"{side}_port"], strict=True)
    )


def _families(
    shape: Shape, columns: Columns, addresses: Mapping[str, Address]
) -> list[str]:
    """Return each socket's family: that of its shape, a column, or its address."""
    if shape.family is not None:
        return [shape.family] * len(columns["local"])
    if "family" in columns:
        return [f"ipv{digit}" for digit in columns["family"]]
    return [addresses[text].family or "ipv4" for text in columns["local"]]


def _fixed(
    shape: Shape,
    family: str,
    columns: Columns,
    addresses: Mapping[str, Address],
    numbers: Mapping[str, Any],
) -> dict[ColumnName, Sequence[Any]]:
    shown = {text: spelled_out(each, family) for text, each in addresses.items()}
    made: dict[ColumnName, Sequence[Any]] = {
        "raw_state": columns["state"],
        "local_address": list(map(shown.__getitem__, columns["local"])),
        "local_port": list(map(numbers.__getitem__, columns["local_port"])),
        "remote_address": list(map(shown.__getitem__, columns["remote"])),
        "remote_port": list(map(numbers.__getitem__, columns["remote_port"])),
        "recv_q": [None] * len(columns["state"]),
        "send_q": [None] * len(columns["state"]),
    }
    if "recv_q" in columns:
        made["recv_q"] = list(map(int, columns["recv_q"]))
        sent: list[int | None] = list(map(int, columns["send_q"]))
        if not shape.has_backlog_limit and "LISTEN" in columns["state"]:
            pairs = zip(columns["state"], sent, strict=True)
            sent = [None if state == "LISTEN" else number for state, number in pairs]
        made["send_q"] = sent
    return made


def _more(shape: Shape, columns: Columns) -> dict[ColumnName, Sequence[Any]]:
    """Make the columns that only some shapes have."""
    more: dict[ColumnName, Sequence[Any]] = {}
    if "pid" in columns:
        commands = {text: shape.unescape(text) for text in set(columns["command"])}
        names = {text: encode_name(command) for text, command in commands.items()}
        rows = zip(columns["pid"], columns["command"], columns["fd"], strict=True)
        more["processes"] = [
            (Owner(int(pid), names[text], int(fd) if fd.isdecimal() else None),)
            for pid, text, fd in rows
        ]
    if "user" in columns:
        users = columns["user"]
        is_number = {text: text.isdecimal() for text in set(users)}
        if any(is_number.values()):
            more["uid"] = [int(t) if is_number[t] else None for t in users]
        if not all(is_number.values()):
            more["user_name"] = [None if is_number[t] else t for t in users]
    if "inode" in columns:
        more["inode"] = list(map(int, columns["inode"]))
    return more
