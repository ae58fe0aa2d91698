"""Read options as users type them: in groups of letters, or as ss and netstat do."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence

import click

from tcpstates.cli.intervals import complete_intervals

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

_WINDOWS_FLAGS = set("abnopst")  # after a slash; no filter begins so

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


def _families(values: list[str]) -> list[str]:
    """Return our options for a list of families, such as inet,inet6; else nothing."""
    names = values[0].split(",") if values else []
    return [FAMILIES[n] for n in names] if all(n in FAMILIES for n in names) else []


def split_flags(
    arguments: list[str], parameters: Sequence[click.Parameter]
) -> list[str]:
    """Split grouped short flags such as "-ltpn" into long flags.

    Options of ss and netstat that mean the same under another name become ours.

    click first searches for a long option of that name, and then for similar names,
    which takes 3 ms at each start.
    """
    long = {
        option: parameter.opts[1]
        for parameter in parameters
        for option in parameter.opts[:1]
        if len(option) == 2
    }
    if sys.platform == "win32":
        long["-b"] = "--processes"
    with_value = {
        option
        for parameter in parameters
        if isinstance(parameter, click.Option)
        and not (parameter.is_flag or parameter.count)
        for option in parameter.opts
    }
    split: list[str] = []
    arguments = complete_intervals(arguments)
    for index, given in enumerate(arguments):
        slash, letters = given[:1], given[1:].lower()
        is_windows = slash == "/" and letters and _WINDOWS_FLAGS.issuperset(letters)
        argument = f"-{letters}" if is_windows else given
        if argument == "--":
            return split + arguments[index:]
        if argument in SYNONYMS and "--like" not in arguments:
            split += SYNONYMS[argument]
            continue
        if index and arguments[index - 1] in with_value:
            split.append(argument)  # --sort -state
            continue
        if argument in FAMILY_OPTIONS and _families(arguments[index + 1 : index + 2]):
            continue  # the next argument has the family
        if index and arguments[index - 1] in FAMILY_OPTIONS:
            named = _families([argument])
            if named:
                split += named
                continue
        split += _split_group(argument, long, with_value)
    return split


def _split_group(
    argument: str, long: Mapping[str, str], with_value: Collection[str]
) -> list[str]:
    """Split one group; what follows a letter with a value is the value.

    An argument that is not a group of known letters stays as it is.
    """
    if argument[:1] != "-" or argument[1:2] in ("", "-"):
        return [argument]
    split = []
    for place, letter in enumerate(argument[1:], 2):
        if letter in IDLE:
            continue
        option = f"-{letter}"
        if option not in long:
            return [argument]
        split.append(long[option])
        if option in with_value:
            return [*split, argument[place:]] if argument[place:] else split
    return split
