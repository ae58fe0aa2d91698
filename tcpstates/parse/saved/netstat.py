"""Parse netstat of net-tools, BusyBox, Windows, macOS, the BSDs, AIX and HP-UX.

A row has its protocol among the first three words: `tcp`, `tcp6`, `tcp46`, `TCP`.
Addresses of kernel structures (-A) may precede it, and queues may follow it. Then come
both endpoints, the state except for UDP, and the columns that the heading names. Some
systems translate states and headings, so only the untranslated parts of a heading are
used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import Address, Endpoints, joined
from tcpstates.parse.saved.layout import Layout, Shape
from tcpstates.parse.saved.netstat_owner import owner_of_bsd
from tcpstates.parse.saved.netstat_windows import read_windows, with_program
from tcpstates.parse.saved.rows import (
    MALFORMED,
    TIMERS,
    MalformedLine,
    More,
    Row,
    owner,
    state_of,
    take_user,
)
from tcpstates.parse.saved.shapes import NETSTAT, NETSTAT_IPV6, WIDTH
from tcpstates.protocols import PROTOCOLS
from tcpstates.states import TcpState

# toe: TCP that the network card does, on FreeBSD.
_PROTOCOL = late(r"(tcp|udp|toe)(4|6|46)?$", re.IGNORECASE)
_FAMILIES = {"4": "ipv4", "6": "ipv6", "46": "ipv6"}
# net-tools: kind (seconds left/retransmissions/probes)
_TIMER = late(
    r"\s(off|on|keepalive|timewait|persist|probe|unkn-\d+)"
    r" \((\d+\.\d+)/(\d+)/(\d+)\)\s*$"
)
_PROGRAM = late(r"(?:^|\s)(\d+)/(.*)$")
_USER_INODE = late(r"^(\S+)\s+(\d+)(?=\s|$)")
_MAYBE_ENDPOINT = late(r"[\w.:%*\[\]-]+[:.][\w*-]+$")
_EXECUTABLE = late(r"^\s*\[([^\]]+)\]\s*$")
_NO_OWNER = "Can not obtain ownership information"
_BSD_STATE = "(state)"
_COUNTERS = {"r-mbuf", "rexmit"}  # FreeBSD's -x and -T print these instead of a state
_HEADING = late(r"^\s*(?:\S+\s+){0,2}Proto\s", re.IGNORECASE)


class Netstat(Layout):
    """The table of any netstat."""

    name = "netstat"
    formats = ("netstat",)
    has_snapshots = True
    is_unmistakable = True

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._after_state: list[str] = []  # the columns that BSD's heading names there
        self._held: Row | None = None  # Windows -b prints its program below it
        self._width = WIDTH
        self._has_counters = False
        self._is_windows = False  # whether the previous row was from Windows
        self._shows_states = False  # whether a TCP row had one

    def heading(self, line: str) -> bool:
        """Recognise the heading."""
        if not _HEADING.match(line) or "REFCNT" in line.upper():
            return False
        fields = line.lower().split()
        self._after_state = []
        self._has_counters = bool(_COUNTERS & set(fields))
        if _BSD_STATE in fields:
            self._after_state = fields[fields.index(_BSD_STATE) + 1 :]
            start = line.find("Local")
            end = line.find("Foreign")
            self._width = end - start - 1 if 0 <= start < end else WIDTH
        return True

    def shape(self, line: str) -> Shape | None:
        """Return the shape of a plain socket of Linux: see `Layout`."""
        is_of_linux = not (self._after_state or self._has_counters or self._is_windows)
        if not is_of_linux or self._width != WIDTH:
            return None
        return NETSTAT_IPV6 if line.startswith("tcp6") else NETSTAT

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row; hold it back for one line, because its program may follow."""
        fields = line.split()
        held = self._held
        try:
            row = self._row(line, fields) if fields else None
        except MalformedLine:
            if held is None:
                raise
            # The lines below belong to this row, not to the previous one.
            self._held = None
            return held, MALFORMED._replace(line=self._endpoints.line)
        if row is not None:
            self._held = row
            return (held,) if held else ()
        if held is None or not self._is_windows:
            return None
        if not fields:
            return ()  # blank lines between the lines of -b
        found = _EXECUTABLE.match(line)
        if found:
            self._held = with_program(held, found[1])
            return ()
        # -b: a component, or a note that permission is missing
        is_known = line.startswith(" ") or len(fields) == 1 or _NO_OWNER in line
        return () if fields and is_known else None

    def finish(self) -> Sequence[Row]:
        """Return the row that was held back."""
        held, self._held = self._held, None
        return (held,) if held else ()

    def _row(self, line: str, fields: list[str]) -> Row | None:
        found = next(filter(None, map(_PROTOCOL.match, fields[:3])), None)
        if found is None:
            return None
        start = fields.index(found.string) + 1
        numbers = list(map(int, takewhile(str.isdecimal, fields[start:])))
        rest = start + len(numbers)
        if len(fields) < rest + 2:
            last = fields[-1]
            if len(fields) > 2 and any(c in last for c in ":.") and len(last) > 1:
                raise MalformedLine(line)
            return None
        texts = fields[rest : rest + 2]
        try:
            local, remote = map(self._endpoints.split, texts)
        except MalformedLine:
            is_of_windows = start == 1 and found.string.isupper() and not numbers
            if is_of_windows and all(":" in text for text in texts):
                raise
            if not numbers or not all(map(_MAYBE_ENDPOINT.match, texts)):
                return None  # a sentence that mentions TCP, or a line of another tool
            raise
        protocol = found[1].lower().replace("toe", "tcp")
        family, places, more = joined(local, remote, _FAMILIES.get(found[2] or ""))
        after = fields[rest + 2 :]
        self._check_whole(line, texts, protocol, after)
        is_windows = self._is_windows = not numbers and found.string.isupper()
        if is_windows:
            raw = read_windows(after, protocol, remote[1], more)
        else:
            tail = line.split(texts[1], 1)[1] if after else ""
            is_bsd = _separator(texts[0]) == "."
            raw = self._read_unix(after, tail, protocol, more, is_bsd=is_bsd)
            sides = ("local_address", local[0]), ("remote_address", remote[0])
            cut = [
                side
                for (side, address), text in zip(sides, texts, strict=True)
                if self._is_cut(address, text)
            ]
            if cut:
                more["truncated"] = tuple(cut)
        queues, at = _queues(numbers, raw), self._endpoints.line
        return Row(protocol, family, raw, *places, *queues, more, at)

    def _check_whole(
        self, line: str, texts: list[str], protocol: str, after: list[str]
    ) -> None:
        """Raise MalformedLine for a row whose end is cut off."""
        if _separator(texts[0]) != _separator(texts[1]):
            raise MalformedLine(line)  # an endpoint without its port
        is_tcp = PROTOCOLS[protocol].has_states
        if is_tcp and not after and self._shows_states:
            raise MalformedLine(line)
        self._shows_states |= is_tcp and bool(after)

    def _is_cut(self, address: Address, text: str) -> bool:
        """Check whether an endpoint was truncated to the width of its column."""
        if address.text == "*":
            return False
        if address.family == "ipv6" and not address.is_whole:
            return True
        return len(text) == self._width and (
            address.family != "ipv4" or self._width != WIDTH
        )

    def _read_unix(
        self, after: list[str], tail: str, protocol: str, more: More, *, is_bsd: bool
    ) -> str | None:
        """Parse the columns after the endpoints; return the state."""
        if self._has_counters:
            return None
        raw, after = _split_state(after, protocol)
        is_known = raw is not None and state_of(raw, protocol) is not None
        if not is_known and after and state_of(after[-1], protocol):
            return after[-1]  # Cisco prints the service before the state
        if raw is not None:
            tail = tail.split(raw.split()[-1], 1)[1]
        if is_bsd:
            pid, name = owner_of_bsd(self._after_state, after, tail)
            if pid.isdecimal() and pid != "0":
                more["processes"] = (owner(pid, name),)
            return raw
        timer = _TIMER.search(" " + tail)
        if timer:
            _take_timer(timer, more)
            tail = (" " + tail)[: timer.start()]
        both = _USER_INODE.match(tail.strip())
        if both:
            take_user(both[1], more)
            more["inode"] = int(both[2])
            tail = tail.strip()[both.end() :]
        program = _PROGRAM.search(tail.rstrip())
        if program:
            more["processes"] = (owner(program[1], program[2]),)
        return raw


