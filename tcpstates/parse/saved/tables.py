"""sockstat of FreeBSD and Linux, netstat of Solaris, and /proc/net."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tcpstates.parse.proc_net import ProcNetParser
from tcpstates.parse.saved.endpoints import Endpoints, settle
from tcpstates.parse.saved.rows import Row, Unreadable, owner, state_of

_PROTOCOL = re.compile(r"(tcp|udp)(4|6|46)?$")
_FAMILIES = {"4": "ipv4", "6": "ipv6", "46": "ipv6"}


_OTHER = re.compile(r"\s(stream|dgram|seqpac|raw|icm|divert)")
_PROC_ROW = re.compile(r"^\s*(\d+): ([0-9A-F]{8}(?:[0-9A-F]{24})?):([0-9A-F]{4}) ")


class Sockstat:
    """Rows of sockstat: user, command, pid, perhaps a descriptor, both endpoints."""

    name = "sockstat"

    def __init__(self, endpoints: Endpoints) -> None:
        """Take what reads endpoints."""
        self._endpoints = endpoints

    def heading(self, line: str) -> bool:
        """Take a heading; False: it is none."""
        return re.match(r"^USER\s+(COMMAND|PROCESS)\s+PID\s", line) is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Return a row."""
        words = line.split()
        places = [i for i, word in enumerate(words) if _PROTOCOL.match(word)]
        if not places or places[0] < 3:
            return (
                ()
                if re.search(r"\s(stream|dgram|seqpac|raw|icm|divert)", line)
                else None
            )
        place = places[-1] if len(words) > places[-1] + 2 else places[0]
        if len(words) < place + 3:
            raise Unreadable(line)
        protocol, digits = words[place][:3], words[place][3:]
        local, local_port = self._endpoints.with_colon(words[place + 1])
        remote, remote_port = self._endpoints.with_colon(words[place + 2])
        family, here, there = settle(local, remote, _FAMILIES.get(digits))
        state = words[place + 3] if len(words) > place + 3 else None
        if state is not None and not state.replace("_", "").isalpha():
            state = None  # FreeBSD's -U prints a number there
        more: dict[str, Any] = {}
        left = words[:place]
        if left[0] != "?":
            more["uid" if left[0].isdecimal() else "user_name"] = (
                int(left[0]) if left[0].isdecimal() else left[0]
            )
        numbers = [word for word in left[2:] if word.isdecimal()]
        if numbers:
            fd = numbers[1] if len(numbers) > 1 else None
            command = " ".join(left[1 : left.index(numbers[0], 2)])
            more["processes"] = (owner(numbers[0], command, fd),)
        if local.scope:
            more["interface_name"] = local.scope
        row = Row(
            protocol, family, state, here, local_port, there, remote_port, more=more
        )
        return (row,)

    def finish(self) -> Sequence[Row]:
        """Return nothing: a row is a line."""
        return ()


_DOTTED = re.compile(r"\.(\d+|\*|[\w-]+)$")
_UDP_STATES = {"Connected": "ESTABLISHED", "Idle": "UNCONN", "Unbound": "UNBOUND"}


