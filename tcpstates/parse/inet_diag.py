"""Encode requests to the kernel's sock_diag and cut its answers into columns.

Layouts: `linux/inet_diag.h`, `linux/netlink.h`. Integers are in the host's byte
order; ports and addresses in the network's. An answer is a datagram of messages,
each a netlink header of 16 bytes, an `inet_diag_msg` of 72 and attributes.

Messages of one kind have one length, so most datagrams are a table of equal rows
and a column is one strided slice. Where they are not, the messages are sorted into
such tables, by length and family.
"""

from __future__ import annotations

import re
from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from struct import Struct, pack, unpack_from
from typing import Any

from tcpstates.errors import ParseError
from tcpstates.model import Batch
from tcpstates.parse.addresses import IPV4, IPV6
from tcpstates.parse.tcp_info import parse_tcp_info
from tcpstates.states import AnyState, OtherState, TcpState

SOCK_DIAG_BY_FAMILY = 20
TCPDIAG_GETSOCK = 18  # the first version: family 0 answers both families at once
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_DUMP_INTR = 0x10
_NLM_F_REQUEST_DUMP = 0x301

# linux/tcp_states.h
_STATES: dict[int, AnyState] = {
    1: TcpState.ESTABLISHED,
    2: TcpState.SYN_SENT,
    3: TcpState.SYN_RECEIVED,
    4: TcpState.FIN_WAIT_1,
    5: TcpState.FIN_WAIT_2,
    6: TcpState.TIME_WAIT,
    7: TcpState.CLOSED,
    8: TcpState.CLOSE_WAIT,
    9: TcpState.LAST_ACK,
    10: TcpState.LISTEN,
    11: TcpState.CLOSING,
    12: TcpState.SYN_RECEIVED,  # TCP_NEW_SYN_RECV
    13: OtherState.BOUND,  # TCP_BOUND_INACTIVE, Linux 6.8: may be asked for only
}
_ESTABLISHED, _CLOSE, _BOUND_INACTIVE = 1, 7, 13
_UDP_STATES: dict[int, AnyState] = {
    _ESTABLISHED: TcpState.ESTABLISHED,
    _CLOSE: OtherState.UNCONN,
}
# What the reader of an ss listing would call them; `raw_state` of this source.
_RAW_WORDS = (
    "0 ESTAB SYN-SENT SYN-RECV FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT UNCONN CLOSE-WAIT"
    " LAST-ACK LISTEN CLOSING NEW-SYN-RECV BOUND-INACTIVE"
).split()

# INET_DIAG_* attributes. MD5SIG (18) holds secrets: it is never looked at.
_MEMINFO, _INFO, _CONG, _SKMEMINFO, _SHUTDOWN = 1, 2, 4, 7, 8
_SKV6ONLY, _MARK, _CGROUP_ID = 11, 15, 21

# SK_MEMINFO_*, linux/sock_diag.h: all bytes but the last, which counts packets.
MEMORY_FIELDS = (
    "receive_allocated",
    "receive_buffer",
    "send_allocated",
    "send_buffer",
    "forward_allocated",
    "send_queued",
    "options",
    "backlog",
    "drops",
)
# idiag_timer, net/ipv4/inet_diag.c; 5 since Linux 7.1
_TIMERS = ("off", "retransmit", "keepalive", "time-wait", "probe", "delayed-ack")

_FAMILY_NUMBERS = {"ipv4": 2, "ipv6": 10}
_FAMILY_NAMES = {2: "ipv4", 10: "ipv6"}

# Offsets in a message, its netlink header included.
_FAMILY, _STATE, _TIMER, _RETRANS, _SPORT, _DPORT = 16, 17, 18, 19, 20, 22
_SRC, _DST, _IF, _EXPIRES, _RQUEUE, _WQUEUE = 24, 40, 56, 68, 72, 76
_UID, _INODE, _ATTRIBUTES = 80, 84, 88
_COOKIE = 60

