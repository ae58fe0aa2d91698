"""The layout of netstat on Windows, in English."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tcpstates.batch import Batch
from tcpstates.fields import Side
from tcpstates.like.layout import Shown, hosts, in_order, name_of, owners
from tcpstates.model import Names
from tcpstates.text import sanitise

_ROW = "  {:<7}{:<23}{:<23}{:<16}"


def render(batches: Iterable[Batch], names: Names, shown: Shown) -> Iterator[str]:
    """Yield the heading and the rows; -b puts the program below its socket."""
    if shown.header:
        yield "\nActive Connections\n\n"
        words = ("Proto", "Local Address", "Foreign Address", "State")
        line = _ROW.format(*words) + ("PID" if shown.timers else "")
        yield line.rstrip() + "\n"
    for batch in in_order(batches, ("tcp", "udp")):
        yield "".join(_rows(batch, names, shown))


def _rows(batch: Batch, names: Names, shown: Shown) -> Iterator[str]:
    is_udp = batch.protocol == "udp"
    labels = batch.column("state_label")
    local, remote = (_endpoints(batch, side, names) for side in ("local", "remote"))
    rows = zip(labels, local, remote, owners(batch), strict=True)
    for label, near, far, found in rows:
        state = "" if is_udp else sanitise(names.state_names.get(label, label))
        peer = "*:*" if is_udp else far
        pid = found[0].pid if found else 0  # 0: the idle process has what nobody owns
        line = _ROW.format(batch.protocol.upper(), near, peer, state)
        yield (f"{line}{pid}" if shown.timers else line).rstrip() + "\n"
        if shown.processes and found:
            yield f" [{name_of(found[0])}]\n"


def _endpoints(batch: Batch, side: Side, names: Names) -> list[str]:
    """Format endpoints; 0 is the port of no peer."""
    ports = batch.column("local_port" if side == "local" else "remote_port")
    shown = hosts(batch, side, names)
    return [
        f"[{address}]:{port or 0}" if ":" in address else f"{address}:{port or 0}"
        for address, port in zip(shown, ports, strict=True)
    ]
