"""The options, in the groups that --help shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import click

from tcpstates.cli.types import COLUMN_LIST, SOURCE
from tcpstates.model import FAMILIES, PROTOCOLS, SavedSource

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
    by: str | None
    sort: str | None
    columns: str | None
    limit: int | None
    format: str  # a word of FORMATS
    output: str | None
    no_header: bool
    wide: bool
    color: str
    source: str
    files: tuple[str, ...]
    from_format: str | None
    byte_order: str
    snapshot: int | None
    words: tuple[str, ...]

    @property
    def is_for_programs(self) -> bool:
        """Tell whether the format is one that people do not read."""
        return self.format not in ("auto", "table", "plain")


# As `parse.saved.reader` has them, which is loaded late.
FROM_FORMATS = ("ss", "netstat", "proc", "lsof", "sockstat", "powershell", "json")
# auto: a table on a terminal, plain lines elsewhere.
FORMATS = ("auto", "table", "plain", "json", "jsonl", "csv", "openmetrics")


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


def _value(heading: str, *names: str, text: str, **settings: Any) -> Callable[[F], F]:
    return click.option(
        *names, cls=GroupedOption, heading=heading, help=text, **settings
    )


_SELECTION = "Which sockets"
_SHOWN = "What of them"
_FORM = "How"

# Those of every command that counts or lists sockets.
_KINDS = (
    _flag(_SELECTION, "-t", "--tcp", text="TCP (the default)."),
    _flag(_SELECTION, "-u", "--udp", text="UDP."),
    _flag(_SELECTION, "-4", "--ipv4", "ipv4", text="IPv4 only."),
    _flag(_SELECTION, "-6", "--ipv6", "ipv6", text="IPv6 only."),
)
_SOURCE = _value(
    _FORM,
    "--source",
    type=SOURCE,
    default="auto",
    text="Where to read: auto, netlink, procfs or psutil.",
)
# Where a saved listing is read from, of every command that reads sockets.
_SAVED = (
    _value(
        _FORM,
        "--from",
        "files",
        type=click.Path(),
        metavar="FILE",
        multiple=True,
        text="Read what another tool has printed; - is standard input.",
    ),
    _value(
        _FORM,
        "--from-format",
        type=click.Choice(FROM_FORMATS),
        text="How it was printed; else it is recognised.",
    ),
    _value(
        _FORM,
        "--byte-order",
        type=click.Choice(["little", "big"]),
        default="little",
        text="Of the machine of a saved /proc/net.",
    ),
    _value(
        _FORM,
        "--snapshot",
        type=click.IntRange(min=1),
        metavar="N",
        text="Of a file with several, the Nth only.",
    ),
)
_DECORATORS = (
    _flag(_SELECTION, "-a", "--all", "all_states", text="Every state."),
    _flag(_SELECTION, "-l", "--listening", text="Only listening sockets."),
    *_KINDS,
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
    _flag(
        _SHOWN,
        "-o",
        "--timers",
        text="Timer, its remaining time, retransmits; the age.",
    ),
    _flag(
        _SHOWN,
        "-i",
        "--info",
        text="TCP internals: rtt, window, bytes, last activity; the age.",
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
    _value(
        _FORM,
        "--by",
        type=COLUMN_LIST,
        text="Count by columns, the largest group first: --by process,state.",
    ),
    _value(
        _FORM,
        "--sort",
        type=COLUMN_LIST,
        text="Sort by columns; -COL: the largest first.",
    ),
    _value(
        _FORM,
        "--columns",
        type=COLUMN_LIST,
        text="Show these columns; +COL and -COL change the usual ones.",
    ),
    _value(
        _FORM,
        "--limit",
        type=click.IntRange(min=0),
        metavar="N",
        text="Show N sockets or groups, and say how many there are more.",
    ),
    _flag(_FORM, "--json", text="Print JSON; the man page lists the fields."),
    _flag(_FORM, "--jsonl", text="Print a JSON object a line."),
    _flag(_FORM, "--csv", text="Print CSV, safe to open in a spreadsheet."),
    _flag(_FORM, "--openmetrics", text="Print counts for Prometheus."),
    _value(
        _FORM,
        "--format",
        type=click.Choice(FORMATS),
        text="One of these, or table, plain, auto.",
    ),
    _value(
        _FORM,
        "--output",
        type=click.Path(),
        metavar="FILE",
        text="Write to a file: all of it, or nothing.",
    ),
    _flag(_FORM, "-H", "--no-header", text="No heading."),
    _flag(_FORM, "-W", "--wide", text="Whole lines, wider than the terminal."),
    _value(
        _FORM,
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        text="Colour the states; auto: on a terminal, unless NO_COLOR is set.",
    ),
    _SOURCE,
    *_SAVED,
)


_SHORT_FORMS = ("json", "jsonl", "csv", "openmetrics")


def make_options(values: dict[str, Any]) -> Options:
    """Return the options from click's values; UsageError for what excludes another."""
    asked = {name for name in _SHORT_FORMS if values.pop(name)}
    if values["format"]:
        asked.add(values["format"])
    if len(asked) > 1:
        raise click.UsageError(f"one format at a time: {' or '.join(sorted(asked))}")
    values["format"] = next(iter(asked), "auto")
    options = Options(**values)
    if options.count_only and options.summary:
        raise click.UsageError("-c and -s exclude each other")
    if options.by is not None and options.summary:
        raise click.UsageError("--by and -s exclude each other: -s counts by state")
    if options.limit is not None and options.summary:
        raise click.UsageError("--limit and -s exclude each other: -s has every state")
    is_counted = options.by is not None or options.summary or options.count_only
    if options.columns is not None and (
        is_counted or options.format in ("json", "jsonl", "openmetrics")
    ):
        raise click.UsageError(
            "--columns is for listings in text and CSV; other formats have every field"
        )
    if options.sort is not None and (is_counted or options.format == "openmetrics"):
        raise click.UsageError("--sort is for listings; counts are sorted already")
    return options


