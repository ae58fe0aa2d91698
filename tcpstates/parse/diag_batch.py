"""Columns of equally long `inet_diag_msg` rows (`linux/inet_diag.h`), made on demand.

Integers are in host byte order; ports and addresses in network byte order. A row
is a netlink header of 16 bytes, an `inet_diag_msg` of 72 bytes, and attributes.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain, compress
from struct import Struct, pack
from typing import Any

from tcpstates.batch import Batch
from tcpstates.fields import ColumnName, InfoColumn
from tcpstates.parse import diag_attributes as attached
from tcpstates.parse.addresses import IPV4, IPV6
from tcpstates.parse.cookie import read_cookies
from tcpstates.parse.diag_states import RAW_WORDS, TIMERS
from tcpstates.parse.tcp_info import BITS, PLACES, columns_within, parse_tcp_info
from tcpstates.protocols import PROTOCOLS
from tcpstates.states import TcpState
from tcpstates.text import Texts

# Offsets in a message, including its netlink header.
FAMILY, _STATE, _TIMER, _RETRANS, _SPORT, _DPORT = 16, 17, 18, 19, 20, 22
_SRC, _DST, _IF, _EXPIRES, _RQUEUE, _WQUEUE = 24, 40, 56, 68, 72, 76
_UID, _INODE, ATTRIBUTES = 80, 84, 88
_COOKIE = 60

# Parsed attributes by their bytes, because quiet connections report the same numbers.
_CONGESTION: dict[int, Texts[dict[str, int]]] = {
    kind: Texts(parse) for kind, parse in attached.CONGESTION.items()
}
_UPPER_PROTOCOLS = Texts(attached.parse_upper_protocol)
_TIMER_NAMES = [*TIMERS, *(f"unknown({kind})" for kind in range(len(TIMERS), 256))]
_KNOWN_WORDS = {str(state): str(state) for state in TcpState}


class DiagBatch(Batch):
    """Rows of equal length, as the kernel sent them; columns are sliced on demand."""

    __slots__ = ("_first", "_is_uniform", "_labels", "_rows", "_stride")

    def __init__(
        self, protocol: str, family: str, rows: bytes, stride: int, words: list[str]
    ) -> None:
        """Take rows of `stride` bytes each, including the netlink header."""
        super().__init__(protocol, family)
        self._rows = rows
        self._stride = stride
        self._labels = words
        self._first: dict[int, tuple[int, int]] | None = None  # of the first row
        self._is_uniform = False  # whether all rows have attributes at these offsets

    def __len__(self) -> int:
        return len(self._rows) // self._stride

    def _only(self, chosen: Sequence[Any]) -> DiagBatch:
        rows, stride = self._rows, self._stride
        starts = compress(range(0, len(rows), stride), chosen)
        kept = b"".join([rows[start : start + stride] for start in starts])
        return DiagBatch(self.protocol, self.family, kept, stride, self._labels)

    def parts(self) -> tuple[Any, ...] | None:
        """See `Batch`: the arguments that make this batch."""
        if self._is_extended or self.origin:
            return None
        return self.protocol, self.family, self._rows, self._stride, self._labels

    def cookie_halves(self) -> list[int]:
        """Return the lower 32 bits of the socket cookies."""
        return self._numbers(_COOKIE)

    def cookies(self) -> list[tuple[int]]:
        """Return the 64-bit socket cookies, each in a tuple of its own."""
        return read_cookies(self._rows, self._stride, _COOKIE)

    def _make(self, name: ColumnName) -> Sequence[Any] | None:
        number = _NUMBERS.get(name)
        if number is not None:
            return self._numbers(number)
        if name == "info.packed":
            return self._attribute(attached.INFO)
        if name in PLACES:
            return self._info_field(name)
        maker = _MAKERS.get(name)
        return None if maker is None else maker(self)

    def info_columns(self) -> tuple[InfoColumn, ...] | None:
        """The fields of tcp_info that every socket has: see `Batch`."""
        place = self._place(attached.INFO)
        if place is None:
            return None
        start, length = place
        # An attribute without a whole field is left to the dictionaries.
        return columns_within(length) or (None if start else ())

    def _info_field(self, name: InfoColumn) -> Sequence[int | None]:
        """Slice one field of tcp_info, at 30 ns per socket, without the others."""
        shared = self._place(attached.INFO)
        if shared is None:  # the attribute's place differs between sockets
            key = name.removeprefix("info.")
            infos = self.column("info")
            return [None if info is None else info.get(key) for info in infos]
        place, (offset, length) = PLACES[name], shared
        if place.end > length:
            return [None] * len(self)
        values = self._unsigned(offset + place.start, place.end - place.start)
        bits = BITS.get(name)
        if bits is not None:
            return [value >> bits.shift & bits.mask for value in values]
        if place.unlimited is not None and place.unlimited in values:
            return [None if n == place.unlimited else n for n in values]
        return values

    def _unsigned(self, offset: int, size: int) -> list[int]:
        """Slice the column of integers of 1, 4 or 8 bytes at an offset."""
        if size == 1:
            return list(self._rows[offset :: self._stride])
        if size == 4:
            return self._numbers(offset)
        low, high = self._numbers(offset), self._numbers(offset + 4)
        if not _LITTLE_ENDIAN:
            low, high = high, low
        if not any(high):  # fewer than 4 GiB
            return low
        return [part | more << 32 for part, more in zip(low, high, strict=True)]

    def _numbers(self, offset: int) -> list[int]:
        """Slice the column of 32-bit integers at an offset."""
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
        packed = chain.from_iterable(layout.iter_unpack(self._rows))
        return list(map(IPV6.__getitem__, packed))

    def _state_labels(self) -> list[str]:
        return list(map(self._labels.__getitem__, self._rows[_STATE :: self._stride]))

    def _state(self) -> list[str | None]:
        return list(map(_KNOWN_WORDS.get, self.column("state_label")))

    def _raw_state(self) -> list[str]:
        known = len(RAW_WORDS)
        codes = self._rows[_STATE :: self._stride]
        return [RAW_WORDS[code] if code < known else str(code) for code in codes]

    def _timer(self) -> list[str | None] | None:
        if not PROTOCOLS[self.protocol].has_timers:
            return None  # kernels have sent uninitialised memory (CVE-2021-47597)
        return list(map(_TIMER_NAMES.__getitem__, self._rows[_TIMER :: self._stride]))

    def _timer_ms(self) -> Sequence[int | None] | None:
        if not PROTOCOLS[self.protocol].has_timers:
            return None
        times = self._numbers(_EXPIRES)
        if max(times, default=0) < 1 << 31:
            return times
        # Old kernels let an expired timer wrap around to near 2**32.
        return [ms if ms < 1 << 31 else None for ms in times]

    def _retransmits(self) -> list[int] | None:
        if not PROTOCOLS[self.protocol].has_timers:
            return None
        return list(self._rows[_RETRANS :: self._stride])

    def _place(self, kind: int) -> tuple[int, int] | None:
        """Return the offset and length of an attribute that all rows share.

        (0, 0) if no row has it; None if its offset differs between rows.
        """
        if self._first is None:
            rows, stride = self._rows, self._stride
            self._first = attached.places(rows[:stride], ATTRIBUTES)
            headers = memoryview(rows).cast("I")
            self._is_uniform = all(
                headers[(start - 4) // 4 :: stride // 4].tobytes()
                == rows[start - 4 : start] * len(self)
                for start, _ in self._first.values()
            )
        return self._first.get(kind, (0, 0)) if self._is_uniform else None

    def _attribute(self, kind: int) -> list[bytes | None]:
        """Return each row's attribute of that kind; None for a row without it."""
        rows, stride = self._rows, self._stride
        place = self._place(kind)
        if place is not None:
            if not place[0]:
                return [None] * len(self)
            starts = range(place[0], place[0] + len(rows), stride)
            return [rows[start : start + place[1]] for start in starts]
        found: list[bytes | None] = []
        for offset in range(0, len(rows), stride):
            row = rows[offset : offset + stride]
            place = attached.places(row, ATTRIBUTES).get(kind)
            found.append(None if place is None else row[place[0] : sum(place)])
        return found

    def _integers(self, kind: int) -> list[int | None]:
        return [
            None if value is None else int.from_bytes(value, _ORDER)
            for value in self._attribute(kind)
        ]

    def _v6only(self) -> list[bool | None]:
        return [
            None if v is None else bool(v) for v in self._integers(attached.SKV6ONLY)
        ]

    def _congestion(self) -> list[str | None]:
        return [
            None if v is None else v.rstrip(b"\0").decode("ascii", "backslashreplace")
            for v in self._attribute(attached.CONG)
        ]

    def _memory(self) -> list[dict[str, int] | None]:
        return [
            attached.parse_memory(v or b"") or None
            for v in self._attribute(attached.SKMEMINFO)
        ]

    def _congestion_info(self) -> list[dict[str, int] | None]:
        """Merge what each congestion control reports; few sockets have any of it."""
        found: list[dict[str, int] | None] = [None] * len(self)
        for kind, known in _CONGESTION.items():
            if self._place(kind) != (0, 0):
                values = self._attribute(kind)
                found = [
                    before if value is None else known[value] or None
                    for before, value in zip(found, values, strict=True)
                ]
        return found

    def _upper_protocols(self) -> Sequence[attached.UpperProtocol | None]:
        if self._place(attached.ULP_INFO) == (0, 0):
            return [None] * len(self)
        return [
            None if value is None else _UPPER_PROTOCOLS[value]
            for value in self._attribute(attached.ULP_INFO)
        ]

    def _info(self) -> list[dict[str, int] | None]:
        return [
            None if v is None else parse_tcp_info(v) for v in self.column("info.packed")
        ]


_LITTLE_ENDIAN = pack("=H", 1) == b"\1\0"
_ORDER: Any = "little" if _LITTLE_ENDIAN else "big"
_NUMBERS: dict[ColumnName, int] = {
    "recv_q": _RQUEUE,
    "send_q": _WQUEUE,
    "uid": _UID,
    "inode": _INODE,
    "interface_index": _IF,
}
_MAKERS: dict[ColumnName, Any] = {
    "state_label": DiagBatch._state_labels,
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
    "mark": lambda batch: batch._integers(attached.MARK),
    "cgroup_id": lambda batch: batch._integers(attached.CGROUP_ID),
    "shutdown": lambda batch: batch._integers(attached.SHUTDOWN),
    "v6only": DiagBatch._v6only,
    "congestion": DiagBatch._congestion,
    "congestion_info": DiagBatch._congestion_info,
    "ulp": lambda batch: [u and u.name for u in batch._upper_protocols()],
    "ulp_info": lambda batch: [u and u.numbers for u in batch._upper_protocols()],
    "info": DiagBatch._info,
    "memory": DiagBatch._memory,
}
