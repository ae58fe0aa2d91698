"""Sort the kernel's notices of ended sockets into batches: see `collect.ended`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import unpack_from
from typing import NamedTuple

from tcpstates.parse.diag_batch import ATTRIBUTES, FAMILY, DiagBatch
from tcpstates.parse.diag_states import label_table
from tcpstates.parse.inet_diag import SOCK_DIAG_BY_FAMILY

_FAMILIES = {2: "ipv4", 10: "ipv6"}
# The bit of the group that a notice was sent to.
_PROTOCOLS = {0b0001: "tcp", 0b0010: "udp", 0b0100: "tcp", 0b1000: "udp"}


class Notice(NamedTuple):
    """One message, and when it was received."""

    time: float  # seconds since the epoch
    monotonic: float  # seconds of `time.monotonic`
    group: int
    datagram: bytes
    netns: str | None = None  # the network namespace; None: our own
    netns_id: int | None = None


class Ended(NamedTuple):
    """Sockets that have ended, and when each was heard of."""

    batch: DiagBatch
    notices: list[Notice]


def sort_notices(notices: Iterable[Notice]) -> Iterator[Ended]:
    """Yield notices of one kind together; skip malformed ones."""
    alike: dict[tuple[str, str, int, int | None], list[Notice]] = {}
    for notice in notices:
        datagram, protocol = notice.datagram, _PROTOCOLS.get(notice.group)
        if protocol is None or len(datagram) < ATTRIBUTES or len(datagram) % 4:
            continue
        length, kind = unpack_from("=IH", datagram)
        family = _FAMILIES.get(datagram[FAMILY])
        if length == len(datagram) and kind == SOCK_DIAG_BY_FAMILY and family:
            kind_of = protocol, family, length, notice.netns_id
            alike.setdefault(kind_of, []).append(notice)
    for (protocol, family, length, netns_id), found in alike.items():
        rows = b"".join([notice.datagram for notice in found])
        labels = label_table(protocol, bound=False)
        batch = DiagBatch(protocol, family, rows, length, labels)
        if netns_id is not None:
            batch.set("netns_id", [netns_id] * len(batch))
            batch.set("netns", [found[0].netns] * len(batch))
        yield Ended(batch, found)
