"""The layout of netstat on macOS and the BSDs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tcpstates.batch import Batch
from tcpstates.fields import Side
from tcpstates.like.layout import Shown, endpoints, in_order
from tcpstates.model import Names
from tcpstates.text import sanitise

_ADDRESS = 22  # characters of an endpoint's column
_HEADING = "{:<5} {:>6} {:>6}  {:<22.22} {:<22.22} {}"


def render(batches: Iterable[Batch], names: Names, shown: Shown) -> Iterator[str]:
    """Yield the two lines of heading, and the rows."""
    if shown.header:
        servers = " (including servers)" if shown.all_states else ""
        yield f"Active Internet connections{servers}\n"
        words = ("Proto", "Recv-Q", "Send-Q", "Local Address", "Foreign Address")
        yield _HEADING.format(*words, "(state)") + "\n"
    for batch in in_order(batches, ("tcp", "udp")):
        yield "".join(_rows(batch, names, shown))


def _rows(batch: Batch, names: Names, shown: Shown) -> Iterator[str]:
    protocol = batch.protocol + ("4" if batch.family == "ipv4" else "6")
    local, remote = (
        _endpoints(batch, side, names, shown) for side in ("local", "remote")
    )
    rows = zip(
        batch.column("state_label"),
        batch.rows("recv_q", "send_q"),
        local,
        remote,
        strict=True,
    )
    for label, (recv_q, send_q), near, far in rows:
        state = "" if batch.protocol == "udp" else names.state_names.get(label, label)
        queues = (0, 0) if label == "LISTEN" else (recv_q or 0, send_q or 0)
        line = f"{protocol:<5} {queues[0]:>6} {queues[1]:>6}  {near:<22} {far:<22}"
        yield f"{line} {sanitise(state)}".rstrip() + "\n"


def _endpoints(batch: Batch, side: Side, names: Names, shown: Shown) -> list[str]:
    """Format endpoints: a dot before the port, "*" for a wildcard."""
    found = []
    for address, port in endpoints(batch, side, names):
        room = None if shown.wide else max(_ADDRESS - len(port) - 1, 0)
        found.append(f"{address[:room]}.{port}")
    return found
