"""The options, in the groups that --help shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from tcpstates.cli.host_options import HOST_TIMEOUT
from tcpstates.cli.like import TOOLS
from tcpstates.cli.live_options import LIVE_OPTIONS
from tcpstates.cli.option_groups import (
    FORM,
    SELECTION,
    SHOWN,
    flag,
    hidden,
    repeatable,
    value,
)
from tcpstates.cli.source_options import ELSEWHERE, NETNS_OPTION, SOURCE_OPTION
from tcpstates.cli.types import COLUMN_LIST, PATH
from tcpstates.states import STATE_NAMES

if TYPE_CHECKING:
    from tcpstates.cli.thresholds import Threshold

F = TypeVar("F", bound=Callable[..., Any])


class Options(NamedTuple):
    """The options as the user gave them."""

    all_states: bool
    listening: bool
    tcp: bool
    udp: bool
    ipv4: bool
    ipv6: bool
    processes: bool
    extended: bool
    timers: bool
    info: int  # how often -i was given: 2 shows all of tcp_info
    memory: bool
    numeric: bool
    resolve: bool
    numeric_hosts: bool
    numeric_ports: bool
    numeric_users: bool
    count_only: bool
    summary: bool
    by: str | None
    sort: str | None
    columns: str | None
    limit: int | None
    format: str  # one of FORMATS
    output: str | None
    no_header: bool
    wide: bool
    color: str
    state_names: str
    like: str | None  # a tool whose layout is printed
    watch: float | None  # seconds between looks; None: look once
    until: tuple[Threshold, ...]  # wait for these
    hold: float  # seconds for which they have to hold
    timeout: float | None  # seconds to wait at most, also for a host; None: the default
    source: str
    netns: tuple[str, ...]
    hosts: tuple[str, ...]
    via: tuple[str, ...]
    ssh: str | None
    sudo: bool
    parallel: int | None
    partial: bool
    files: tuple[str, ...]
    from_format: str | None
    byte_order: str | None
    snapshot: int | None
    at: float | None  # of a recording
    expression: tuple[str, ...]

    @property
    def is_remote(self) -> bool:
        """Whether the sockets of other hosts are read."""
        return bool(self.hosts or self.via)

    @property
    def is_elsewhere(self) -> bool:
        """Whether the sockets are not those of this host."""
        return bool(self.files) or self.is_remote

    @property
    def is_counted(self) -> bool:
        """Whether counts are printed, no sockets."""
        return self.by is not None or self.count_only or self.summary

    @property
    def is_for_programs(self) -> bool:
        """Whether the format is for programs, not for people."""
        return self.format not in ("auto", "table", "plain")


# auto: a table on a terminal, plain lines elsewhere.
FORMATS = ("auto", "table", "plain", "json", "jsonl", "csv", "openmetrics")

# The options of every command that counts or lists sockets.
_KINDS = (
    flag(SELECTION, "-t", "--tcp", text="Select TCP sockets (the default)."),
    flag(SELECTION, "-u", "--udp", text="Select UDP sockets."),
    flag(SELECTION, "-4", "--ipv4", "ipv4", text="Select only IPv4 sockets."),
    flag(SELECTION, "-6", "--ipv6", "ipv6", text="Select only IPv6 sockets."),
)
_DECORATORS = (
    flag(SELECTION, "-a", "--all", "all_states", text="List sockets in every state."),
    flag(SELECTION, "-l", "--listening", text="List only listening sockets."),
    *_KINDS,
    flag(
        SHOWN,
        "-p",
        "--processes",
        text="Show every owning process, or why none is shown.",
    ),
    flag(
        SHOWN,
        "-e",
        "--extended",
        text="Show user, inode, interface, cookie, mark and cgroup.",
    ),
    flag(
        SHOWN,
        "-o",
        "--timers",
        text="Show timer, time left, retransmits and time in state.",
    ),
    repeatable(
        SHOWN,
        "-i",
        "--info",
        text="Show TCP internals: rtt, window, bytes; -ii shows all.",
    ),
    flag(SHOWN, "-m", "--memory", text="Show socket memory in bytes."),
    flag(SHOWN, "-n", "--numeric", text="Do not look up names."),
    hidden("--numeric-hosts"),
    hidden("--numeric-ports"),
    hidden("--numeric-users"),
    flag(SHOWN, "-r", "--resolve", text="Wait 10 seconds for host names instead of 1."),
    flag(
        FORM,
        "-c",
        "--count",
        "count_only",
        text="Print the number of sockets and nothing else.",
    ),
    flag(FORM, "-s", "--summary", text="Print counts by state, zeros included."),
    value(
        FORM,
        "--by",
        type=COLUMN_LIST,
        text="Count by columns, largest group first: --by process,state.",
    ),
    value(
        FORM,
        "--sort",
        type=COLUMN_LIST,
        text="Sort by columns; -COL sorts in descending order.",
    ),
    value(
        FORM,
        "--columns",
        type=COLUMN_LIST,
        text="Show these columns; +COL and -COL change the defaults.",
    ),
    value(
        FORM,
        "--limit",
        type=click.IntRange(min=0),
        metavar="N",
        text="Show N sockets or groups and report how many remain.",
    ),
    flag(FORM, "--json", text="Print JSON; the man page lists the fields."),
    flag(FORM, "--jsonl", text="Print one JSON object per line."),
    flag(FORM, "--csv", text="Print CSV, safe to open in a spreadsheet."),
    flag(FORM, "--openmetrics", text="Print counts for Prometheus."),
    value(
        FORM,
        "--format",
        type=click.Choice(FORMATS),
        text="Set the format: one of the above, or table, plain, auto.",
    ),
    value(
        FORM,
        "--output",
        type=PATH,
        metavar="FILE",
        text="Write to FILE, completely or not at all.",
    ),
    flag(FORM, "-H", "--no-header", text="Print no heading."),
    flag(FORM, "-W", "--wide", text="Do not wrap lines to the terminal width."),
    value(
        FORM,
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        text="Colour the states; auto: on a terminal, unless NO_COLOR is set.",
    ),
    value(
        FORM,
        "--state-names",
        type=click.Choice(STATE_NAMES),
        default="rfc",
        text="Set the state names used in text and CSV.",
    ),
    value(
        FORM,
        "--like",
        type=click.Choice(TOOLS),
        text="Print what this tool prints, and read its flags, for scripts.",
    ),
    *LIVE_OPTIONS,
    SOURCE_OPTION,
    *ELSEWHERE,
)


_SHORT_FORMS = ("json", "jsonl", "csv", "openmetrics")


def make_options(values: dict[str, Any]) -> Options:
    """Build the options from click's values; UsageError for conflicting ones."""
    asked = {name for name in _SHORT_FORMS if values.pop(name)}
    if values["format"]:
        asked.add(values["format"])
    if len(asked) > 1:
        raise click.UsageError(f"choose one format: {' or '.join(sorted(asked))}")
    values["format"] = next(iter(asked), "auto")
    options = Options(**values)
    _check_like(options)
    if options.numeric and options.resolve and options.like is None:
        raise click.UsageError("-n and -r cannot be combined; for routes: ip route")
    if options.count_only and options.summary:
        raise click.UsageError("-c and -s cannot be combined")
    if options.by is not None and options.summary:
        raise click.UsageError("--by and -s cannot be combined: -s counts by state")
    if options.limit is not None and options.summary:
        raise click.UsageError("--limit and -s cannot be combined: -s has every state")
    if options.columns is not None and (
        options.is_counted or options.format in ("json", "jsonl", "openmetrics")
    ):
        raise click.UsageError(
            "--columns requires a listing in text or CSV; others contain every field"
        )
    has_no_rows = options.is_counted or options.format == "openmetrics"
    if options.sort is not None and has_no_rows:
        raise click.UsageError("--sort requires a listing; counts are already sorted")
    _check_waiting(options)
    return options