_WINDOW = 4096  # sockets among which a repeated one is looked for
_MOST_LENGTHS = 32  # of messages; more are walked one by one
_HEADER = Struct("=IHHII").unpack_from


def states_mask(states: frozenset[AnyState], *, unknown: bool) -> int:
    """Return the kernel's bit mask for states; `unknown`: also what it adds later."""
    mask = sum(1 << code for code, state in _STATES.items() if state in states)
    if OtherState.UNCONN in states:
        mask |= 1 << _CLOSE
    if unknown:
        mask |= 0xFFFFFFFF << (_BOUND_INACTIVE + 1) & 0xFFFFFFFF
    return mask


def encode_request(
    protocol: str,
    family: str | None,
    *,
    mask: int,
    sequence: int,
    info: bool = False,
    memory: bool = False,
) -> bytes:
    """Return a dump request; family None (TCP only) asks for both in one walk.

    `info` asks for tcp_info and the congestion control, `memory` for skmeminfo.
    """
    extensions = 0
    if info:
        extensions |= 1 << _INFO - 1 | 1 << _CONG - 1
    if memory:
        extensions |= 1 << _SKMEMINFO - 1
    if family is None:  # struct inet_diag_req
        kind = TCPDIAG_GETSOCK
        body = pack("=BBBB48xII", 0, 0, 0, extensions, mask, 0)
    else:  # struct inet_diag_req_v2
        kind = SOCK_DIAG_BY_FAMILY
        number = 6 if protocol == "tcp" else 17
        body = pack(
            "=BBBBI48x", _FAMILY_NUMBERS[family], number, extensions, 0, mask
        )
    header = pack("=IHHII", 16 + len(body), kind, _NLM_F_REQUEST_DUMP, sequence, 0)
    return header + body


