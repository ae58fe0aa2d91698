"""`tcpstates doctor`: what is stuck, who is to blame, and what to do."""

from __future__ import annotations

import sys
from typing import Any

import click

from tcpstates.cli.chosen import chosen_families
from tcpstates.cli.exit_codes import ExitCode, with_failures
from tcpstates.cli.host_options import names_hosts
from tcpstates.cli.output import Output, warn
from tcpstates.cli.source_options import SOURCE_HELP, chosen_origin, elsewhere_options
from tcpstates.cli.state_argument import color_option, json_option
from tcpstates.cli.targets import expand_target
from tcpstates.cli.types import FILTER_ARGUMENT, SOURCE, Seconds
from tcpstates.doctor.examine import examine
from tcpstates.doctor.findings import Severity
from tcpstates.doctor.thresholds import NAMES, Thresholds, unit
from tcpstates.filters.values import BadValue, read_number, read_time
from tcpstates.wording import did_you_mean, nearest


class ThresholdSetting(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name and value of a threshold."""

    name = "threshold"

    def get_metavar(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str:
        """Return the placeholder that --help shows for the value."""
        return "NAME=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Parse the field and its number, or fail with the reason."""
        name, equals, text = str(value).partition("=")
        spelled = name.strip().lower().replace("_", "-")
        field = NAMES.get(spelled)
        if field is None:
            near = nearest(spelled, NAMES)
            hint = did_you_mean(near, f"choose one of {', '.join(NAMES)}")
            self.fail(f"unknown threshold '{name}'{hint}", param, ctx)
        if not equals:
            self.fail(f"'{value}': missing value; use {spelled}=VALUE", param, ctx)
        try:
            return field, _read_value(field, text.strip())
        except BadValue as error:
            self.fail(f"'{value}': {error}", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Return the names that start with the incomplete text."""
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(f"{name}=") for name in NAMES if name.startswith(incomplete)
        ]


def _read_value(field: str, text: str) -> float:
    if unit(field) == "ms":
        return read_time(text)
    return read_number(text.removesuffix("%") if unit(field) == "percent" else text)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("expression", nargs=-1, type=FILTER_ARGUMENT, metavar="[FILTER]...")
@click.option(
    "-w",
    "--watch",
    type=Seconds(0.1, 86_400),
    metavar="SECONDS",
    help="Scan twice, SECONDS apart, and report what has grown.",
)
@click.option(
    "--threshold",
    "settings",
    multiple=True,
    type=ThresholdSetting(),
    help="Set a threshold; the man page lists them. Can be repeated.",
)
@click.option("--brief", is_flag=True, help="Print only the verdicts.")
@click.option("-4", "--ipv4", "ipv4", is_flag=True, help="Examine only IPv4 sockets.")
@click.option("-6", "--ipv6", "ipv6", is_flag=True, help="Examine only IPv6 sockets.")
@click.option("--source", type=SOURCE, default="auto", help=SOURCE_HELP)
@elsewhere_options
@json_option
@color_option
@click.pass_obj
def doctor(output: Output, /, **values: Any) -> int:
    """Find what is stuck, name the culprit and suggest what to do.

    With a filter, examine only the sockets that it selects. A single word can be a
    program, a pid or a port: nginx, 718, :443. The exit code is 1 if
    there is something to do, and 0 if there is nothing, or only notices.

    \b
      tcpstates doctor
      tcpstates doctor --watch 10 process = nginx
      tcpstates doctor --threshold kept=5m dport = :5432
    """  # noqa: D301  (click looks for the character)
    watch = values["watch"]
    if values["brief"] and values["as_json"]:
        raise click.UsageError("--brief and --json cannot be combined")
    if watch is not None and values["files"]:
        raise click.UsageError("--watch requires live sockets; remove --from")
    if values["netns"] and names_hosts(values):
        text = "the doctor examines a host's own namespace; remove --netns or --host"
        raise click.UsageError(text)
    if watch is not None and sys.stderr is not None and sys.stderr.isatty():
        warn(f"scanning twice, {watch:g} s apart")
    origin = chosen_origin(values).pinned()
    diagnosis = examine(
        expand_target(values["expression"], origin),
        families=frozenset(chosen_families(values)),
        source=origin,
        thresholds=Thresholds(**dict(values["settings"])),
        watch=watch,
    )
    if values["as_json"]:
        from tcpstates.render.diagnosis_json import render_diagnosis_json

        output.write([render_diagnosis_json(diagnosis)], encoding="utf-8")
    else:
        from tcpstates.render.diagnosis import render_brief, render_diagnosis

        width, color = output.width, output.wants_color(values["color"])
        output.write(
            render_brief(
                diagnosis, width=width, color=color, is_terminal=output.is_terminal
            )
            if values["brief"]
            else render_diagnosis(
                diagnosis, width=width, color=color, height=output.height
            )
        )
    for limitation in diagnosis.limitations:
        warn(limitation.text)
    is_bad = any(f.severity >= Severity.WARNING for f in diagnosis.findings)
    code = ExitCode.FOUND if is_bad else ExitCode.DONE
    return with_failures(code, diagnosis.limitations)
