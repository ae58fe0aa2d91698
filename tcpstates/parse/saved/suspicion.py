"""Decide whether a line that no layout recognised may be a socket.

The reader reports such lines. A false alarm is better than a lost row, so a line is
suspicious if it has two endpoints, or the name of a protocol or state next to an
endpoint or queues.
"""

from __future__ import annotations

import re

from tcpstates.late_pattern import late

EXAMINED = 1000  # characters of a line that are examined

# Sockets of other protocols; FreeBSD and macOS may print a kernel address before them.
_OTHER = late(
    r"^\s*(?:[0-9a-f]{8,16}\s+(?:\d+\s+)?)?(?:unix|u_str|u_dgr|u_seq|nl|raw6?|mptcp"
    r"|p_raw|p_dgr|v_str|v_dgr|vsock|xdp|sctp[46]?|dccp|tipc|ti_st|ti_dg|icmp?6?|icm[46]"
    r"|udpl(?:ite)?6?|packet|netlink|l2cap|rfcomm|ax25|ipx|\?\?\?)\s",
)
_COUNTS = late(r"^(?:TCP|UDP)\s+\d+\s+\d+\s+\d+\s*$")  # of ss -s
# A command after a prompt.
_COMMAND = late(
    r"[$#>%]\s*(?:sudo\s+)?(?:curl|wget|nc|ncat|telnet|ssh|ping|docker|kubectl|ss"
    r"|netstat|lsof|nmap|iptables|nft|tcpdump|openssl|redis-cli|psql|mysql|python3?)\s",
)
_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}"
# An address, or a name with a dot, and a port. The lookbehind keeps the search linear.
_ENDPOINT = late(
    rf"(?<![\w/:.-])(?:(?:{_IPV4}|\*|localhost|::|(?:::ffff:){_IPV4}"
    r"|\[[0-9a-fA-F:.%\w]{0,64}\](?:%\w{1,16})?)"
    r"(?::|\.{1,2})(?:\d{1,5}|\*|[a-z][\w-]{1,20})"
    r"|[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}:(?:\d{1,5}|[a-z][\w-]{1,20}|\*)"
    r"|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}[:.](?:\d{1,5}|\*)"
    r"|[0-9A-F]{8}(?:[0-9A-F]{24})?:[0-9A-F]{4})(?![\w/])"
)
_ADDRESS = late(
    rf"(?<![\w.:/])(?:{_IPV4}|::1?|[0-9a-f]{{1,4}}(?::[0-9a-f]{{0,4}}){{3,7}})(?![\w/])"
)
_PROTOCOL = late(r"(?<![\w/.-])(?:tcp|udp)(?:4|6|46)?(?![\w/.-])", re.IGNORECASE)
_STATE = late(
    r"(?<![\w./-])(?:LISTEN(?:ING)?|ESTAB(?:LISHED)?|SYN[-_](?:SENT|RECV|RECEIVED|RCVD)"
    r"|FIN[-_]?WAIT[-_]?[12]|TIME[-_]WAIT|CLOSE[-_]WAIT|LAST[-_]ACK|CLOSING|UNCONN"
    r"|CLOSED|Listen|Established|TimeWait|CloseWait|FinWait[12]|SynSent|SynReceived"
    r"|LastAck|Bound|Connected(?=\s*$))(?![\w./-])"
)
# Text that occurs only in rows of lsof, z/OS and /proc/net, and PowerShell's headings.
_UNMISTAKABLE = late(
    r"\s\d+[a-zA-Z]{0,2}\s+IPv[46](?:\s|$)"
    r"|\s\d+[urw]\s.{0,99}\s(?:TCP|UDP)\s+\S+:\S"
    r"|^\s*(?:Local|Foreign) Socket:\s|^[\w <>-]*\bLocal(?:Address|Port)\b[\w <>-]*$"
    r"|(?:^|\s)\d{1,9}/\d{1,9}/\d{1,9}\s+\S{1,80}\.(?:\d+|\*)\s*$"
    r"|(?<![\w:])[0-9A-F]{8}(?:[0-9A-F]{24})?:[0-9A-F]{4} [0-9A-F]{2} [0-9A-F]{8}:"
)
# Lines that begin like a row: with a protocol, or with a protocol or state and queues.
_PROTOCOL_FIRST = late(r"^\W*(?:tcp|udp)(?:4|6|46)?\s", re.IGNORECASE)
_ROW_CUT_OFF = late(
    r"^\W*(?:[0-9a-f]{8,16}\s+(?:[0-9a-f]{1,8}\s+)?)?(?:tcp|udp)(?:4|6|46)?\s+"
    r"(?:\d+(?:\s+\d+)?(?:\s+\S*)?|\d+/\d*/?\d*)$"
    r"|^[0-9a-f]{8,16}\s+(?:[0-9a-f]{1,8}\s+)?(?:tcp|udp)(?:4|6|46)?\s*$"
)
_NAME_FIRST = late(r"^\W*(?:tcp|udp|TCP|UDP|LISTEN|ESTAB|[A-Z]+-[A-Z]+)")
_QUEUES = late(r"\s\d+\s+\d+(?:\s|$)")


def is_address(word: str) -> bool:
    """Check whether a word is an address."""
    return _ADDRESS.fullmatch(word) is not None


def may_be_socket(line: str) -> bool:
    """Examine the first `EXAMINED` characters of a line."""
    text = line[:EXAMINED]
    if _OTHER.match(text) or _COUNTS.match(text):
        return False
    if _UNMISTAKABLE.search(text):
        return True
    has_state = _STATE.search(text) is not None
    has_name = has_state or _PROTOCOL.search(text) is not None
    endpoints = len(_ENDPOINT.findall(text))
    if endpoints < 2 and not has_name:
        return False
    if _COMMAND.search(text):
        return False
    if endpoints or _ROW_CUT_OFF.match(text):
        return True
    is_first = _PROTOCOL_FIRST.match(text) is not None
    if (has_state or is_first) and _ADDRESS.search(text):
        return True
    if has_state and is_first:
        return True
    return bool(_NAME_FIRST.match(text) and _QUEUES.search(text))
