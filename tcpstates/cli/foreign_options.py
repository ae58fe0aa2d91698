"""Suggestions for options of ss and netstat that tcpstates does not have."""

from __future__ import annotations

_ONLY_TCP_UDP = "tcpstates shows TCP and UDP only; for these use ss"

# Options of ss and netstat that mean what tcpstates does anyway, or has under another
# name; and letters that may stand in a group of letters.
SYNONYMS = {
    "--program": ["--processes"],
    "--programs": ["--processes"],
    "--extend": ["--extended"],
    "--options": ["--timers"],
    "--numeric-hosts": ["--numeric"],
    "--numeric-ports": ["--numeric"],
    "--numeric-users": ["--numeric"],
    "--info=all": ["--info", "--info"],
    "--inet": ["--ipv4"],
    "--inet6": ["--ipv6"],
    "--oneline": [],
    "--threads": [],
    "--verbose": [],
}
IDLE = "OTv"
FAMILY_OPTIONS = ("-A", "-f", "--family", "--protocol", "--query", "--socket")
FAMILIES = {"inet": "--ipv4", "inet6": "--ipv6", "tcp": "--tcp", "udp": "--udp"}

_INSTEAD = {
    "-x": _ONLY_TCP_UDP,
    "--unix": _ONLY_TCP_UDP,
    "--raw": _ONLY_TCP_UDP,
    "-d": _ONLY_TCP_UDP,
    "--dccp": _ONLY_TCP_UDP,
    "-S": f"{_ONLY_TCP_UDP}; for a state, name it: tcpstates established",
    "--sctp": _ONLY_TCP_UDP,
    "-M": f"{_ONLY_TCP_UDP}; for translated connections use conntrack -L",
    "--mptcp": _ONLY_TCP_UDP,
    "-U": _ONLY_TCP_UDP,
    "-0": _ONLY_TCP_UDP,
    "--packet": _ONLY_TCP_UDP,
    "--vsock": _ONLY_TCP_UDP,
    "--xdp": _ONLY_TCP_UDP,
    "--tipc": _ONLY_TCP_UDP,
    "-f": "use -4 or -6 for the family, -t or -u for the protocol",
    "-P": "ports are numbers with -n; for a protocol use -t or -u",
    "-j": "use --json",
    "-q": "-l shows listening sockets, -a all",
    "-k": "to end sockets: tcpstates kill FILTER",
    "-I": "for interfaces use ip -s link",
    "-y": "see tcpstates --help",
    "-?": "see tcpstates --help",
    "--family": "use -4 or -6",
    "-A": "use -t, -u, -4 and -6",
    "--query": "use -t, -u, -4 and -6",
    "--protocol": "use -t, -u, -4 and -6",
    "-Q": "the columns never change",
    "--no-queues": "the columns never change",
    "-B": "name the state instead: tcpstates bound",
    "--bound-inactive": "name the state instead: tcpstates bound",
    "-K": "use tcpstates kill FILTER",
    "--net": "use --netns NAME",
    "-Z": "for security contexts use ss -Z",
    "--context": "for security contexts use ss -Z",
    "-z": "for security contexts use ss -z",
    "--contexts": "for security contexts use ss -z",
    "-b": "-p shows programs; for socket filters use ss -b",
    "--bpf": "for socket filters use ss -b",
    "-E": "for a stream of events use tcpstates -w --jsonl, or tcpstates trace",
    "--events": "for a stream of events use tcpstates -w --jsonl, or tcpstates trace",
    "-D": "use --json for output to save",
    "--diag": "use --json for output to save",
    "-F": 'give the filter on the command line: tcpstates "$(cat FILE)"',
    "--tos": "for the type of service use ss --tos",
    "--cgroup": "-e shows the cgroup",
    "--inet-sockopt": "for socket options use ss --inet-sockopt",
    "--statistics": "use -s for counts of sockets, nstat(8) for the protocols'",
    "--route": "for routes use ip route",
    "--interfaces": "for interfaces use ip -s link",
    "--groups": "for multicast groups use ip maddress",
    "--masquerade": "for translated connections use conntrack(8)",
    "-g": "for multicast groups use ip maddress",
    "-C": "for the route cache use ip route",
    "-L": "Recv-Q and Send-Q of -l are the backlog and its limit",
    "--udplite": "tcpstates shows TCP and UDP only; for these use ss",
    "--tcpip": "use -t",
    "--socket": "use -t, -u, -4 and -6",
    "--symbolic": "names are looked up unless -n is given",
    "--bpf-maps": "for socket filters use ss -b",
}


def instead_of(option: str) -> str | None:
    """Suggest a replacement for an option of ss or netstat; None: not one of theirs."""
    return _INSTEAD.get(option.partition("=")[0])
