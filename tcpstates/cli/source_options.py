"""Where sockets are read from: this machine, namespaces, hosts, or saved listings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from tcpstates.cli.host_options import (
    HOST_OPTIONS,
    HOST_TIMEOUT,
    hosts_origin,
    names_hosts,
)
from tcpstates.cli.option_groups import FORM, value
from tcpstates.cli.types import FROM_FORMAT, MOMENT, PATH, SOURCE
from tcpstates.errors import ArgumentError
from tcpstates.origin import LiveHost, Origin

F = TypeVar("F", bound=Callable[..., Any])

SOURCE_HELP = "Set the source: auto, netlink, procfs, iphlpapi, psutil or netstat."
SOURCE_OPTION = value(
    FORM,
    "--source",
    type=SOURCE,
    default="auto",
    text=SOURCE_HELP,
)
NETNS_OPTION = value(
    FORM,
    "-N",
    "--netns",
    "netns",
    metavar="NAME",
    multiple=True,
    text="Read these network namespaces: all, or a name, container, pid or path.",
)
# The options for other places, of every command that reads sockets.
ELSEWHERE = (
    NETNS_OPTION,
    *HOST_OPTIONS,
    value(
        FORM,
        "--from",
        "files",
        type=PATH,
        metavar="FILE",
        multiple=True,
        text="Read the output of another tool, compressed or not, or the listings in a"
        " directory or archive, such as a sosreport; - is standard input.",
    ),
    value(
        FORM,
        "--from-format",
        type=FROM_FORMAT,
        text="Set the format of FILE: ss, proc, powershell, lsfd, lsof, sockstat,"
        " fstat, netstat, cisco or json; default: detected.",
    ),
    value(
        FORM,
        "--byte-order",
        type=click.Choice(["little", "big"]),
        text="Set the byte order of a saved /proc/net; default: little.",
    ),
    value(
        FORM,
        "--snapshot",
        type=click.IntRange(min=1),
        metavar="N",
        text="Read only the Nth snapshot of FILE, or the Nth listing of a directory or"
        " archive.",
    ),
    value(
        FORM,
        "--at",
        "at",
        type=MOMENT,
        metavar="TIME",
        text="Read a recording of events as of TIME: 2026-05-04T13:05:00, or with Z.",
    ),
)


def elsewhere_options(function: F) -> F:
    """Add the options that name a namespace, another host, or a saved listing."""
    for decorator in reversed((*ELSEWHERE, HOST_TIMEOUT)):
        function = decorator(function)
    return function


def live_options(function: F) -> F:
    """Add the options that name a namespace, or another host."""
    for decorator in reversed((NETNS_OPTION, *HOST_OPTIONS, HOST_TIMEOUT)):
        function = decorator(function)
    return function


def live_origin(netns: Sequence[str], source: str = "auto") -> LiveHost:
    """Turn --netns into an origin on this machine; UsageError for an unknown name."""
    if not netns:
        return LiveHost(source)
    from platform import system

    if system() != "Linux":
        raise click.UsageError("--netns: only Linux has network namespaces")
    from tcpstates.namespaces import Namespaces

    try:
        return Namespaces(netns)
    except ArgumentError as error:
        raise click.UsageError(str(error)) from error


def _refuse_details_of_files(values: Mapping[str, Any]) -> None:
    for name in ("from_format", "byte_order", "snapshot", "at"):
        if values.get(name) is not None:
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} requires --from FILE")


def chosen_origin(values: Mapping[str, Any]) -> Origin:
    """Turn --source, --netns, --host or --from into an origin, or raise UsageError."""
    files, netns = values["files"], values["netns"]
    source = values.get("source", "auto")
    has_source = source != "auto"
    if not files:
        _refuse_details_of_files(values)
    if netns and (files or has_source):
        other = "--from" if files else "--source"
        raise click.UsageError(f"--netns and {other} cannot be combined")
    if names_hosts(values):
        return hosts_origin(values)
    if not files:
        return live_origin(netns, source)
    if has_source:
        raise click.UsageError("--source and --from cannot be combined")
    from tcpstates.cli.progress import progress_on_terminal
    from tcpstates.collect.saved.source import SavedFiles
    from tcpstates.saved_listing import SavedListing

    named = SavedFiles(
        tuple(files),
        values["from_format"],
        values["byte_order"] or "little",
        values["snapshot"],
        progress_on_terminal(),
        values["at"],
    )
    return SavedListing(named)