def listing_options(function: F) -> F:
    """Add every option of a listing to a command."""
    for decorator in reversed(_DECORATORS):
        function = decorator(function)
    return function


def selection_options(function: F) -> F:
    """Add the options that say which sockets, and from where."""
    for decorator in reversed((*_KINDS, _SOURCE, *_SAVED)):
        function = decorator(function)
    return function


def saved_options(function: F) -> F:
    """Add the options that name a saved listing."""
    for decorator in reversed(_SAVED):
        function = decorator(function)
    return function


def chosen_source(
    values: Mapping[str, Any], *, keep: bool = False
) -> str | SavedSource:
    """Return the source that --source or --from names; UsageError for both.

    `keep`: it is read several times.
    """
    files = values["files"]
    if not files:
        for name in ("from_format", "snapshot"):
            if values[name] is not None:
                option = name.replace("_", "-")
                raise click.UsageError(f"--{option} is of use with --from FILE only")
        return str(values["source"])
    if values["source"] != "auto":
        raise click.UsageError("--source and --from exclude each other")
    from tcpstates.collect.saved import FileSource, SavedFiles

    names = ("from_format", "byte_order", "snapshot")
    chosen = SavedFiles(tuple(files), *(values[name] for name in names))
    return FileSource(chosen, keep=keep)


def chosen_protocols(values: Mapping[str, Any], default: Sequence[str]) -> set[str]:
    """Return the protocols that -t and -u name, the default without them."""
    return {name for name in PROTOCOLS if values[name]} or set(default)


def chosen_families(values: Mapping[str, Any]) -> set[str]:
    """Return the families that -4 and -6 name, both without them."""
    return {name for name in FAMILIES if values[name]} or set(FAMILIES)
