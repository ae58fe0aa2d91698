"""Recognise texts that people take for listings, and that have no sockets.

Only a file without sockets is judged, by its first lines.
"""

from __future__ import annotations

import re
from collections import Counter

from tcpstates.late_pattern import late

MOST_LINES = 400  # that are judged

_STATE = (
    r"(?:LISTEN(?:ING)?|ESTAB(?:LISHED)?|SYN[-_](?:SENT|RECV|RECEIVED)"
    r"|FIN[-_]?WAIT[-_]?[12]|TIME[-_]WAIT|CLOSE[-_]WAIT|LAST[-_]ACK|CLOSING|UNCONN)"
)
_ADDRESS = r"(?:(?:::ffff:)?\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-f:]*::[0-9a-f:]*\]?|\*)"
_ENDPOINT = rf"{_ADDRESS}(?:[:.](?:\d{{1,5}}|\*))?"
_SUMMARY = late(r"^Total: \d")
_BINARY = "binary"
_COUNTED = "counts (`sort | uniq -c`); save the listing that was counted"

# What a line belongs to, and how a message names it; the first match counts.
_KINDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (late(pattern), text)
    for pattern, text in (
        (rf"^\s*\d+\s+(?:{_STATE}|{_ENDPOINT})\s*$", _COUNTED),
        (rf"^\s*(?:{_STATE}|{_ENDPOINT})\s*[:=,]?\s+\d+\s*$", _COUNTED),
        (rf"^\s*{_ENDPOINT}\s*$", "a list of addresses, without states"),
        (
            r"\bsrc=\S+ dst=\S+ (?:sport=\d+|type=\d+)",
            "connections that a firewall tracks (conntrack)",
        ),
        (r"^\S+ IP6? \S+ > \S+: |: Flags \[", "captured packets (tcpdump)"),
        (r"^\d{1,5}/(?:tcp|udp)\s+(?:open|closed|filtered)", "a port scan (nmap)"),
        (
            r"^Chain \S+ \(|^-A \S+ -|^\s*(?:table|chain) \S+.* \{$",
            "the rules of a firewall",
        ),
        (
            r"^(?:Tcp|Udp|Ip|Icmp|TcpExt|IpExt):\s*$|^(?:tcp|udp|ip|icmp):$|^TCP Stat",
            "counters of protocols (netstat -s)",
        ),
        (r"^Kernel IP routing table|^Destination\s+Gateway\s", "a table of routes"),
        (
            r"^Kernel Interface table|^Iface\s+MTU|^Name\s+Mtu\s",
            "a table of network interfaces",
        ),
        (r"^\s*(?:USER|UID|F S UID)\s+PID\s.*\s(?:COMMAND|CMD)\s*$", "processes (ps)"),
        (r"^CONTAINER ID\s", "containers (docker ps)"),
        (r"\bs?conn\(fd=|laddr=addr\(", "objects of psutil, printed by Python"),
        (
            r"\s(?:TCP|UDP)(?:v6)?:\[\d+\]",
            "open files of lsfd before util-linux 2.39, which prints no addresses",
        ),
    )
)


class OtherKinds:
    """What the first lines of a file belong to."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._is_empty = True
        self.is_summary = False  # of ss -s: a listing that has only totals

    def look_at(self, line: str) -> None:
        """Judge a line that is no socket."""
        text = line[:400].rstrip()
        if not text:
            return
        self._is_empty = False
        self.is_summary |= _SUMMARY.match(text) is not None
        for pattern, name in _KINDS:
            if pattern.search(text):
                self._seen[name] += 1
                return
        if "\0" in text:
            self._seen[_BINARY] += 1

    @property
    def verdict(self) -> str | None:
        """What the file is, as the rest of a sentence; None: not known."""
        if self._is_empty:
            return "is empty"
        if not self._seen:
            return None
        name = self._seen.most_common(1)[0][0]
        if name == _BINARY:
            return "is not text"
        return f"has no sockets: it contains {name}"
