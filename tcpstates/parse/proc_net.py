"""Read the lines of `/proc/net/tcp`, `tcp6`, `udp` and `udp6`.

Layout: `net/ipv4/tcp_ipv4.c`, get_tcp4_sock() and its siblings. Fields, split at
blanks: sl, local, remote, st, tx:rx, tr:when, retrnsmt, uid, timeout, inode ...
TIME_WAIT and half-open rows end early, but not before the inode. An address is
printed as words of 32 bits in the host's byte order, a port as a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tcpstates.model import ColumnBatch
from tcpstates.parse.addresses import IPV6
from tcpstates.states import OtherState, find_state

# "tr" of a row; a kernel before 7.1 has no delayed-ack timer here either.
_TIMERS = {"00": "off", "01": "retransmit", "02": "keepalive", "03": "time-wait"}
_TIMERS |= {"04": "probe", "05": "delayed-ack"}
_WINDOW = 4096  # sockets among which a repeated one is looked for
_TICK_MS = 10  # USER_HZ is 100 in this file on every architecture


class _Endpoints(dict[str, tuple[str, int]]):
    """Decoded "address:port" fields, remembered up to a bound."""

    def __init__(self, byte_order: Any) -> None:
        self._byte_order = byte_order
        super().__init__()

    def __missing__(self, field: str) -> tuple[str, int]:
        if len(self) >= 20_000:
            self.clear()
        address, _, port = field.partition(":")
        if len(address) not in (8, 32) or len(port) != 4:
            raise ValueError(field)
        packed = b"".join(
            int(address[i : i + 8], 16).to_bytes(4, self._byte_order)
            for i in range(0, len(address), 8)
        )
        text = ".".join(map(str, packed)) if len(packed) == 4 else IPV6[packed]
        value = self[field] = text, int(port, 16)
        return value


class ProcNetParser:
    """Turns lines of one file into batches and counts those it cannot read."""

    def __init__(self, protocol: str, family: str, byte_order: str) -> None:
        """Expect the file of that protocol and family; `byte_order` of its host."""
        self.protocol = protocol
        self.family = family
        self.skipped = 0
        self._endpoints = _Endpoints(byte_order)
        self._words = _WordTable(protocol)
        self._recent: set[tuple[str, str, str]] = set()
        self._older: set[tuple[str, str, str]] = set()

    def parse(self, lines: Sequence[str]) -> ColumnBatch:
        """Return the sockets of these lines (without the heading)."""
        rows = [line.split(None, 10) for line in lines]
        try:
            batch = self._columns(rows)
        except (ValueError, IndexError):
            good = [row for row in rows if self._is_readable(row)]
            self.skipped += len(rows) - len(good)
            rows, batch = good, self._columns(good)
        kept = self._without_repeats(rows)
        return batch if kept is rows else self._columns(kept)

    def _without_repeats(self, rows: list[list[str]]) -> list[list[str]]:
        """Drop the sockets that the kernel has printed just before.

        It goes on by position after each page, so what enters a hash bucket pushes
        others back into view. A row without an inode cannot be told from its like.
        """
        keys = [(row[1], row[2], row[9]) for row in rows]
        now = set(keys)
        repeats = not (now.isdisjoint(self._recent) and now.isdisjoint(self._older))
        if repeats or len(now) < len(keys):
            seen = self._recent | self._older
            kept = []
            for key, row in zip(keys, rows, strict=True):
                if key not in seen or row[9] == "0":
                    kept.append(row)
                seen.add(key)
            rows = kept
        if len(self._recent) > _WINDOW:
            self._older, self._recent = self._recent, now
        else:
            self._recent |= now
        return rows

    def _is_readable(self, row: list[str]) -> bool:
        try:
            self._columns([row])
        except (ValueError, IndexError):
            return False
        return True

    def _columns(self, rows: list[list[str]]) -> ColumnBatch:
        if not rows:
            return ColumnBatch(self.protocol, self.family, 0, {"word": []})
        if min(map(len, rows)) < 10:
            raise ValueError("short line")
        _, local, remote, code, queues, timer, retransmits, uid, probes, inode = (
            list(column) for column in list(zip(*rows, strict=False))[:10]
        )
        words = [self._words[c] for c in code]
        ends = [self._endpoints[field] for field in local]
        peers = [self._endpoints[field] for field in remote]
        sent, received = zip(*(_pair(field) for field in queues), strict=True)
        columns: dict[str, Sequence[Any]] = {
            "word": words,
            "state": [_state(word) for word in words],
            "raw_state": code,
            "local_address": [address for address, _ in ends],
            "local_port": [port for _, port in ends],
            "remote_address": [address for address, _ in peers],
            "remote_port": [port for _, port in peers],
            "recv_q": received,
            # The limit of a LISTEN socket's backlog is not in this file.
            "send_q": [
                None if word == "LISTEN" else n
                for word, n in zip(words, sent, strict=True)
            ],
            "uid": list(map(int, uid)),
            "inode": list(map(int, inode)),
        }
        if self.protocol == "tcp":
            columns |= _timer_columns(timer, retransmits, probes)
        return ColumnBatch(self.protocol, self.family, len(rows), columns)


class _WordTable(dict[str, str]):
    """What to show for a state code; an unknown one keeps its code."""

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        super().__init__()

    def __missing__(self, code: str) -> str:
        number = int(code, 16)
        state = find_state(f"{number:02X}", self._protocol)
        word = self[code] = f"UNKNOWN({number})" if state is None else str(state)
        return word


def _state(word: str) -> str | None:
    """Return the RFC state of a word to show; None where there is none."""
    return None if word.startswith("UNKNOWN") or word in _STATELESS else word


_STATELESS = frozenset(map(str, OtherState))


def _pair(field: str) -> tuple[int, int]:
    first, _, second = field.partition(":")
    return int(first, 16), int(second, 16)


def _timer_columns(
    timer: list[str], retransmits: list[str], probes: list[str]
) -> dict[str, Sequence[Any]]:
    kinds = [_TIMERS.get(field[:2], f"unknown({field[:2]})") for field in timer]
    return {
        "timer": kinds,
        "timer_ms": [int(field[3:], 16) * _TICK_MS for field in timer],
        # Probes are counted apart here; the kernel's sock_diag gives one number.
        "retransmits": [
            int(probe) if kind in ("keepalive", "probe") else int(count, 16)
            for kind, count, probe in zip(kinds, retransmits, probes, strict=True)
        ],
    }
