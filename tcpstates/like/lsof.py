"""The layout of lsof -i: one row per process and descriptor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tcpstates.batch import Batch
from tcpstates.fields import Side
from tcpstates.like.layout import Shown, endpoints, name_of, owners, unmap
from tcpstates.model import Names
from tcpstates.text import sanitise

_LONGEST = 9  # characters of a command
_LARGEST = 9999  # a descriptor; larger ones are cut off

Row = tuple[str, ...]
# A descriptor is followed by its mode (u: both directions) and a blank for a lock.
_HEADING = (
    "COMMAND", "PID", "USER", "FD  ", "TYPE", "DEVICE", "SIZE/OFF", "NODE", "NAME",
)  # fmt: skip
_RIGHT = {1, 2, 3, 4, 5, 6, 7}


def render(batches: Iterable[Batch], names: Names, shown: Shown) -> Iterator[str]:
    """Yield the heading and the rows in the order of pids; or the pids alone."""
    found = sorted(row for batch in batches for row in _rows(batch, names))
    if shown.bare:
        yield "".join(f"{pid}\n" for pid in dict.fromkeys(pid for pid, *_ in found))
        return
    rows = [row for *_, row in found]
    if not rows:
        return
    if shown.header:
        rows.insert(0, _HEADING)
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADING))]
    for row in rows:
        cells = [
            cell.rjust(width) if index in _RIGHT else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield " ".join([*cells[:-1], row[-1]]) + "\n"


def _rows(batch: Batch, names: Names) -> Iterator[tuple[int, int, Row]]:
    kind = "IPv4" if batch.family == "ipv4" else "IPv6"
    local, remote = (_endpoints(batch, side, names) for side in ("local", "remote"))
    rows = zip(
        batch.column("state_label"),
        batch.column("uid"),
        batch.column("inode"),
        local,
        remote,
        owners(batch),
        strict=True,
    )
    for label, uid, inode, near, far, found in rows:
        name = near if far == "*:*" else f"{near}->{far}"
        state = sanitise(names.state_names.get(label, label))
        name += f" ({state})" if batch.protocol == "tcp" else " "
        user = "?" if uid is None else sanitise(names.user(uid) or f"{uid:>8}")
        for owner in found:
            fd = owner.fd
            shown = "?" if fd is None else str(fd)
            if fd is not None and fd > _LARGEST:
                shown = f"*{fd % 1000:03}"
            row = (
                _command(name_of(owner)),
                str(owner.pid),
                user,
                f"{shown:>4}u ",
                kind,
                str(inode or 0),
                "0t0",
                batch.protocol.upper(),
                name,
            )
            yield owner.pid, fd or 0, row


def _command(name: str) -> str:
    """Format a name: a blank is escaped, and no escape is cut in two."""
    shown = ""
    for character in name:
        escaped = "\\x20" if character == " " else character
        if len(shown) + len(escaped) > _LONGEST:
            break
        shown += escaped
    whole = name.replace(" ", "\\x20")
    return shown.ljust(min(len(whole), _LONGEST))


def _endpoints(batch: Batch, side: Side, names: Names) -> list[str]:
    """Format endpoints: "*" for a wildcard, brackets around IPv6."""
    found = []
    for host, port in endpoints(batch, side, names):
        address = unmap(host)
        found.append(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
    return found
