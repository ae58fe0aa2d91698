"""The layout of ss (iproute2, misc/ss.c).

Columns are as wide as their widest text. The address is aligned to the right and its
port to the left, so that the colons are below each other. Netid and State vanish if
there is only one of them. What -p, -o, -e and -m show shares the last column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tcpstates.batch import Batch
from tcpstates.columns.ss_info import ss_info_texts
from tcpstates.fields import ADDRESS, Side
from tcpstates.like.layout import Shown, hosts, in_order, name_of, owners, ports
from tcpstates.model import WILDCARDS, Names
from tcpstates.text import sanitise

_NETID, _STATE, _LOCAL, _LOCAL_PORT, _REMOTE, _REMOTE_PORT, _REST = 0, 1, 4, 5, 6, 7, 8
_HEADINGS = (
    "Netid", "State", "Recv-Q", "Send-Q", "Local Address:", "Port", "Peer Address:",
    "Port", "Process",
)  # fmt: skip
_RIGHT = {_LOCAL, _REMOTE}
# The delimiter before a column, unless it is the first one.
_BEFORE = ("", " ", " ", " ", " ", "", " ", "", "")
_TIMERS = {"retransmit": "on", "probe": "persist", "time-wait": "timewait"}
_MEMORY = ("r", "rb", "t", "tb", "f", "w", "o", "bl", "d")
# Which directions are still open, by the bits of sk_shutdown.
_ARROWS = {0: " <->", 1: " -->", 2: " <--", 3: " ---"}
_PORTION = 20_000  # rows that are aligned together: ss holds 5 MB

Row = tuple[str, ...]


def render(batches: Iterable[Batch], names: Names, shown: Shown) -> Iterator[str]:
    """Yield the heading and the rows."""
    request = shown.request
    hidden = {
        index
        for index, number in (
            (_NETID, len(request.protocols)),
            (_STATE, len(request.states) if not request.unknown_states else 2),
        )
        if number == 1
    }
    # UNCONN and CLOSED are one state to ss.
    if request.states <= {"CLOSED", "UNCONN"} and not request.unknown_states:
        hidden.add(_STATE)
    columns = [i for i in range(len(_HEADINGS)) if i not in hidden]
    held: list[Row] = [_HEADINGS] if shown.header else []
    for batch in in_order(batches, ("udp", "tcp")):
        held += _rows(batch, names, shown)
        if len(held) > _PORTION:
            yield _lines(held, columns)
            held = []
    yield _lines(held, columns)


def _lines(rows: Sequence[Row], columns: Sequence[int]) -> str:
    """Align rows; each column is as wide as its widest text."""
    widths = {i: max((len(row[i]) for row in rows), default=0) for i in columns}
    text = []
    for row in rows:
        line = ""
        for place, index in enumerate(columns):
            cell, width = row[index], widths[index]
            padded = cell.rjust(width) if index in _RIGHT else cell.ljust(width)
            line += (_BEFORE[index] if place else "") + padded
        text.append(line + "\n")
    return "".join(text)


def _rows(batch: Batch, names: Names, shown: Shown) -> Iterator[Row]:
    labels = batch.column("state_label")
    return zip(
        [batch.protocol] * len(batch),
        [sanitise(names.state_names.get(label, label)) for label in labels],
        [f"{queue or 0:<6}" for queue in batch.column("recv_q")],
        [f"{queue or 0:<6}" for queue in batch.column("send_q")],
        _addresses(batch, "local", names),
        ports(batch, "local", names),
        _addresses(batch, "remote", names),
        ports(batch, "remote", names),
        _rest(batch, names, shown),
        strict=True,
    )


def _addresses(batch: Batch, side: Side, names: Names) -> list[str]:
    """Format addresses with the colon behind them."""
    shown: Sequence[str] = hosts(batch, side, names)
    if batch.family == "ipv6":
        alone = batch.get("v6only") or [None] * len(batch)
        raw = batch.column(ADDRESS[side])
        shown = [
            "*"
            if address in WILDCARDS and not only
            else f"[{text}]"
            if ":" in text
            else text
            for address, text, only in zip(raw, shown, alone, strict=True)
        ]
    indexes = batch.get("interface_index") if side == "local" else None
    devices = [
        f"%{sanitise(names.interface(index) or str(index))}" if index else ""
        for index in indexes or [0] * len(batch)
    ]
    return [f"{text}{device}:" for text, device in zip(shown, devices, strict=True)]


def _rest(batch: Batch, names: Names, shown: Shown) -> list[str]:
    """Format what follows the addresses; each part begins with a blank."""
    parts: list[Sequence[str]] = []
    if shown.processes:
        parts.append(list(map(_users, owners(batch))))
    if shown.timers:
        parts.append(_timers(batch))
    if shown.extended:
        parts.append(_extended(batch, names))
    if shown.memory or (shown.info and batch.protocol == "tcp"):
        parts.append(["" if shown.wide else "\n\t"] * len(batch))
    if shown.memory:
        memory = batch.column("memory")
        parts.append(["" if each is None else _memory(each) for each in memory])
    if shown.info and batch.protocol == "tcp":
        details = ss_info_texts(
            batch, numeric=names.numeric, options=shown.timers, newest=False
        )
        parts.append([text or "" for text in details])
    if not parts:
        return [""] * len(batch)
    return list(map("".join, zip(*parts, strict=True)))


def _users(found: Sequence[object]) -> str:
    """Format processes, the latest one first, as ss does."""
    users = [
        f'("{name_of(owner)}",pid={owner.pid},fd={owner.fd})'  # type: ignore[attr-defined,arg-type]
        for owner in reversed(found)
    ]
    return f" users:({','.join(users)})" if users else ""


def _timers(batch: Batch) -> list[str]:
    found = []
    for timer, left, tries in batch.rows("timer", "timer_ms", "retransmits"):
        if timer in (None, "off"):
            found.append("")
        else:
            name = _TIMERS.get(timer, timer)
            found.append(f" timer:({name},{_time(left or 0)},{tries or 0})")
    return found


def _time(milliseconds: int) -> str:
    """Format a time as `print_ms_timer` does: 1min23sec, 3.200ms, 12sec."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    text = ""
    if minutes:
        rest = 0
        text += f"{minutes}min"
        if minutes > 9:
            seconds = 0
    if seconds:
        if seconds > 9:
            rest = 0
        text += f"{seconds}{'.' if rest else 'sec'}"
    if rest:
        text += f"{rest:03}ms"
    return text or "0sec"


def _extended(batch: Batch, names: Names) -> list[str]:
    rows = zip(
        batch.column("uid"),
        batch.column("inode"),
        batch.column("cookie"),
        batch.column("mark"),
        batch.column("cgroup_id"),
        batch.get("v6only") or [None] * len(batch),
        batch.get("shutdown") or [None] * len(batch),
        strict=True,
    )
    found = []
    for uid, inode, cookie, mark, cgroup, only, shutdown in rows:
        text = f" uid:{uid}" if uid else ""
        text += f" ino:{inode or 0}"
        text += "" if cookie is None else f" sk:{cookie:x}"
        if cgroup is not None:
            text += f" cgroup:{sanitise(names.cgroup(cgroup) or '/')}"
        if only is not None and batch.family == "ipv6":
            text += f" v6only:{int(only)}"
        text += f" fwmark:{mark:#x}" if mark else ""
        found.append(text + _ARROWS.get(shutdown, ""))
    return found


def _memory(used: dict[str, int]) -> str:
    numbers = zip(_MEMORY, used.values(), strict=False)
    return f" skmem:({','.join(f'{name}{number}' for name, number in numbers)})"
