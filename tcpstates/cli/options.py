"""The options, in the groups that --help shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

from tcpstates.cli.types import SOURCE

F = TypeVar("F", bound=Callable[..., Any])


class Options(NamedTuple):
    """What the user asked for, as given."""

    all_states: bool
    listening: bool
    tcp: bool
    udp: bool
    ipv4: bool
    ipv6: bool
    processes: bool
    extended: bool
    timers: bool
    info: bool
    memory: bool
    numeric: bool
    resolve: bool
    count_only: bool
    summary: bool
    json: bool
    no_header: bool
    wide: bool
    color: str
    source: str
    words: tuple[str, ...]


class GroupedOption(click.Option):
    """An option that knows under which heading --help shows it."""

    def __init__(self, *arguments: Any, heading: str, **settings: Any) -> None:
        """Take `heading` besides what click takes."""
        super().__init__(*arguments, **settings)
        self.heading = heading


def _flag(heading: str, *names: str, text: str) -> Callable[[F], F]:
    return click.option(
        *names, cls=GroupedOption, heading=heading, is_flag=True, help=text
    )


_SELECTION = "Which sockets"
_SHOWN = "What of them"
_FORM = "How"

_DECORATORS = (
    _flag(_SELECTION, "-a", "--all", "all_states", text="Every state."),
    _flag(_SELECTION, "-l", "--listening", text="Only listening sockets."),
    _flag(_SELECTION, "-t", "--tcp", text="TCP (the default)."),
    _flag(_SELECTION, "-u", "--udp", text="UDP."),
    _flag(_SELECTION, "-4", "--ipv4", "ipv4", text="IPv4 only."),
    _flag(_SELECTION, "-6", "--ipv6", "ipv6", text="IPv6 only."),
    _flag(
        _SHOWN,
        "-p",
        "--processes",
        text="Every process that holds the socket, or why there is none.",
    ),
    _flag(
        _SHOWN,
        "-e",
        "--extended",
        text="User, inode, interface, cookie, mark and cgroup.",
    ),
    _flag(_SHOWN, "-o", "--timers", text="Timer, its remaining time, retransmits."),
    _flag(
        _SHOWN, "-i", "--info", text="TCP internals: rtt, window, bytes, last activity."
    ),
    _flag(_SHOWN, "-m", "--memory", text="Socket memory, in bytes."),
    _flag(_SHOWN, "-n", "--numeric", text="No names for hosts, ports and users."),
    _flag(
        _SHOWN, "-r", "--resolve", text="Wait 10 seconds for host names instead of 1."
    ),
    _flag(
        _FORM,
        "-c",
        "--count",
        "count_only",
        text="Print how many there are and nothing else.",
    ),
    _flag(_FORM, "-s", "--summary", text="Print counts by state, zeros included."),
    _flag(_FORM, "--json", text="Print JSON; the man page lists the fields."),
    _flag(_FORM, "-H", "--no-header", text="No heading."),
    _flag(_FORM, "-W", "--wide", text="Whole lines, wider than the terminal."),
    click.option(
        "--color",
        cls=GroupedOption,
        heading=_FORM,
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="Colour the states; auto: on a terminal, unless NO_COLOR is set.",
    ),
    click.option(
        "--source",
        cls=GroupedOption,
        heading=_FORM,
        type=SOURCE,
        default="auto",
        help="Where to read: auto, netlink, procfs or psutil.",
    ),
)


def listing_options(function: F) -> F:
    """Add every option of a listing to a command."""
    for decorator in reversed(_DECORATORS):
        function = decorator(function)
    return function
