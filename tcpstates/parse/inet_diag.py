"""Encode requests to the kernel's sock_diag, and sort its replies into batches.

Layouts: `linux/inet_diag.h`, `linux/netlink.h`. A reply is a datagram of messages,
each with a netlink header, an `inet_diag_msg` and attributes.

Messages of one kind have the same length and family. Few kinds occur, so one regular
expression, made of the kinds seen so far, cuts a datagram into runs of messages of one
kind, in 5 ms for 100,000 sockets. The runs of a kind are joined to a table of equally
long rows, in which a column is one strided slice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from struct import Struct, pack, unpack_from

from tcpstates.errors import ParseError
from tcpstates.parse import diag_attributes as attached
from tcpstates.parse.diag_batch import (
    ATTRIBUTES,
    FAMILY,
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

# The bits of a request's idiag_ext that request an attribute.
# VEGASINFO also requests the figures of bbr and dctcp.
_WITH_TIMES = 1 << attached.INFO - 1
_WITH_INFO = _WITH_TIMES | 1 << attached.CONG - 1 | 1 << attached.VEGASINFO - 1
_WITH_MEMORY = 1 << attached.SKMEMINFO - 1

_FAMILY_NUMBERS = {"ipv4": 2, "ipv6": 10}
_FAMILY_NAMES = {2: "ipv4", 10: "ipv6"}

_WINDOW = 4096  # sockets in which repeats are detected
_BATCH = 200  # sockets
# Bytes that all messages of one kind share: the netlink header and the family.
_KIND = FAMILY + 1
_MOST_KINDS = 32  # messages of others are split off one by one
_HEADER = Struct("=IHHII").unpack_from


def encode_request(
    protocol: str,
    family: str | None,
    *,
    mask: int,
    sequence: int,
    info: bool = False,
    times: bool = False,
    memory: bool = False,
    program: bytes = b"",
) -> bytes:
    """Encode a dump request; family None (TCP only) requests both in one dump.

    `info` requests tcp_info and the congestion control, `times` only the former, and
    `memory` skmeminfo.
    `program` is bytecode that decides which sockets the kernel reports.
    """
    extensions = 0
    if info:
        extensions |= _WITH_INFO
    if times:
        extensions |= _WITH_TIMES
    if memory:
        extensions |= _WITH_MEMORY
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
        # The common beginnings of socket messages; values have no meaning.
        self._kinds: dict[bytes, None] = {}
        self._runs = _pattern_of_runs(())
        self._waiting: dict[bytes, list[bytes]] = {}  # by kind: parts of tables
        self._recent: set[int] = set()
        self._older: set[int] = set()
        self._recent_batches: list[DiagBatch] = []
        self._older_batches: list[DiagBatch] = []

    def decode(self, datagram: bytes) -> list[DiagBatch]:
        """Decode a datagram into batches; drop sockets that were reported before."""
        if len(datagram) < 16 or len(datagram) % 4:
            raise ParseError("netlink", f"malformed datagram of {len(datagram)} bytes")
        runs: list[bytes] = self._runs.findall(datagram)
        if not self._is_run(runs[-1]):
            runs += self._split(runs.pop())
        if self._in_order:
            made = (self._batch(run) for run in runs)
            return [self._without_repeats(batch) for batch in made if batch is not None]
        for run in runs:
            self._waiting.setdefault(run[:_KIND], []).append(run)
        return [self._without_repeats(batch) for batch in self._ready()]

    def _batch(self, rows: bytes) -> DiagBatch | None:
        """Make a batch of messages of one kind; None: of an unknown family."""
        family = _FAMILY_NAMES.get(rows[FAMILY])
        if family is None:
            return None
        return DiagBatch(self.protocol, family, rows, _stride(rows), self._labels)

    def _split(self, datagram: bytes) -> list[bytes]:
        """Split a datagram into runs of sockets; handle other messages, as the end."""
        runs = []
        offset, end = 0, len(datagram)
        while offset < end:
            if datagram[offset : offset + _KIND] in self._kinds:
                found = self._runs.match(datagram, offset)
                if found is not None and self._is_run(found[0]):
                    runs.append(found[0])
                    offset = found.end()
                    continue
            if end - offset < 16:
                raise ParseError("netlink", "truncated message header")
            length = unpack_from("=I", datagram, offset)[0]
            if length < 16 or length > end - offset:
                raise ParseError("netlink", f"invalid message length: {length} bytes")
            padded = length + 3 & ~3
            message = datagram[offset : offset + padded]
            if self._is_socket(message):
                runs.append(message)
            offset += padded
        return runs

    def _is_run(self, found: bytes) -> bool:
        """Whether this is what the pattern matches, and not the rest behind it."""
        return found[:_KIND] in self._kinds and len(found) % _stride(found) == 0

    def _is_socket(self, message: bytes) -> bool:
        """Whether a message is a socket of this dump; handle others."""
        length, kind, flags, *reply_to = _HEADER(message)
        if reply_to != [self._sequence, self.port_id]:
            return False  # a reply to another request
        if flags & NLM_F_DUMP_INTR:
            self.changed = True
        if kind in (SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK):
            if length < ATTRIBUTES:
                raise ParseError("netlink", f"socket message of {length} bytes")
            if not flags & NLM_F_DUMP_INTR and len(self._kinds) < _MOST_KINDS:
                self._kinds[message[:_KIND]] = None
                self._runs = _pattern_of_runs(self._kinds)
            return True
        if kind in (NLMSG_DONE, NLMSG_ERROR):
            # For an unknown protocol, the kernel sends DONE with a negative errno.
            self.done = True
            if length >= 20:
                self.refused = max(0, -unpack_from("=i", message, 16)[0])
        return False

    def _ready(self) -> Iterator[DiagBatch]:
        """Yield batches that are large enough, and at the end of the dump the rest.

        A batch costs 50 us however few rows it has, and a datagram of mixed sockets
        has only a few rows of each kind.
        """
        enough = 0 if self.done else _BATCH
        for kind, parts in list(self._waiting.items()):
            if sum(map(len, parts)) > enough * _stride(kind):
                batch = self._batch(b"".join(self._waiting.pop(kind)))
                if batch is not None:
                    yield batch

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


def _stride(message: bytes) -> int:
    """Return the length of a message with the padding that follows it."""
    length: int = unpack_from("=I", message)[0]
    return length + 3 & ~3


def _pattern_of_runs(kinds: Iterable[bytes]) -> re.Pattern[bytes]:
    """Build a pattern that matches one or more messages of one of these kinds.

    Where another kind begins, it matches all that is left.
    """
    return re.compile(
        b"".join(
            b"(?:%b.{%d})+|" % (re.escape(kind), _stride(kind) - _KIND)
            for kind in kinds
        )
        + b".+",
        re.DOTALL,
    )
