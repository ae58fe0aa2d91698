"""`tcpstates sequence NAME`: how a connection opens, closes and fails, drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from tcpstates.cli.output import Output
from tcpstates.cli.state_words import color_option, json_option
from tcpstates.lifecycle.scenarios import SCENARIOS, Scenario, walk


class ScenarioName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of a scenario."""

    name = "scenario"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the name; fail with the nearest one when there is none such."""
        name = str(value).lower().replace("_", "-")
        if name not in SCENARIOS:
            from difflib import get_close_matches

            near = get_close_matches(name, SCENARIOS, n=2)
            hint = (
                f"did you mean {' or '.join(near)}?"
                if near
                else "they are " + (", ".join(SCENARIOS))
            )
            self.fail(f"no such sequence: '{value}'; {hint}", param, ctx)
        return name

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Return the names that begin so."""
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=scenario.title)
            for name, scenario in SCENARIOS.items()
            if name.startswith(incomplete.lower())
        ]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", type=ScenarioName(), required=False)
@json_option
@color_option
@click.pass_obj
def sequence(output: Output, /, name: str | None, *, as_json: bool, color: str) -> None:
    """Draw what client and server send, and the state of each at every step.

    Without NAME: the names.
    """
    if as_json:
        output.write(_json(name))
    elif name is None:
        width = max(map(len, SCENARIOS))
        output.write(
            f"{key:<{width}}  {scenario.title}\n" for key, scenario in SCENARIOS.items()
        )
    else:
        from tcpstates.render.sequence import render_sequence

        drawn = render_sequence(
            name,
            SCENARIOS[name],
            width=output.width,
            color=output.wants_color(color),
            encoding=output.encoding,
        )
        output.write(drawn)


def _json(name: str | None) -> Iterator[str]:
    import json

    shown = SCENARIOS if name is None else {name: SCENARIOS[name]}
    told = {key: _as_object(scenario) for key, scenario in shown.items()}
    yield json.dumps({"schema": 1, "sequences": told}, indent=2) + "\n"


def _as_object(scenario: Scenario) -> dict[str, Any]:
    client, server = map(str, scenario.start)
    return {
        "title": scenario.title,
        "start": {"client": client, "server": server},
        "steps": [
            {
                "party": moment.act.party,
                "event": None if moment.act.event is None else str(moment.act.event),
                "sends": moment.segment,
                "client": str(moment.client),
                "server": str(moment.server),
            }
            for moment in walk(scenario)
        ],
        "moral": scenario.moral,
    }
