"""--host and its related options: other hosts as the place to read sockets from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tcpstates.cli.option_groups import HOSTS, flag, value
from tcpstates.cli.types import Seconds
from tcpstates.errors import ArgumentError

if TYPE_CHECKING:
    from tcpstates.fleet.hosts import Hosts

_SECONDS, _LEAST, _PARALLEL = 10.0, 0.1, 10

HOST_OPTIONS = (
    value(
        HOSTS,
        "--host",
        "hosts",
        metavar="HOST,...",
        multiple=True,
        text="Read the sockets of these hosts over ssh: [USER@]HOST[:PORT], or @FILE"
        " with a name per line. Nothing is installed there.",
    ),
    value(
        HOSTS,
        "--via",
        metavar="COMMAND",
        multiple=True,
        text="Read the sockets of the place in which COMMAND runs another command:"
        " 'docker exec web', 'kubectl exec web-0 --'.",
    ),
    value(
        HOSTS,
        "--ssh",
        metavar="COMMAND",
        text="Run this instead of ssh: 'ssh -J gate -i key'.",
    ),
    flag(HOSTS, "--sudo", text="Use sudo -n on the hosts, to see every owner."),
    value(
        HOSTS,
        "--parallel",
        type=click.IntRange(1, 1000),
        metavar="N",
        text=f"Ask N hosts at a time (default: {_PARALLEL}).",
    ),
    flag(HOSTS, "--partial", text="Exit as usual even if a host does not answer."),
)
HOST_TIMEOUT = value(
    HOSTS,
    "--timeout",
    type=Seconds(_LEAST, 86_400),
    metavar="SECONDS",
    text=f"Wait this long for each answer from a host (default: {_SECONDS:g}).",
)
_SOURCES = ("auto", "netlink", "procfs")  # that read another host, too
_NEED_A_HOST = ("ssh", "sudo", "parallel", "partial")


def names_hosts(values: Mapping[str, Any]) -> bool:
    """Check whether other hosts are named; UsageError for options without a host."""
    if values["hosts"] or values["via"]:
        if values["ssh"] is not None and not values["hosts"]:
            raise click.UsageError(
                "--ssh requires --host; with --via, COMMAND has the options of ssh"
            )
        return True
    # A listing has --until, which takes a --timeout, too.
    needing = _NEED_A_HOST if "until" in values else (*_NEED_A_HOST, "timeout")
    for name in needing:
        if values[name] not in (None, False):
            raise click.UsageError(f"--{name} requires --host HOST or --via COMMAND")
    return False


def shown_hosts(values: Mapping[str, Any]) -> str:
    """Name the hosts that options name, for a heading; empty: none."""
    from tcpstates.text import sanitise

    named = [*values.get("hosts", ()), *values.get("via", ())]
    return sanitise(", ".join(named))


def hosts_origin(values: Mapping[str, Any]) -> Hosts:
    """Turn --host and --via into an origin; UsageError for a wrong name."""
    from tcpstates.fleet.hosts import Hosts
    from tcpstates.fleet.session import Wanted
    from tcpstates.fleet.targets import find_targets

    option = "--host" if values["hosts"] else "--via"
    if values["files"]:
        raise click.UsageError(f"{option} and --from cannot be combined")
    source = values.get("source", "auto")
    if source not in _SOURCES:
        raise click.UsageError(
            f"{option} and --source {source} cannot be combined; use"
            f" {', '.join(_SOURCES[:-1])} or {_SOURCES[-1]}"
        )
    seconds = _SECONDS
    given = values.get("timeout")
    is_awaited = bool(values.get("until"))  # then --timeout is that of the waiting
    if given is not None and given < _LEAST and not is_awaited:
        raise click.UsageError(f"--timeout: {option} needs at least {_LEAST:g} s")
    if given:
        seconds = max(_LEAST, min(given, _SECONDS) if is_awaited else given)
    try:
        targets = find_targets(
            values["hosts"],
            values["via"],
            ssh="ssh" if values["ssh"] is None else values["ssh"],
            seconds=seconds,
            sudo=values["sudo"],
        )
    except ArgumentError as error:
        raise click.UsageError(str(error)) from error
    wanted = Wanted(source, tuple(values["netns"] or ()), seconds)
    hosts = Hosts(
        targets,
        wanted,
        parallel=values["parallel"] or _PARALLEL,
        is_partial=values["partial"],
    )
    _end_with_us(hosts)
    return hosts


def _end_with_us(hosts: Hosts) -> None:
    """Let nothing that connects outlive us: each runs in a session of its own."""
    import signal

    def end(number: int, frame: object) -> None:
        hosts.abort()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)
