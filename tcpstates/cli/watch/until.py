"""`--until`: wait until numbers of sockets are as they should be, for scripts."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from tcpstates.api import Counts, count_by
from tcpstates.cli.chosen import chosen_families, chosen_protocols
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output, warn
from tcpstates.cli.source_options import chosen_origin
from tcpstates.cli.thresholds import Threshold
from tcpstates.cli.watch.rounds import rounds, sleeper
from tcpstates.errors import SourceUnavailable
from tcpstates.model import HIDING
from tcpstates.origin import Origin
from tcpstates.protocols import DEFAULT_PROTOCOL


def wait_until(options: Options, output: Output) -> int:
    """Wait; print a line with the numbers at the end, and return the exit code.

    Raise SourceUnavailable if it cannot be known whether a condition holds.
    """
    if options.files:
        raise click.UsageError("--until requires live sockets; remove --from")
    if options.output is not None or options.is_counted or options.is_for_programs:
        raise click.UsageError("--until prints one line; remove formats and counts")
    origin = chosen_origin(options._asdict())
    start = time.monotonic()
    end = None if options.timeout is None else start + options.timeout
    held_since: float | None = None
    for _ in rounds(options.watch or 1.0, sleep=sleeper(end)):
        now = time.monotonic()
        counts = _counts(options, origin)
        numbers = [_number(counts, condition) for condition in options.until]
        if all(c.is_met(n) for c, n in zip(options.until, numbers, strict=True)):
            _refuse_doubts(counts)
            held_since = now if held_since is None else held_since
            if now - held_since >= options.hold:
                text = f"reached after {now - start:.1f} s"
                output.write([_line(options.until, numbers, text)])
                return ExitCode.DONE
        else:
            held_since = None
        if end is not None and time.monotonic() >= end:
            text = f"not reached within {options.timeout:g} s"
            if held_since is not None:
                text = f"not held for {options.hold:g} s within {options.timeout:g} s"
            output.write([_line(options.until, numbers, text)])
            return ExitCode.FOUND
    raise AssertionError("rounds never end")


def _counts(options: Options, origin: Origin) -> Counts:
    values = options._asdict()
    return count_by(
        "state",
        filter=options.expression,
        protocols=chosen_protocols(values, [DEFAULT_PROTOCOL]),
        families=chosen_families(values),
        source=origin,
    )


def _refuse_doubts(counts: Counts) -> None:
    """Raise SourceUnavailable if sockets may be missing from the numbers."""
    for limitation in counts.limitations:
        if limitation.kind in HIDING:
            text = f"cannot tell whether it is reached: {limitation.text}"
            raise SourceUnavailable(counts.source, text)
        warn(limitation.text)


def _number(counts: Counts, condition: Threshold) -> int:
    if condition.states is None:
        return counts.total()
    return sum(counts[state] for state in condition.states)


def _line(conditions: Sequence[Threshold], numbers: Sequence[int], end: str) -> str:
    """Format the numbers, and what was awaited."""
    found = {c.name: n for c, n in zip(conditions, numbers, strict=True)}
    told = ", ".join(f"{name} {number}" for name, number in found.items())
    asked = " and ".join(condition.written for condition in conditions)
    return f"{told}; {asked} {end}\n"