def _check_waiting(options: Options) -> None:
    """Raise UsageError for times without what they are for."""
    if options.until:
        return
    if options.hold:
        raise click.UsageError("--for requires --until CONDITION")
    if options.timeout is not None and not options.is_remote:
        raise click.UsageError("--timeout requires --until CONDITION or --host")


def _check_like(options: Options) -> None:
    """Raise UsageError for what another tool does not have."""
    if options.like is None:
        return
    if options.summary and options.files:
        raise click.UsageError("ss -s counts sockets of this host; remove --from")
    others = (options.columns, options.sort, options.limit)
    if options.is_for_programs or any(other is not None for other in others):
        text = f"--like prints just what {options.like} prints; remove other options"
        raise click.UsageError(text)


def listing_options(function: F) -> F:
    """Add every option of a listing to a command."""
    for decorator in reversed(_DECORATORS):
        function = decorator(function)
    return function


def selection_options(function: F) -> F:
    """Add the options that select sockets and their source."""
    for decorator in reversed((*_KINDS, SOURCE_OPTION, *ELSEWHERE, HOST_TIMEOUT)):
        function = decorator(function)
    return function


def live_selection_options(function: F) -> F:
    """Add the options that select sockets of this host and its namespaces."""
    for decorator in reversed((*_KINDS, NETNS_OPTION)):
        function = decorator(function)
    return function
