"""Parse the text of `/proc/net/tcp`, `tcp6`, `udp` and `udp6`.

Layout: `net/ipv4/tcp_ipv4.c`, get_tcp4_sock() and similar functions. TIME_WAIT and
half-open rows end early, but not before the inode. An address is printed as 32-bit
words in host byte order, a port as a number.

One pattern splits a whole text and checks each line, so a truncated or malformed line
does not match. The conversions after that cannot fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import compress
from operator import itemgetter
from typing import Any

from tcpstates.batch import Batch
from tcpstates.fields import ColumnName
from tcpstates.late_pattern import late
from tcpstates.parse.addresses import IPV6
from tcpstates.parse.diag_states import TIMERS
from tcpstates.protocols import PROTOCOLS
from tcpstates.states import OtherState, find_state

# The kernel's numbers have at most 64 bits, its counts of retries and probes 8. From
# these counts, ages are computed as powers of two.
_HEX = "([0-9A-F]{1,16})"
_HEX_COUNT, _COUNT = "0{0,14}([0-9A-F]{1,2})", r"([01]?\d?\d|2[0-4]\d|25[0-5])"
_ROW = late(
    r"^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})"  # local
    r" ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})"  # remote
    rf" ([0-9A-F]{{2}}) {_HEX}:{_HEX}"  # state, tx_queue:rx_queue
    rf" {_HEX}:{_HEX} {_HEX_COUNT}"  # tr, tm->when, retrnsmt
    rf" +(\d{{1,20}}) +{_COUNT} (\d{{1,20}})(?= |$)",  # uid, timeout, inode
    re.MULTILINE,
)
_LOCAL, _LOCAL_PORT, _REMOTE, _REMOTE_PORT, _STATE, _TX, _RX = range(7)
_TIMER, _WHEN, _RETRANSMITS, _UID, _PROBES, _INODE = range(7, 13)
_IDENTITY = itemgetter(_LOCAL, _LOCAL_PORT, _REMOTE, _REMOTE_PORT, _INODE)

# "tr"; 05 since Linux 7.1
_TIMERS = {f"{code:02}": name for code, name in enumerate(TIMERS)}
_TICK_MS = 10  # USER_HZ is 100 in this file on every architecture
_WINDOW = 4096  # sockets in which repeats are detected
_MOST_REMEMBERED = 20_000

Row = tuple[str, ...]


class ProcNetParser:
    """Turns the text of one file into batches, and counts the lines it cannot parse."""

    def __init__(
        self,
        protocol: str,
        family: str,
        byte_order: Any,
        wants: Callable[[str], bool] = lambda label: True,
    ) -> None:
        """Take the file's protocol and family, and the byte order of its host.

        `wants` decides by displayed state which sockets are returned.
        """
        self.protocol = protocol
        self.family = family
        self.skipped = 0
        self._wants = wants
        self._labels = _StateLabels(protocol)
        self._addresses = _Addresses(byte_order)
        self._recent: set[Row] = set()
        self._older: set[Row] = set()

    def parse(self, text: str) -> ProcBatch:
        """Parse complete lines, without the heading."""
        rows: list[Row] = _ROW.findall(text)
        lines = text.count("\n") + (not text.endswith("\n")) if text else 0
        self.skipped += lines - len(rows)
        rows = self._without_repeats(rows)
        codes = [row[_STATE] for row in rows]
        wanted = {code: self._wants(self._labels[code]) for code in set(codes)}
        if not all(wanted.values()):
            rows = list(compress(rows, map(wanted.__getitem__, codes)))
        fields = list(zip(*rows, strict=True)) or [()] * 13
        return ProcBatch(
            self.protocol, self.family, fields, self._labels, self._addresses
        )

    def _without_repeats(self, rows: list[Row]) -> list[Row]:
        """Drop the sockets that the kernel has already printed.

        The kernel resumes by position after each page, so a socket that enters a hash
        bucket makes it print others again. Rows without an inode cannot be told apart,
        so they are never dropped.
        """
        keys = list(map(_IDENTITY, rows))
        now = set(keys)
        repeats = not (now.isdisjoint(self._recent) and now.isdisjoint(self._older))
        if repeats or len(now) < len(keys):
            seen = self._recent | self._older
            kept = []
            for key, row in zip(keys, rows, strict=True):
                if key not in seen or row[_INODE] == "0":
                    kept.append(row)
                seen.add(key)
            rows = kept
        if len(self._recent) > _WINDOW:
            self._older, self._recent = self._recent, now
        else:
            self._recent |= now
        return rows


class _StateLabels(dict[str, str]):
    """Displayed states by code; an unknown code is shown as its number."""

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        super().__init__()

    def __missing__(self, code: str) -> str:
        state = find_state(code, has_states=PROTOCOLS[self._protocol].has_states)
        label = f"UNKNOWN({int(code, 16)})" if state is None else str(state)
        self[code] = label
        return label


class _Addresses(dict[str, str]):
    """A bounded cache of addresses by their hexadecimal form."""

    def __init__(self, byte_order: Any) -> None:
        self._byte_order = byte_order
        super().__init__()

    def __missing__(self, field: str) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        packed = b"".join(
            int(field[i : i + 8], 16).to_bytes(4, self._byte_order)
            for i in range(0, len(field), 8)
        )
        text = ".".join(map(str, packed)) if len(packed) == 4 else IPV6[packed]
        self[field] = text
        return text


class ProcBatch(Batch):
    """Rows of one file as text; each column is converted on demand."""

    __slots__ = ("_addresses", "_fields", "_labels")

    def __init__(
        self,
        protocol: str,
        family: str,
        fields: list[tuple[str, ...]],
        words: _StateLabels,
        addresses: _Addresses,
    ) -> None:
        super().__init__(protocol, family)
        self._fields = fields
        self._labels = words
        self._addresses = addresses

    def __len__(self) -> int:
        return len(self._fields[_STATE])

    def _only(self, chosen: Sequence[Any]) -> ProcBatch:
        fields = [tuple(compress(field, chosen)) for field in self._fields]
        return ProcBatch(
            self.protocol, self.family, fields, self._labels, self._addresses
        )

    def _make(self, name: ColumnName) -> Sequence[Any] | None:
        maker = _MAKERS.get(name)
        return None if maker is None else maker(self)

    def _decimals(self, field: int) -> list[int]:
        return list(map(int, self._fields[field]))

    def _hexadecimals(self, field: int) -> list[int]:
        return [int(digits, 16) for digits in self._fields[field]]

    def _text(self, field: int) -> list[str]:
        return list(map(self._addresses.__getitem__, self._fields[field]))

    def _state_labels(self) -> list[str]:
        return list(map(self._labels.__getitem__, self._fields[_STATE]))

    def _state(self) -> list[str | None]:
        known = {
            label: None if label in _STATELESS or label.startswith("UNKNOWN") else label
            for label in set(self.column("state_label"))
        }
        return list(map(known.__getitem__, self.column("state_label")))

    def _send_q(self) -> list[int | None]:
        """Return bytes; None for LISTEN, whose backlog limit is not printed."""
        return [
            None if label == "LISTEN" else number
            for label, number in zip(
                self.column("state_label"), self._hexadecimals(_TX), strict=True
            )
        ]

    def _timer(self) -> list[str] | None:
        if not PROTOCOLS[self.protocol].has_timers:
            return None
        return [_TIMERS.get(code, f"unknown({code})") for code in self._fields[_TIMER]]

    def _timer_ms(self) -> list[int] | None:
        if not PROTOCOLS[self.protocol].has_timers:
            return None
        return [ticks * _TICK_MS for ticks in self._hexadecimals(_WHEN)]

    def _retransmits(self) -> list[int] | None:
        """Return one number, as sock_diag does; this file prints probes separately."""
        kinds = self._timer()
        if kinds is None:
            return None
        return [
            int(probes) if kind in ("keepalive", "probe") else int(count, 16)
            for kind, count, probes in zip(
                kinds, self._fields[_RETRANSMITS], self._fields[_PROBES], strict=True
            )
        ]


_STATELESS = frozenset(map(str, OtherState))
_MAKERS: dict[ColumnName, Callable[[ProcBatch], Sequence[Any] | None]] = {
    "state_label": ProcBatch._state_labels,
    "state": ProcBatch._state,
    "raw_state": lambda batch: batch._fields[_STATE],
    "local_address": lambda batch: batch._text(_LOCAL),
    "local_port": lambda batch: batch._hexadecimals(_LOCAL_PORT),
    "remote_address": lambda batch: batch._text(_REMOTE),
    "remote_port": lambda batch: batch._hexadecimals(_REMOTE_PORT),
    "recv_q": lambda batch: batch._hexadecimals(_RX),
    "send_q": ProcBatch._send_q,
    "uid": lambda batch: batch._decimals(_UID),
    "inode": lambda batch: batch._decimals(_INODE),
    "timer": ProcBatch._timer,
    "timer_ms": ProcBatch._timer_ms,
    "retransmits": ProcBatch._retransmits,
}
