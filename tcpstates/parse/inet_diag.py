"""Encode requests to the kernel's sock_diag, and sort its replies into batches.

Layouts: `linux/inet_diag.h`, `linux/netlink.h`. A reply is a datagram of messages,
each with a netlink header, an `inet_diag_msg` and attributes.

Messages of one kind have the same length. So most datagrams are a table of equally
long rows, and a column is one strided slice. In other datagrams, the messages are
first sorted into such tables by length and family.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from struct import Struct, pack, unpack_from

from tcpstates.errors import ParseError
from tcpstates.parse.diag_batch import (
    ATTRIBUTES,
    FAMILY,
    WITH_INFO,
    WITH_MEMORY,
    DiagBatch,
)
from tcpstates.parse.diag_states import label_table
from tcpstates.protocols import PROTOCOLS

SOCK_DIAG_BY_FAMILY = 20
TCPDIAG_GETSOCK = 18  # version 1 of the protocol: family 0 dumps both families
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_DUMP_INTR = 0x10
_NLM_F_REQUEST_DUMP = 0x301
_INET_DIAG_REQ_BYTECODE = 1

_FAMILY_NUMBERS = {"ipv4": 2, "ipv6": 10}
_FAMILY_NAMES = {2: "ipv4", 10: "ipv6"}

_WINDOW = 4096  # sockets in which repeats are detected
_BATCH = 200  # sockets
_MOST_LENGTHS = 32  # of messages; others are split off one by one
_HEADER = Struct("=IHHII").unpack_from


def encode_request(
    protocol: str,
    family: str | None,
    *,
    mask: int,
    sequence: int,
    info: bool = False,
    memory: bool = False,
    program: bytes = b"",
) -> bytes:
    """Encode a dump request; family None (TCP only) requests both in one dump.

    `info` requests tcp_info and the congestion control, and `memory` skmeminfo.
    `program` is bytecode that decides which sockets the kernel reports.
    """
    extensions = 0
    if info:
        extensions |= WITH_INFO
    if memory:
        extensions |= WITH_MEMORY
    if family is None:  # struct inet_diag_req
        kind = TCPDIAG_GETSOCK
        body = pack("=BBBB48xII", 0, 0, 0, extensions, mask, 0)
    else:  # struct inet_diag_req_v2
        kind = SOCK_DIAG_BY_FAMILY
        number = PROTOCOLS[protocol].number
        body = pack("=BBBBI48x", _FAMILY_NUMBERS[family], number, extensions, 0, mask)
    if program:
        body += pack("=HH", 4 + len(program), _INET_DIAG_REQ_BYTECODE) + program
    header = pack("=IHHII", 16 + len(body), kind, _NLM_F_REQUEST_DUMP, sequence, 0)
    return header + body


# The length and family number of rows, and the rows.
Table = tuple[tuple[int, int], bytes]


class DiagDecoder:
    """Turns the datagrams of one dump into batches.

    `done` is set once the last datagram has been decoded. `refused` is the errno with
    which the kernel ended the dump (also inside NLMSG_DONE), or 0. `changed` is set if
    the kernel reports that its tables changed during the dump. Set `port_id` to that
    of the socket before the first datagram.
    """

    def __init__(
        self,
        protocol: str,
        *,
        sequence: int,
        bound: bool = False,
        in_order: bool = False,
    ) -> None:
        """Expect replies with that sequence; with `bound`, code 7 means BOUND.

        With `in_order`, sockets stay in the kernel's order. That makes many batches.
        """
        self.protocol = protocol
        self._in_order = in_order
        self.done = False
        self.refused = 0
        self.changed = False
        self.port_id = 0
        self._sequence = sequence
        self._labels = label_table(protocol, bound=bound)
        self._lengths: dict[int, None] = {}
        self._pattern = _length_pattern(())
        self._waiting: dict[tuple[int, int], list[bytes]] = {}  # parts of tables
        self._recent: set[int] = set()
        self._older: set[int] = set()
        self._recent_batches: list[DiagBatch] = []
        self._older_batches: list[DiagBatch] = []

    def decode(self, datagram: bytes) -> list[DiagBatch]:
        """Decode a datagram into batches; drop sockets that were reported before."""
        if len(datagram) < 16 or len(datagram) % 4:
            raise ParseError("netlink", f"malformed datagram of {len(datagram)} bytes")
        stride = unpack_from("=I", datagram)[0]
        families = datagram[FAMILY :: max(stride, 1)]
        is_uniform = families.count(families[:1]) == len(families) > 0
        if is_uniform and self._is_table(datagram, stride):
            tables = [((stride, families[0]), datagram)]
        elif self._in_order:
            runs = groupby(
                self._split(datagram), lambda row: (len(row), row[FAMILY : FAMILY + 1])
            )
            tables = [t for _, run in runs for t in self._by_length(list(run))]
        else:
            tables = self._by_length(self._split(datagram))
        if self._in_order:
            made = (self._batch(kind, rows) for kind, rows in tables)
            return [self._without_repeats(batch) for batch in made if batch is not None]
        for kind, rows in tables:
            self._waiting.setdefault(kind, []).append(rows)
        return [self._without_repeats(batch) for batch in self._ready()]

    def _batch(self, kind: tuple[int, int], rows: bytes) -> DiagBatch | None:
        """Make a batch of rows of one length; None: of an unknown family."""
        stride, number = kind
        family = _FAMILY_NAMES.get(number)
        if family is None:
            return None
        return DiagBatch(self.protocol, family, rows, stride, self._labels)

    def _is_table(self, rows: bytes, stride: int) -> bool:
        """Check that all rows have one length and are sockets of our own dump."""
        if stride < ATTRIBUTES or stride % 4 or len(rows) % stride:
            return False
        count = len(rows) // stride
        words = memoryview(rows).cast("I")
        return (
            rows[4] in (SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK)
            and not rows[6] & NLM_F_DUMP_INTR
            and rows[8:16] == pack("=II", self._sequence, self.port_id)
            and all(
                words[i :: stride // 4].tobytes() == rows[4 * i : 4 * i + 4] * count
                for i in range(4)
            )
        )

    def _by_length(self, messages: list[bytes]) -> list[Table]:
        """Sort messages of several kinds into tables, by length and family."""
        tables = []
        for length in set(map(len, messages)):
            alike = [message for message in messages if len(message) == length]
            rows = b"".join(alike)
            if not self._is_table(rows, length):
                tables += self._one_by_one(alike)
                continue
            families = set(rows[FAMILY::length])
            for family in families:
                if len(families) > 1:
                    rows = b"".join([m for m in alike if m[FAMILY] == family])
                tables.append(((length, family), rows))
        return tables

    def _one_by_one(self, messages: list[bytes]) -> list[Table]:
        """Make a table of each message; handle control messages, such as the end."""
        tables = []
        for message in messages:
            length, kind, flags, *reply_to = _HEADER(message)
            if reply_to != [self._sequence, self.port_id]:
                continue  # a reply to another request
            self.changed |= bool(flags & NLM_F_DUMP_INTR)
            if kind in (SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK):
                if length < ATTRIBUTES:
                    raise ParseError("netlink", f"socket message of {length} bytes")
                tables.append(((len(message), message[FAMILY]), message))
            elif kind in (NLMSG_DONE, NLMSG_ERROR):
                # For an unknown protocol, the kernel sends DONE with a negative errno.
                self.done = True
                if length >= 20:
                    self.refused = max(0, -unpack_from("=i", message, 16)[0])
        return tables

    def _ready(self) -> Iterator[DiagBatch]:
        """Yield batches that are large enough, and at the end of the dump the rest.

        A batch costs 50 us however few rows it has, and a datagram of mixed sockets
        has only a few rows of each kind.
        """
        enough = 0 if self.done else _BATCH
        for kind, parts in list(self._waiting.items()):
            if sum(map(len, parts)) > enough * kind[0]:
                batch = self._batch(kind, b"".join(self._waiting.pop(kind)))
                if batch is not None:
                    yield batch

    def _split(self, datagram: bytes) -> list[bytes]:
        """Split a datagram into messages, each with the padding that follows it.

        Few lengths occur, so a pattern made of the lengths seen so far splits a
        datagram without a loop: 11 ms for 100,000 sockets instead of 55.
        """
        messages: list[bytes] = self._pattern.findall(datagram)
        if sum(map(len, messages)) == len(datagram):
            return messages
        messages = []
        offset, end = 0, len(datagram)
        while offset < end:
            if end - offset < 16:
                raise ParseError("netlink", "truncated message header")
            length = unpack_from("=I", datagram, offset)[0]
            if length < 16 or length > end - offset:
                raise ParseError("netlink", f"invalid message length: {length} bytes")
            padded = length + 3 & ~3
            messages.append(datagram[offset : offset + padded])
            offset += padded
            if length not in self._lengths and len(self._lengths) < _MOST_LENGTHS:
                self._lengths[length] = None
                self._pattern = _length_pattern(self._lengths)
        return messages

    def _without_repeats(self, batch: DiagBatch) -> DiagBatch:
        """Drop sockets that the kernel has already reported.

        The kernel resumes a dump by position, so a socket that enters a hash bucket
        during the dump makes it report others again. The repeats are among the most
        recent sockets: two generations of some thousand catch them, in constant
        memory. Comparing half of each cookie is enough to rule out repeats, and takes
        5 ms for 100,000 sockets. Whole cookies are compared only if that fails.
        """
        halves = batch.cookie_halves()
        now = set(halves)
        repeats = not (now.isdisjoint(self._recent) and now.isdisjoint(self._older))
        if repeats or len(now) < len(halves):
            reported = (*self._recent_batches, *self._older_batches)
            seen = {cookie for before in reported for cookie in before.cookies()}
            fresh = []
            for cookie in batch.cookies():
                fresh.append(cookie not in seen)
                seen.add(cookie)
            batch = batch.select(fresh)
        if len(self._recent) > _WINDOW:
            self._older, self._recent = self._recent, now
            self._older_batches, self._recent_batches = self._recent_batches, [batch]
        else:
            self._recent |= now
            self._recent_batches.append(batch)
        return batch


def ends_dump(datagram: bytes) -> bool:
    """Check whether a datagram contains the end of its dump, or is malformed."""
    offset, end = 0, len(datagram)
    while end - offset >= 16:
        length, kind = unpack_from("=IH", datagram, offset)
        if length < 16 or kind in (NLMSG_DONE, NLMSG_ERROR):
            return True
        offset += length + 3 & ~3
    return offset != end


def _length_pattern(lengths: Iterable[int]) -> re.Pattern[bytes]:
    """Build a pattern that matches one message of any of these lengths."""
    return re.compile(
        b"|".join(
            re.escape(pack("=I", length)) + b".{%d}" % ((length + 3 & ~3) - 4)
            for length in lengths
        )
        or b"(?!)",
        re.DOTALL,
    )