class DiagDecoder:
    """Turns the datagrams of one dump into batches.

    `done` tells that the last one was seen, `refused` holds the errno with which
    the kernel ended it (also inside NLMSG_DONE), 0 for none, and `changed` that
    it says to have changed while it was read. Set `port_id` to the socket's own
    before the first datagram.
    """

    def __init__(self, protocol: str, *, sequence: int, bound: bool = False) -> None:
        """Expect answers to that sequence; `bound`: code 7 means BOUND here."""
        self.protocol = protocol
        self.done = False
        self.refused = 0
        self.changed = False
        self.port_id = 0
        self._sequence = sequence
        self._words = _word_table(protocol, bound=bound)
        self._lengths: dict[int, None] = {}
        self._pattern = _length_pattern(())
        self._told: deque[DiagBatch] = deque()
        self._recent: set[int] = set()

    def decode(self, datagram: bytes) -> list[DiagBatch]:
        """Return the datagram's sockets, without those already returned."""
        if len(datagram) < 16 or len(datagram) % 4:
            raise ParseError("netlink", f"datagram of {len(datagram)} bytes")
        stride = unpack_from("=I", datagram)[0]
        if self._is_uniform(datagram, stride):
            tables = [(stride, datagram[_FAMILY], datagram)]
        else:
            tables = self._sort(self._split(datagram))
        batches = []
        for length, number, rows in tables:
            family = _FAMILY_NAMES.get(number)
            if family is not None:
                batch = DiagBatch(self.protocol, family, rows, length, self._words)
                batches.append(self._without_repeats(batch))
        return batches

    def _is_uniform(self, datagram: bytes, stride: int) -> bool:
        """Tell whether every message has the first one's header and family."""
        if stride < _ATTRIBUTES or len(datagram) % stride or stride % 4:
            return False
        count = len(datagram) // stride
        words = memoryview(datagram).cast("I")
        return (
            datagram[4] in (SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK)
            and not datagram[6] & NLM_F_DUMP_INTR
            and datagram[8:16] == pack("=II", self._sequence, self.port_id)
            and all(
                words[i :: stride // 4].tobytes() == datagram[4 * i : 4 * i + 4] * count
                for i in range(4)
            )
            and datagram[_FAMILY::stride].count(datagram[_FAMILY]) == count
        )

    def _split(self, datagram: bytes) -> list[bytes]:
        """Return the messages, each with the padding that follows it.

        Few lengths occur, so a pattern made of those seen splits a datagram
        without a loop: 11 ms for 100,000 sockets instead of 55.
        """
        messages: list[bytes] = self._pattern.findall(datagram)
        if sum(map(len, messages)) == len(datagram):
            return messages
        messages = []
        offset, end = 0, len(datagram)
        while offset < end:
            if end - offset < 16:
                raise ParseError("netlink", "message header cut short")
            length = unpack_from("=I", datagram, offset)[0]
            if length < 16 or length > end - offset:
                raise ParseError("netlink", f"message of {length} bytes")
            padded = length + 3 & ~3
            messages.append(datagram[offset : offset + padded])
            offset += padded
            if length not in self._lengths and len(self._lengths) < _MOST_LENGTHS:
                self._lengths[length] = None
                self._pattern = _length_pattern(self._lengths)
        return messages

    def _sort(self, messages: list[bytes]) -> list[tuple[int, int, bytes]]:
        """Return tables of equal rows: their stride, family number and bytes."""
        alike: dict[bytes, list[bytes]] = {}
        for head, run in groupby(messages, itemgetter(slice(0, _FAMILY + 1))):
            alike.setdefault(head, []).extend(run)
        tables = []
        for head, rows in alike.items():
            length, kind, flags, *reply_to = _HEADER(head)
            if reply_to != [self._sequence, self.port_id]:
                continue  # an answer to someone else's question
            self.changed |= bool(flags & NLM_F_DUMP_INTR)
            if kind in (SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK):
                if length < _ATTRIBUTES:
                    raise ParseError("netlink", f"socket message of {length} bytes")
                tables.append((len(rows[0]), head[_FAMILY], b"".join(rows)))
            elif kind in (NLMSG_DONE, NLMSG_ERROR):
                # An unknown protocol answers DONE with a negative errno inside.
                self.done = True
                if length >= 20:
                    self.refused = max(0, -unpack_from("=i", rows[0], 16)[0])
        return tables

    def _without_repeats(self, batch: DiagBatch) -> DiagBatch:
        """Drop sockets that the kernel has told of before.

        It resumes a dump by position, so a socket that enters a hash bucket during
        the read pushes others back into view. They are then among the last ones
        told: a window of some thousand catches them, and keeps the memory flat.
        Half of a cookie shows that nothing repeats, 5 ms for 100,000 sockets; only
        where it does are whole ones compared.
        """
        halves = batch.cookie_halves()
        now = set(halves)
        if len(now) < len(halves) or not now.isdisjoint(self._recent):
            seen = {cookie for told in self._told for cookie in told.cookies()}
            keep = []
            for index, cookie in enumerate(batch.cookies()):
                if cookie not in seen:
                    keep.append(index)
                seen.add(cookie)
            batch = batch.pick(keep)
        self._told.append(batch)
        self._recent |= now
        if len(self._recent) > 2 * _WINDOW:
            while sum(map(len, self._told)) > _WINDOW:
                self._told.popleft()
            self._recent = {h for told in self._told for h in told.cookie_halves()}
        return batch


def ends_dump(datagram: bytes) -> bool:
    """Tell whether a datagram holds the end of its dump, or cannot be read."""
    offset, end = 0, len(datagram)
    while end - offset >= 16:
        length, kind = unpack_from("=IH", datagram, offset)
        if length < 16 or kind in (NLMSG_DONE, NLMSG_ERROR):
            return True
        offset += length + 3 & ~3
    return offset != end


def _length_pattern(lengths: Iterable[int]) -> re.Pattern[bytes]:
    """Return what matches one message of any of these lengths."""
    return re.compile(
        b"|".join(
            re.escape(pack("=I", length)) + b".{%d}" % ((length + 3 & ~3) - 4)
            for length in lengths
        )
        or b"(?!)",
        re.DOTALL,
    )


def _word_table(protocol: str, *, bound: bool) -> list[str]:
    """Return what to show for each of the 256 values of a state byte."""
    known = _STATES if protocol == "tcp" else _UDP_STATES
    words = [f"UNKNOWN({code})" for code in range(256)]
    for code, state in known.items():
        words[code] = str(state)
    if bound and protocol == "tcp":
        words[_CLOSE] = str(OtherState.BOUND)
    return words


_KNOWN_WORDS = {str(state): str(state) for state in TcpState}


class DiagBatch(Batch):
    """Equal rows of one datagram; every column is cut out when asked for."""

    __slots__ = ("_rows", "_stride", "_words")

    def __init__(
        self, protocol: str, family: str, rows: bytes, stride: int, words: list[str]
    ) -> None:
        """Keep the rows, each `stride` bytes with its netlink header."""
        super().__init__(protocol, family)
        self._rows = rows
        self._stride = stride
        self._words = words

    def __len__(self) -> int:
        """Return the number of sockets."""
        return len(self._rows) // self._stride

    def pick(self, indexes: Sequence[int]) -> DiagBatch:
        """Return a batch of only these rows."""
        stride = self._stride
        rows = b"".join(self._rows[i * stride : (i + 1) * stride] for i in indexes)
        return DiagBatch(self.protocol, self.family, rows, stride, self._words)

    def cookie_halves(self) -> list[int]:
        """Return the lower 32 bits of the identities."""
        return self._numbers(_COOKIE)

    def cookies(self) -> list[tuple[int]]:
        """Return the 64-bit identities, each alone in a tuple."""
        layout = Struct(f"={_COOKIE}xQ{self._stride - _COOKIE - 8}x")
        return list(layout.iter_unpack(self._rows))

    def _make(self, name: str) -> Sequence[Any] | None:
        number = _NUMBERS.get(name)
        if number is not None:
            return self._numbers(number)
        maker = _MAKERS.get(name)
        return None if maker is None else maker(self)

    def _numbers(self, offset: int) -> list[int]:
        """Return the 32-bit integers at an offset."""
        words = memoryview(self._rows).cast("I")
        return words[offset // 4 :: self._stride // 4].tolist()

    def _ports(self, offset: int) -> list[int]:
        halves = memoryview(self._rows).cast("H")
        ports = array("H", halves[offset // 2 :: self._stride // 2].tobytes())
        if _LITTLE_ENDIAN:
            ports.byteswap()
        return ports.tolist()

    def _addresses(self, offset: int) -> list[str]:
        if self.family == "ipv4":
            return list(map(IPV4.__getitem__, self._numbers(offset)))
        layout = Struct(f"={offset}x16s{self._stride - offset - 16}x")
        return [IPV6[packed] for (packed,) in layout.iter_unpack(self._rows)]

    def _word(self) -> list[str]:
        return list(map(self._words.__getitem__, self._rows[_STATE :: self._stride]))

    def _state(self) -> list[str | None]:
        return list(map(_KNOWN_WORDS.get, self.column("word")))

    def _raw_state(self) -> list[str]:
        known = len(_RAW_WORDS)
        codes = self._rows[_STATE :: self._stride]
        return [_RAW_WORDS[code] if code < known else str(code) for code in codes]

    def _timer(self) -> list[str | None] | None:
        if self.protocol == "udp":
            return None  # kernels have sent uninitialised memory (CVE-2021-47597)
        kinds = self._rows[_TIMER :: self._stride]
        known = len(_TIMERS)
        return [_TIMERS[k] if k < known else f"unknown({k})" for k in kinds]

    def _timer_ms(self) -> list[int | None] | None:
        if self.protocol == "udp":
            return None
        # Old kernels let an expired timer wrap around to near 2**32.
        return [ms if ms < 1 << 31 else None for ms in self._numbers(_EXPIRES)]

    def _retransmits(self) -> Sequence[int] | None:
        return None if self.protocol == "udp" else self._rows[_RETRANS :: self._stride]

    def _attribute(self, kind: int) -> list[bytes | None]:
        """Return each row's attribute of that kind, None where it has none."""
        rows, stride = self._rows, self._stride
        first = _attributes(rows[:stride])
        headers = memoryview(rows).cast("I")
        uniform = all(
            headers[(start - 4) // 4 :: stride // 4].tobytes()
            == rows[start - 4 : start] * len(self)
            for start, _ in first.values()
        )
        if uniform:
            place = first.get(kind)
            if place is None:
                return [None] * len(self)
            starts = range(place[0], len(rows), stride)
            return [rows[start : start + place[1]] for start in starts]
        found: list[bytes | None] = []
        for offset in range(0, len(rows), stride):
            row = rows[offset : offset + stride]
            place = _attributes(row).get(kind)
            found.append(None if place is None else row[place[0] : sum(place)])
        return found

    def _integers(self, kind: int) -> list[int | None]:
        return [
            None if value is None else int.from_bytes(value, _ORDER)
            for value in self._attribute(kind)
        ]

    def _v6only(self) -> list[bool | None]:
        return [None if v is None else bool(v) for v in self._integers(_SKV6ONLY)]

    def _congestion(self) -> list[str | None]:
        return [
            None if v is None else v.rstrip(b"\0").decode("ascii", "backslashreplace")
            for v in self._attribute(_CONG)
        ]

    def _memory(self) -> list[dict[str, int] | None]:
        found: list[dict[str, int] | None] = []
        for value in self._attribute(_SKMEMINFO):
            numbers = array("I", (value or b"")[: len(value or b"") & ~3])
            named = dict(zip(MEMORY_FIELDS, numbers, strict=False))
            found.append(named or None)
        return found

    def _info(self) -> list[dict[str, int] | None]:
        return [
            None if v is None else parse_tcp_info(v) for v in self._attribute(_INFO)
        ]


def _attributes(row: bytes) -> dict[int, tuple[int, int]]:
    """Return where each attribute's value starts in a row, and its length."""
    places = {}
    offset, end = _ATTRIBUTES, len(row)
    while end - offset >= 4:
        length, kind = unpack_from("=HH", row, offset)
        if length < 4 or length > end - offset:
            break
        places[kind & 0x3FFF] = (offset + 4, length - 4)
        offset += length + 3 & ~3
    return places


_LITTLE_ENDIAN = pack("=H", 1) == b"\1\0"
_ORDER: Any = "little" if _LITTLE_ENDIAN else "big"
_NUMBERS = {
    "recv_q": _RQUEUE,
    "send_q": _WQUEUE,
    "uid": _UID,
    "inode": _INODE,
    "interface_index": _IF,
}
_MAKERS: dict[str, Any] = {
    "word": DiagBatch._word,
    "state": DiagBatch._state,
    "raw_state": DiagBatch._raw_state,
    "local_port": lambda batch: batch._ports(_SPORT),
    "remote_port": lambda batch: batch._ports(_DPORT),
    "local_address": lambda batch: batch._addresses(_SRC),
    "remote_address": lambda batch: batch._addresses(_DST),
    "cookie": lambda batch: [cookie for (cookie,) in batch.cookies()],
    "timer": DiagBatch._timer,
    "timer_ms": DiagBatch._timer_ms,
    "retransmits": DiagBatch._retransmits,
    "mark": lambda batch: batch._integers(_MARK),
    "cgroup_id": lambda batch: batch._integers(_CGROUP_ID),
    "shutdown": lambda batch: batch._integers(_SHUTDOWN),
    "v6only": DiagBatch._v6only,
    "congestion": DiagBatch._congestion,
    "info": DiagBatch._info,
    "memory": DiagBatch._memory,
}
