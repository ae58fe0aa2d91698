"""`tcpstates check`: thresholds for monitors, as a monitoring plugin.

https://www.monitoring-plugins.org/doc/guidelines.html defines ranges, performance data
and exit codes. An error has the result UNKNOWN, and is printed on standard output.
"""

from __future__ import annotations

from contextlib import suppress
from enum import IntEnum
from typing import Any

import click

from tcpstates.api import Counts, count_by
from tcpstates.cli.chosen import chosen_families, chosen_protocols
from tcpstates.cli.options import selection_options
from tcpstates.cli.output import Output, ReaderGone, warn
from tcpstates.cli.source_options import chosen_origin
from tcpstates.cli.thresholds import Threshold
from tcpstates.cli.types import FILTER_ARGUMENT, THRESHOLD
from tcpstates.columns.tally import rows_on_request, state_rows
from tcpstates.model import HIDING
from tcpstates.origin import Origin, hosts_answered
from tcpstates.protocols import DEFAULT_PROTOCOL


class Result(IntEnum):
    """The result of a check, which is the exit code of the command."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@selection_options
@click.option(
    "-w", "--warning", multiple=True, type=THRESHOLD, help="Exit 1 if outside RANGE."
)
@click.option(
    "-c", "--critical", multiple=True, type=THRESHOLD, help="Exit 2 if outside RANGE."
)
@click.argument("expression", nargs=-1, type=FILTER_ARGUMENT, metavar="[FILTER]...")
@click.pass_obj
def check(output: Output, /, **values: Any) -> int:
    """Compare counts with thresholds, as a plugin for Nagios, Icinga and others.

    Print one line with performance data. Exit codes: 0 OK, 1 WARNING, 2 CRITICAL,
    3 UNKNOWN. NAME is a state, a group or total, counted among all sockets or those
    that FILTER selects. RANGE is 50 (0 to 50), 10: (10 or more), 10:20, or @10:20
    (alert inside the range). NAME<N alerts below N, NAME>N above N.

    \b
      tcpstates check -w close_wait=50 -c close_wait=500
      tcpstates check -c 'listen<1' sport = :443
    """  # noqa: D301  (click looks for the character)
    result, text = judge(values)
    with suppress(ReaderGone):  # this does not change the result
        output.write([f"TCPSTATES {result.name}: {text}\n"])
        output.flush()
    return result


def print_unknown(text: str) -> int:
    """Print an error on standard output, where a monitor reads it."""
    from tcpstates.errors import TcpstatesError
    from tcpstates.text import sanitise_line

    with suppress(TcpstatesError):
        output = Output()
        # Text after a bar would be performance data.
        line = sanitise_line(text).replace("|", "/")
        output.write([f"TCPSTATES UNKNOWN: {line}\n"])
        output.flush()
    return Result.UNKNOWN


def judge(values: dict[str, Any]) -> tuple[Result, str]:
    """Compare the counts with the thresholds; return the result and its line.

    OK must be certain: if sockets may be missing from the counts, it is UNKNOWN.
    """
    warnings: tuple[Threshold, ...] = values["warning"]
    criticals: tuple[Threshold, ...] = values["critical"]
    if not warnings + criticals:
        raise click.UsageError("no threshold given; use --warning or --critical")
    protocols = chosen_protocols(values, [DEFAULT_PROTOCOL])
    for limits in (warnings, criticals):
        _refuse_nonsense(limits, protocols)
    origin = chosen_origin(values)
    counts = _counts(values, protocols, warnings + criticals, origin)
    numbers = {
        limit.name: counts.total()
        if limit.states is None
        else sum(counts[state] for state in limit.states)
        for limit in warnings + criticals
    }
    result, problems = Result.OK, {}
    for grade, limits in ((Result.WARNING, warnings), (Result.CRITICAL, criticals)):
        for limit in limits:
            number = numbers[limit.name]
            if limit.is_crossed(number):
                result = max(result, grade)
                word = grade.name.lower()
                problems[limit.name] = f" ({word}: {limit.problem(number)})"
    reported = [f"{name} {numbers[name]}{problems.get(name, '')}" for name in numbers]
    # Crossed thresholds first.
    reported.sort(key=lambda part: not part.endswith(")"))
    hosts = hosts_answered(origin)
    reported += [f"on {hosts}"] if hosts else []
    topics = [name for name in problems if name != "total"]
    if topics:
        reported.append(f"see: tcpstates explain {topics[-1]}")
    doubts = [text for kind, text in counts.limitations if kind in HIDING]
    if doubts and result is Result.OK:
        result = Result.UNKNOWN
    reported += [doubt.replace("|", "/") for doubt in doubts]
    return (
        result,
        f"{', '.join(reported)} | {_performance(numbers, warnings, criticals)}",
    )


def _refuse_nonsense(limits: tuple[Threshold, ...], protocols: set[str]) -> None:
    """Raise UsageError for duplicate thresholds and for impossible states."""
    seen = set()
    for limit in limits:
        if limit.name in seen:
            raise click.UsageError(f"two thresholds of one severity for '{limit.name}'")
        seen.add(limit.name)
        known = {*state_rows(protocols), *rows_on_request(protocols)}
        if limit.states is not None and not limit.states & known:
            kinds = " or ".join(sorted(protocols)).upper()
            raise click.UsageError(f"no {kinds} socket can be in state '{limit.name}'")


def _performance(
    numbers: dict[str, int],
    warnings: tuple[Threshold, ...],
    criticals: tuple[Threshold, ...],
) -> str:
    """Format the performance data: 'label'=value;warning;critical;minimum."""
    first, second = (
        {limit.name: limit.text for limit in reversed(limits)}
        for limits in (warnings, criticals)
    )
    return " ".join(
        f"{name}={number};{first.get(name, '')};{second.get(name, '')};0"
        for name, number in numbers.items()
    )


def _counts(
    values: dict[str, Any],
    protocols: set[str],
    limits: tuple[Threshold, ...],
    origin: Origin,
) -> Counts:
    """Count the sockets in each state, and print the limitations of the counts."""
    expression = list(values["expression"])
    if any(limit.states and "BOUND" in limit.states for limit in limits):
        # The kernel reports these only if the request names the state.
        every = ["state", "all", "state", "bound"]
        expression = [*every, "(", *expression, ")"] if expression else every
    counts = count_by(
        "state",
        filter=expression,
        protocols=protocols,
        families=chosen_families(values),
        source=origin,
    )
    for limitation in counts.limitations:
        warn(limitation.text)
    return counts
