"""The flags of ss, netstat, bsd's netstat and Windows', and what each means here.

`{ss}` and `{netstat}` in a text stand for the path of that program.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_ROUTES = "for routes: ip route"
_INTERFACES = "for interfaces: ip -s link"
_STATISTICS = "for counters of the protocols: nstat -az"
_REPEAT = "to repeat the listing: watch -n 1 COMMAND"
_GROUPS = "for multicast groups: ip maddress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A tool's flags."""

    state_names: str
    # What a flag means here; "" if tcpstates does that anyway.
    letters: dict[str, str]
    words: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # and what does it
    with_value: dict[str, dict[str, str]] = field(default_factory=dict)
    passed_on: dict[str, str] = field(default_factory=dict)  # with any value


_COMMON = {
    "a": "--all",
    "l": "--listening",
    "n": "--numeric",
    "p": "--processes",
    "t": "--tcp",
    "u": "--udp",
    "4": "--ipv4",
    "6": "--ipv6",
}
# Tables of ss -A; its inet has IPv6, too.
TABLES = {"inet": "--tcp --udp", "tcp": "--tcp", "udp": "--udp"}
FAMILIES = {"inet": "--ipv4", "inet6": "--ipv6", "tcp": "--tcp", "udp": "--udp"}
_LONG = {
    "--all": "--all",
    "--listening": "--listening",
    "--numeric": "--numeric",
    "--numeric-hosts": "--numeric-hosts",
    "--numeric-ports": "--numeric-ports",
    "--numeric-users": "--numeric-users",
    "--processes": "--processes",
    "--program": "--processes",
    "--programs": "--processes",
    "--tcp": "--tcp",
    "--udp": "--udp",
    "--ipv4": "--ipv4",
    "--ipv6": "--ipv6",
    "--inet": "--ipv4",
    "--inet6": "--ipv6",
    "--extend": "--extended",
    "--extended": "--extended",
    "--timers": "--timers",
    "--options": "--timers",
    "--info": "--info",
    "--memory": "--memory",
    "--wide": "--wide",
    "--verbose": "",
    "--no-header": "--no-header",
    "--oneline": "--wide",
    "--threads": "--processes",
    "--resolve": "--resolve",
    "--summary": "--summary",
}
_SS = Dialect(
    state_names="ss",
    letters=_COMMON
    | {
        "e": "--extended --timers",
        "o": "--timers",
        "i": "--info",
        "m": "--memory",
        "r": "--resolve",
        "s": "--summary",
        "H": "--no-header",
        "O": "--wide",
        "T": "--processes",
    },
    words=_LONG,
    refused={
        "K": "to end sockets: tcpstates kill FILTER, or {ss} -K",
        "E": "for a stream of closed sockets: {ss} -E",
        "x": "for unix sockets: {ss} -x",
        "w": "for raw sockets: {ss} -w",
        "0": "for packet sockets: {ss} -0",
        "d": "for DCCP: {ss} -d",
        "S": "for SCTP: {ss} -S",
        "M": "for MPTCP: {ss} -M",
        "Z": "for security contexts: {ss} -Z",
        "b": "for socket filters: {ss} -b",
    },
    with_value={"f": FAMILIES, "A": TABLES},
    passed_on={"N": "--netns", "--net": "--netns"},
)
_NETSTAT = Dialect(
    state_names="netstat",
    letters=_COMMON
    | {
        "e": "--extended",
        "o": "--timers",
        "W": "--wide",
        "T": "--wide",
        # These change nothing in a listing of sockets.
        **dict.fromkeys("vNFC", ""),
    },
    words=_LONG | {"--ip": "--ipv4", "--tcpip": "--ipv4", "--symbolic": ""},
    refused={
        "r": _ROUTES,
        "i": _INTERFACES,
        "s": _STATISTICS,
        "c": _REPEAT,
        "g": _GROUPS,
        "M": "for translated connections: conntrack -L",
        "x": "for unix sockets: {ss} -x",
        "w": "for raw sockets: {ss} -w",
        "U": "for UDP-Lite: {netstat} -U",
        "S": "for SCTP: {ss} -S",
        "Z": "for security contexts: {ss} -Z",
    },
    with_value={"A": FAMILIES},
)
_BSD = Dialect(
    state_names="bsd",
    letters={"a": "--all", "n": "--numeric", "W": "--wide", "v": "", "l": "--wide"},
    refused={
        "r": _ROUTES,
        "i": _INTERFACES,
        "s": _STATISTICS,
        "w": _REPEAT,
        "g": _GROUPS,
        "m": "for buffers: tcpstates -tanm",
        "L": "for accept queues: tcpstates -ltn (Recv-Q and Send-Q)",
    },
    with_value={"p": FAMILIES, "f": FAMILIES},
)
_WINDOWS = Dialect(
    state_names="windows",
    letters={
        "a": "--all",
        "n": "--numeric",
        "o": "--timers",
        "b": "--processes",
        "f": "",
        "q": "--all",
        "t": "",
    },
    refused={"r": _ROUTES, "e": _INTERFACES, "s": _STATISTICS},
    with_value={
        "p": {
            "tcp": "--tcp --ipv4",
            "udp": "--udp --ipv4",
            "tcpv6": "--tcp --ipv6",
            "udpv6": "--udp --ipv6",
        }
    },
)
DIALECTS = {"ss": _SS, "netstat": _NETSTAT, "bsd": _BSD, "windows": _WINDOWS}
