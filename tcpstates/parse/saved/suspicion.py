"""Tell whether a line that was not read may be a socket.

The reader reports such lines, so it is better to doubt a sentence than to lose a row:
two endpoints, or an endpoint or queues beside the name of a protocol or a state.
"""

from __future__ import annotations

import re

LONGEST = 1000  # characters that are looked at

# What no tool here reads: other kinds of sockets, and the commands of a prompt.
_OTHER = re.compile(
    r"^\s*(?:[0-9a-f]{8,16}\s+(?:\d+\s+)?)?(?:unix|u_str|u_dgr|u_seq|nl|raw6?|mptcp|p_raw|p_dgr|v_str|v_dgr|vsock|xdp|sctp[46]?"
    r"|dccp|tipc|ti_st|ti_dg|icmp?6?|icm[46]|udpl(?:ite)?6?|packet|netlink|l2cap|rfcomm"
    r"|ax25|ipx|\?\?\?)\s",
)
_COUNTS = re.compile(r"^(?:TCP|UDP)\s+\d+\s+\d+\s+\d+\s*$")  # of ss -s
_COMMAND = re.compile(
    r"[$#>%]\s*(?:sudo\s+)?(?:curl|wget|nc|ncat|telnet|ssh|ping|docker|kubectl|ss"
    r"|netstat|lsof|nmap|iptables|nft|tcpdump|openssl|redis-cli|psql|mysql|python3?)\s",
)
_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_ENDPOINT = re.compile(
    rf"(?<![\w/:.])(?:(?:{_IPV4}|\*|localhost|\[[0-9a-fA-F:.%\w]*\](?:%\w+)?|::|(?:::ffff:){_IPV4})"
    r"(?::|\.)(?:\d{1,5}|\*|[a-z][\w-]{1,20})"
    r"|[\w-]+(?:\.[\w-]+){1,6}:(?:\d{1,5}|[a-z][\w-]{1,20}|\*)"
    r"|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}[:.](?:\d{1,5}|\*)"
    r"|[0-9A-F]{8}(?:[0-9A-F]{24})?:[0-9A-F]{4})(?![\w/])"
)
_ADDRESS = re.compile(
    rf"(?<![\w.:/])(?:{_IPV4}|::1?|[0-9a-f]{{1,4}}(?::[0-9a-f]{{0,4}}){{3,7}})(?![\w/])"
)
_PROTOCOL = re.compile(r"(?<![\w/.-])(?:tcp|udp)(?:4|6|46)?(?![\w/.-])", re.IGNORECASE)
_STATE = re.compile(
    r"(?<![\w./-])(?:LISTEN(?:ING)?|ESTAB(?:LISHED)?|SYN[-_](?:SENT|RECV|RECEIVED|RCVD)"
    r"|FIN[-_]?WAIT[-_]?[12]|TIME[-_]WAIT|CLOSE[-_]WAIT|LAST[-_]ACK|CLOSING|UNCONN"
    r"|CLOSED|Listen|Established|TimeWait|CloseWait|FinWait[12]|SynSent|SynReceived"
    r"|LastAck|Bound)(?![\w./-])"
)
# A part of lsof's and of /proc/net's rows that stands nowhere else.
_UNMISTAKABLE = re.compile(
    r"\s\d+[a-zA-Z]{0,2}\s+IPv[46](?:\s|$)"
    r"|(?<![\w:])[0-9A-F]{8}(?:[0-9A-F]{24})?:[0-9A-F]{4} [0-9A-F]{2} [0-9A-F]{8}:"
)
_QUEUES = re.compile(r"\s\d+\s+\d+(?:\s|$)")
_CUT = re.compile(r"^\W*(?:tcp|udp)(?:4|6|46)?\s+\d+(?:\s+\d+)?(?:\s+\S*)?$")
_FIRST = re.compile(r"^\W*(?:tcp|udp)(?:4|6|46)?\s", re.IGNORECASE)
_STARTS = re.compile(r"^\W*(?:tcp|udp|TCP|UDP|LISTEN|ESTAB|[A-Z]+-[A-Z]+)")


def may_be_socket(line: str) -> bool:
    """Check a line, of which the first `LONGEST` characters are enough."""
    text = line[:LONGEST]
    if _OTHER.match(text) or _COUNTS.match(text):
        return False
    if _UNMISTAKABLE.search(text):
        return True
    has_word = _PROTOCOL.search(text) is not None or _STATE.search(text) is not None
    endpoints = _ENDPOINT.findall(text)
    if not endpoints and not has_word:
        return False
    if _COMMAND.search(text):
        return False
    if len(endpoints) > 1 or (endpoints and has_word):
        return True
    if not has_word:
        return False
    if _CUT.match(text) or (_FIRST.match(text) and _STATE.search(text)):
        return True
    return (_STATE.search(text) is not None and _ADDRESS.search(text) is not None) or (
        _STARTS.match(text) is not None and _QUEUES.search(text) is not None
    )
