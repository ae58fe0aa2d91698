"""Parse fstat of OpenBSD, NetBSD and FreeBSD (-s).

A socket's line has the user, the command, the pid and the descriptor with a `*`, then
`internet stream tcp`, the address of a kernel structure, and the endpoints. There is no
state. The sign between the endpoints is `-->` or `<--` on OpenBSD, depending on which
side opened the connection, and `<->` elsewhere. NetBSD prints the remote one first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tcpstates.late_pattern import late
from tcpstates.parse.saved.endpoints import Endpoint, joined
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.rows import (
    NOT_OURS,
    MalformedLine,
    More,
    Row,
    owner,
    take_user,
)
from tcpstates.protocols import PROTOCOLS

_HEADING = late(r"^USER\s+CMD\s+PID\s+FD\s")
_OF_NETBSD = late(r"SZ\|DV\s+R/W\s*$")
_SOCKET = late(
    r"^\s*(?P<user>\S+)\s+(?P<command>\S.{0,60}?)\s+(?P<pid>\d{1,10})\s+"
    r"(?P<fd>\d{1,7})\*\s+internet(?P<digit>6?)\s+\S+\s+(?P<protocol>\S+)(?P<rest>.*)$"
)
_DETAILS = late(
    r"^(?:\s+(?P<pointer>(?:0x)?[0-9a-f]{1,16}))?"
    r"(?:\s+(?P<first>\S+[:.](?:\d+|\*))"
    r"(?:\s+(?P<sign>-->|<--|<->)\s+(?P<second>\S+[:.](?:\d+|\*)))?)?"
    r"(?P<more>(?:\s+(?:<==>|==>|<==)\s.*|\t\s*\d+\s+\d+)?)\s*$"
)
_OTHER_PROTOCOLS = late(
    r"\d+|ah|carp|divert|esp|gre|icmp6?|igmp|ip|ipip|ipv6(?:-icmp)?|ospf|pfsync|pim|raw"
    r"|sctp|udplite"
)
_OTHER = late(r"\s\d+\*?\s+(?:unix|pipe|kqueue|route|local|error|pseudo|link)\b")


class Fstat(Layout):
    """Rows of user, command, pid, descriptor and what the descriptor is."""

    name = "fstat"
    formats = ("fstat",)
    has_snapshots = True
    is_unmistakable = True
    like_row = late(r"\s\d+\s+\d+\*(?:\s+i\w{0,8})?\s*$")
    _is_of_netbsd = False

    @staticmethod
    def may_be_row(line: str) -> bool:
        """Check for the words of a socket."""
        return "* internet" in line

    def heading(self, line: str) -> bool:
        """Recognise the heading; NetBSD's ends in other columns than OpenBSD's."""
        if not _HEADING.match(line):
            return False
        self._is_of_netbsd = _OF_NETBSD.search(line) is not None
        return True

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a row; FreeBSD prints the endpoints with -s only."""
        found = _SOCKET.match(line)
        if found is None:
            if "* internet" in line:
                raise MalformedLine(line)
            return NOT_OURS if _OTHER.search(line) else None
        protocol = found["protocol"]
        if _OTHER_PROTOCOLS.fullmatch(protocol):
            return NOT_OURS
        if protocol not in PROTOCOLS:
            raise MalformedLine(line)
        details = _DETAILS.match(found["rest"])
        if details is None or details["first"] is None:
            raise MalformedLine(line)
        ends = [self._endpoints.split(details["first"])]
        ends.append(self._endpoints.split(details["second"] or "*:*"))
        if self._is_remote_first(details, protocol):
            ends.reverse()
        return (self._row(found, protocol, *ends),)

    def _is_remote_first(self, details: re.Match[str], protocol: str) -> bool:
        if details["sign"] != "<->" or details["pointer"] is not None:
            return False
        return protocol == "tcp" or self._is_of_netbsd

    def _row(
        self, found: re.Match[str], protocol: str, local: Endpoint, remote: Endpoint
    ) -> Row:
        family = "ipv6" if found["digit"] else "ipv4"
        _, places, more = joined(local, remote, family)
        own: More = {
            **more,
            "processes": (owner(found["pid"], found["command"], found["fd"]),),
        }
        take_user(found["user"], own)
        return Row(protocol, family, None, *places, more=own)