class Solaris:
    """Rows below `TCP: IPv4` and `UDP: IPv6`, without a protocol of their own."""

    name = "solaris"

    def __init__(self, endpoints: Endpoints) -> None:
        """Start before any section."""
        self._endpoints = endpoints
        self._protocol, self._family = "tcp", "ipv4"

    def heading(self, line: str) -> bool:
        """Take a section's title; False: it is none."""
        found = re.match(r"^(TCP|UDP|SCTP)(?::(?:\s+IPv([46]))?)?\s*$", line)
        if found:
            self._protocol = found[1].lower()
            self._family = f"ipv{found[2] or 4}"
        return found is not None

    def rows(self, line: str) -> Sequence[Row] | None:
        """Return a row; columns: both addresses, perhaps -u's, windows, the state."""
        words = line.split()
        if not words or not _DOTTED.search(words[0]):
            return None
        if self._protocol == "sctp":
            return ()
        has_remote = len(words) > 1 and _DOTTED.search(words[1]) is not None
        local, local_port = self._endpoints.split(words[0])
        remote, remote_port = self._endpoints.split(words[1] if has_remote else "*.*")
        family, here, there = settle(local, remote, self._family)
        after = words[2:] if has_remote else words[1:]
        received = sent = None
        more: dict[str, Any] = {}
        if self._protocol == "tcp":
            place = next((i for i, w in enumerate(after) if state_of(w)), len(after))
            numbers = after[max(0, place - 4) : place]
            if place == len(after) or not all(map(str.isdecimal, numbers)):
                return None
            raw: str | None = after[place]
            if len(numbers) == 4:
                received = int(numbers[3])
                # Of a listener it prints 0, and not how many may wait.
                sent = None if raw == "LISTEN" else int(numbers[1])
            owner_words = after[: place - 4]
        else:
            place = next((i for i, w in enumerate(after) if w in _UDP_STATES), 0)
            raw = _UDP_STATES.get(after[place]) if after else None
            owner_words = after[:place]
        if len(owner_words) > 1 and owner_words[1].isdecimal():  # -u
            more["user_name"] = owner_words[0]
            name = " ".join(owner_words[2:]) or None
            more["processes"] = (owner(owner_words[1], name),)
        row = Row(
            self._protocol,
            family,
            raw,
            here,
            local_port,
            there,
            remote_port,
            received,
            sent,
            more or None,
        )
        return (row,)

    def finish(self) -> Sequence[Row]:
        """Return nothing: a row is a line."""
        return ()


# What raw sockets are for, where others have a port: ICMP, IGMP, OSPF ...
_RAW_PROTOCOLS = frozenset({1, 2, 41, 46, 47, 50, 51, 58, 89, 103, 112, 132, 255})
_PROC_COLUMNS = (*Row._fields[2:9], "uid", "inode", "timer", "timer_ms", "retransmits")


class ProcNet:
    """Rows of /proc/net/tcp, tcp6, udp and udp6, of a machine of either byte order."""

    name = "proc"

    def __init__(self, byte_order: str) -> None:
        """Take the order: little or big."""
        self._byte_order = byte_order
        self._protocol = "tcp"
        self._may_be_raw = False
        self._parsers: dict[tuple[str, str], ProcNetParser] = {}

    def heading(self, line: str) -> bool:
        """Take a heading: that of UDP has more columns; False: it is none."""
        if not re.match(r"^\s*sl\s+local_address\s+(rem|remote)_address", line):
            return False
        self._protocol = "udp" if "drops" in line else "tcp"
        self._may_be_raw = line.endswith("drops")  # UDP's is padded with blanks
        self._parsers.clear()
        return True

    def rows(self, line: str) -> Sequence[Row] | None:
        """Return a row; those of /proc/net/raw are passed over."""
        found = re.match(
            r"^\s*(\d+): ([0-9A-F]{8}(?:[0-9A-F]{24})?):([0-9A-F]{4}) ", line
        )
        if found is None:
            if re.match(r"^\s*\d+: [0-9A-F]{8}", line):
                raise Unreadable(line)
            return None
        family = "ipv4" if len(found[2]) == 8 else "ipv6"
        port = int(found[3], 16)
        if self._may_be_raw and port in _RAW_PROTOCOLS:
            return ()
        if self._protocol == "tcp" and line[found.end() :].split()[1:2] == ["07"]:
            self._protocol = "udp"  # older kernels name no drops; TCP prints no 07
        key = self._protocol, family
        parser = self._parsers.get(key)
        if parser is None:
            parser = self._parsers[key] = ProcNetParser(*key, self._byte_order)
        batch = parser.parse(line.rstrip())
        if not len(batch):
            if parser.skipped:
                parser.skipped = 0
                raise Unreadable(line)
            return ()  # the kernel has repeated a row
        told = {name: batch.column(name)[0] for name in _PROC_COLUMNS}
        more = {name: told.pop(name) for name in _PROC_COLUMNS[7:]}
        return (Row(self._protocol, family, **told, more=more),)

    def finish(self) -> Sequence[Row]:
        """Return nothing: a row is a line."""
        return ()
