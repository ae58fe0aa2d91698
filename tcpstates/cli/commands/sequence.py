"""`tcpstates sequence NAME`: draw how a connection opens, closes and fails."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import click

from tcpstates.cli.exit_codes import ExitCode
from tcpstates.cli.output import Output
from tcpstates.cli.state_argument import color_option, json_option
from tcpstates.lifecycle.acts import CLIENT, SERVER, Scenario
from tcpstates.lifecycle.machine import Event
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.lifecycle.walks import is_simultaneous, walk
from tcpstates.render.paragraphs import filled, readable
from tcpstates.render.sequence import Step, render_sequence
from tcpstates.render.teaching_json import render_sequences_json
from tcpstates.wording import did_you_mean, nearest


class ScenarioName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of a scenario."""

    name = "scenario"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the name, or fail and suggest the nearest one."""
        name = str(value).lower().replace("_", "-")
        if name not in SCENARIOS:
            near = nearest(name, SCENARIOS)
            hint = did_you_mean(near, f"choose one of {', '.join(SCENARIOS)}")
            self.fail(f"unknown sequence '{value}'{hint}", param, ctx)
        return name

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Return the names that start with the incomplete text."""
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=scenario.title)
            for name, scenario in SCENARIOS.items()
            if name.startswith(incomplete.lower())
        ]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", type=ScenarioName(), required=False)
@click.option(
    "--live",
    is_flag=True,
    help="Perform the sequence on loopback; show the kernel's states.",
)
@json_option
@color_option
@click.pass_obj
def sequence(
    output: Output, /, name: str | None, *, live: bool, as_json: bool, color: str
) -> int | None:
    """Draw the segments of client and server, and the state of each at every step.

    Without NAME, list the names. --live requires Linux but no privileges, and takes a
    few seconds. It ends at the first step at which the kernel reports something other
    than RFC 9293, and exits with 1.
    """
    if name is None:
        if live:
            raise click.UsageError(f"--live requires a name: {', '.join(SCENARIOS)}")
        output.write(render_sequences_json(SCENARIOS) if as_json else _names())
        return None
    scenario = SCENARIOS[name]
    steps: Iterable[Step] = expected_steps(scenario)
    if live:
        from tcpstates.live.perform import perform

        performed = perform(scenario)
        # A refusal comes before anything is printed.
        steps = chain((next(performed),), performed)
    if as_json:
        steps = list(steps)
        output.write(render_sequences_json({name: scenario}, steps))
    else:
        steps = _draw(name, steps, output, color=color, is_live=live)
    differing = [m for m, seen in steps if m and seen and seen.differs(m)]
    if live and not as_json:
        output.write([_verdict(name, list(steps), output.width)])
    return ExitCode.FOUND if differing else None


def _names() -> Iterator[str]:
    width = max(map(len, SCENARIOS))
    for key, scenario in SCENARIOS.items():
        yield f"{key:<{width}}  {scenario.title}\n"


def expected_steps(scenario: Scenario) -> list[Step]:
    """List the start and the steps of a scenario, none of them observed."""
    return [(None, None), *((result, None) for result in walk(scenario))]


def drawing(
    name: str,
    steps: Iterable[Step],
    output: Output,
    *,
    color: str,
    is_live: bool = False,
) -> Iterator[str]:
    """Yield the lines of a drawing that fits the output."""
    return render_sequence(
        name,
        SCENARIOS[name],
        steps,
        width=output.width,
        color=output.wants_color(color),
        encoding=output.encoding,
        is_live=is_live,
    )


def _draw(
    name: str, steps: Iterable[Step], output: Output, *, color: str, is_live: bool
) -> list[Step]:
    """Write the drawing step by step; return the steps."""
    taken: list[Step] = []

    def noted() -> Iterator[Step]:
        for step in steps:
            taken.append(step)
            yield step

    for line in drawing(name, noted(), output, color=color, is_live=is_live):
        output.write([line])
        if is_live:
            output.flush()
    return taken


def _verdict(name: str, steps: Sequence[Step], width: int) -> str:
    """Describe the result of a live performance, and how it was done."""
    system = f"{platform.system()} {platform.release()}"
    last, seen = steps[-1]
    if last is not None and seen is not None and seen.differs(last):
        expected, found = [], []
        for party in (CLIENT, SERVER):
            if (state := getattr(seen, party)) is not None:
                expected.append(f"{party} {getattr(last, party)}")
                found.append(f"{party} {state}")
        if last.act.error:
            expected.append(last.act.error)
        if seen.error:
            found.append(seen.error)
        text = f"{system} differed at this step: expected {', '.join(expected)}; found"
        text += f" {', '.join(found)}."
        if last.act.event is not None and last.act.event.is_segment:
            segment = str(last.act.event).removeprefix("rcv ")
            text += f" The {segment} did not arrive: does a firewall filter loopback?"
            text += " nft list ruleset shows its rules."
        return "\n" + filled(text, readable(width, 48))
    scenario = SCENARIOS[name]
    how = "Each segment was held back until its step."
    if any(act.event is Event.CLOSE for act in scenario.acts):
        how = "Each segment was held back until its step; shutdown() replaced close()."
    if is_simultaneous(scenario):
        how = "One socket, connected to its own port, played both sides."
    parts = [f"{system} behaved as expected at every step.", how, scenario.live_note]
    return "\n" + filled(" ".join(filter(None, parts)), readable(width, 48))