def _separator(text: str) -> str:
    """Return the character between address and port."""
    return text[max(text.rfind(":"), text.rfind("."))]


def _split_state(after: list[str], protocol: str) -> tuple[str | None, list[str]]:
    """Split off the state, which has two words in some languages."""
    if not after:
        return None, after
    is_state = state_of(after[0], protocol) is not None
    two = " ".join(after[:2])
    if len(after) > 1 and not is_state and state_of(two, protocol):
        return two, after[2:]
    if is_state or (PROTOCOLS[protocol].has_states and _looks_like_state(after[0])):
        return after[0], after[1:]
    return None, after


def _queues(numbers: list[int], raw: str | None) -> tuple[int | None, int | None]:
    """Return the queues; three numbers are other counters, of FreeBSD's -T.

    For a listener, netstat prints 0 as Send-Q rather than its backlog limit.
    """
    if len(numbers) != 2:
        return None, None
    is_listener = raw is not None and state_of(raw) is TcpState.LISTEN
    return numbers[0], None if is_listener else numbers[1]


def _looks_like_state(field: str) -> bool:
    """Check whether an unknown word has the form of a state, not of a process."""
    return (
        field != "-"
        and "/" not in field
        and field.upper() == field
        and not field[0].isdigit()
    )


def _take_timer(found: re.Match[str], more: More) -> None:
    """Parse the timer of net-tools: kind (seconds left/retransmissions/probes)."""
    kind = TIMERS.get(found[1], found[1])
    more["timer"] = kind
    more["timer_ms"] = round(float(found[2]) * 1000)
    is_probe = kind in ("keepalive", "probe")
    more["retransmits"] = int(found[4] if is_probe else found[3])
