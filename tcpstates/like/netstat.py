"""The layout of netstat on Linux (net-tools, netstat.c)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tcpstates.batch import Batch
from tcpstates.collect.proc_files import read_title
from tcpstates.fields import Side
from tcpstates.like.layout import Shown, hosts, in_order, name_of, owners, ports, unmap
from tcpstates.model import Names, Owner
from tcpstates.text import decode_name, sanitise

_ADDRESS = 23  # characters of an endpoint's column
_SHORT = 22  # a longer endpoint is cut off, but for -W
_PORT_KEPT = 4  # characters of the address that stay in any case
_PROGRAM = 19  # characters of "PID/Program name"
_TIMERS = {
    "off": "off",
    "retransmit": "on",
    "keepalive": "keepalive",
    "time-wait": "timewait",
    "probe": "probe",
}


def render(batches: Iterable[Batch], names: Names, shown: Shown) -> Iterator[str]:
    """Yield the two lines of heading, and the rows."""
    if shown.header:
        which = "servers and established" if shown.all_states else "w/o servers"
        which = "only servers" if shown.listening else which
        yield f"Active Internet connections ({which})\n"
        yield _heading(shown)
    titles = _Titles()
    for batch in in_order(batches, ("tcp", "udp")):
        yield "".join(_rows(batch, names, shown, titles))


def _heading(shown: Shown) -> str:
    text = f"Proto Recv-Q Send-Q {'Local Address':<{_ADDRESS}}"
    text += f" {'Foreign Address':<{_ADDRESS}} State      "
    if shown.extended:
        text += " User       Inode     "
    if shown.processes:
        text += " PID/Program name    "
    if shown.timers:
        text += " Timer"
    return text + "\n"


def _rows(batch: Batch, names: Names, shown: Shown, titles: _Titles) -> Iterator[str]:
    protocol = batch.protocol + ("6" if batch.family == "ipv6" else "")
    labels = batch.column("state_label")
    rows = zip(
        labels,
        batch.rows("recv_q", "send_q", "uid", "inode"),
        _endpoints(batch, "local", names, shown),
        _endpoints(batch, "remote", names, shown),
        owners(batch),
        batch.rows("timer", "timer_ms", "retransmits"),
        strict=True,
    )
    for label, (recv_q, send_q, uid, inode), local, remote, found, timer in rows:
        # The kernel's text shows neither the limit of a backlog, nor UNCONN.
        sent = 0 if label == "LISTEN" else send_q or 0
        state = "" if label == "UNCONN" else names.state_names.get(label, label)
        line = (
            f"{protocol:<4}  {recv_q or 0:>6} {sent:>6} {local:<{_ADDRESS}}"
            f" {remote:<{_ADDRESS}} {sanitise(state):<11}"
        )
        if shown.extended:
            user = None if uid is None else names.user(uid)
            line += f" {sanitise(user or str(uid or 0)):<10} {inode or 0:<10}"
        if shown.processes:
            line += f" {titles.program(found):<20}"
        if shown.timers:
            line += f" {_timer(*timer)}"
        yield line + "\n"


def _endpoints(batch: Batch, side: Side, names: Names, shown: Shown) -> list[str]:
    found = []
    pairs = zip(hosts(batch, side, names), ports(batch, side, names), strict=True)
    for address, port in pairs:
        address = unmap(address)  # noqa: PLW2901
        if address == "::" and not names.numeric:
            address = "[::]"  # noqa: PLW2901
        if not shown.wide and len(address) + len(port) > _SHORT:
            port = port[: _SHORT - _PORT_KEPT]  # noqa: PLW2901
            address = address[: _SHORT - len(port)]  # noqa: PLW2901
        found.append(f"{address}:{port}")
    return found


def _timer(kind: str | None, left: int | None, tries: int | None) -> str:
    name = _TIMERS.get(kind or "off", "unkn-4")
    return f"{name} ({(left or 0) / 1000:2.2f}/{tries or 0}/0)"


class _Titles(dict[int, str | None]):
    """What netstat takes for the names of processes: the beginning of their titles."""

    def __missing__(self, pid: int) -> str | None:
        title = read_title(pid)
        self[pid] = found = None if title is None else sanitise(decode_name(title))
        return found

    def program(self, found: Sequence[Owner]) -> str:
        """Format the first process that owns a socket, or a dash."""
        if not found:
            return "-"
        owner = min(found, key=lambda owner: owner.pid or 0)
        pid = owner.pid or 0  # never 0: see `layout.owners`
        return f"{pid}/{self[pid] or name_of(owner)}"[:_PROGRAM]
