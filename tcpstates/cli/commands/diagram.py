"""`tcpstates diagram`: the state machine, with the number of sockets in every state."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import click

from tcpstates.cli.host_options import shown_hosts
from tcpstates.cli.output import Output
from tcpstates.cli.pager import write_paged
from tcpstates.cli.source_options import chosen_origin, elsewhere_options
from tcpstates.cli.state_argument import StateName, color_option, json_option, states_of
from tcpstates.cli.state_counts import StateCounts
from tcpstates.cli.types import FILTER_ARGUMENT
from tcpstates.render.diagram.svg import render_svg
from tcpstates.render.diagram.text import render_diagram
from tcpstates.render.page.page import render_page
from tcpstates.render.teaching_json import render_machine_json
from tcpstates.states import TcpState


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("expression", nargs=-1, type=FILTER_ARGUMENT, metavar="[FILTER]...")
@click.option(
    "--state",
    type=StateName(),
    metavar="STATE",
    help="Highlight the transitions of STATE.",
)
@click.option("--svg", metavar="FILE", help="Write an SVG; - is standard output.")
@click.option(
    "--html",
    metavar="FILE",
    help="Write a page that teaches, to read offline; - is standard output.",
)
@elsewhere_options
@json_option
@color_option
@click.pass_obj
def diagram(
    output: Output,
    /,
    expression: tuple[str, ...],
    *,
    state: str | None,
    svg: str | None,
    html: str | None,
    as_json: bool,
    color: str,
    **values: Any,
) -> int:
    """Draw RFC 9293's state machine, with the number of TCP sockets in every state.

    With a filter, count only the sockets that it selects.
    """
    if [svg == "-", html == "-", as_json].count(True) > 1:
        raise click.UsageError("--svg -, --html - and --json cannot be combined")
    highlight = _one_state(state)
    origin = chosen_origin(values)
    counted = StateCounts(origin)
    counts = counted.by("state", filter=expression)
    if svg is not None:
        with output.into(svg):
            output.write(render_svg(counts, highlight=highlight), encoding="utf-8")
    if html is not None:
        page = render_page(
            counts,
            origin.settings(),
            heading=_heading(values["files"], shown_hosts(values)),
            remark=_remark(values["files"], expression, shown_hosts(values)),
            highlight=highlight,
        )
        with output.into(html):
            output.write(page, encoding="utf-8")
    if as_json:
        output.write(render_machine_json(counts))
    elif svg is None and html is None:
        drawn = render_diagram(
            counts,
            highlight=highlight,
            color=output.wants_color(color),
            encoding=output.encoding,
        )
        write_paged(output, drawn)
    return counted.exit_code


def _one_state(name: str | None) -> TcpState | None:
    if name is None:
        return None
    meant = states_of(name)
    if len(meant) != 1:
        text = f"--state: '{name}' is not one state of RFC 9293"
        raise click.UsageError(f"{text}, but {', '.join(meant) or 'none'}")
    return meant[0]


def _heading(files: Sequence[str], hosts: str) -> str:
    if hosts:
        return f"TCP states on {hosts}"
    if files:
        return f"TCP states in {', '.join(files)}"
    return f"TCP states on {socket.gethostname()}"


def _remark(files: Sequence[str], expression: tuple[str, ...], hosts: str) -> str:
    """Say what is counted, and where the numbers of the explanations come from."""
    chosen = f" that match {' '.join(expression)}" if expression else ""
    if files:
        return (
            f"The TCP sockets of a saved listing{chosen}. The limits and times are"
            " Linux's defaults: a listing has no settings of its host."
        )
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    if hosts:
        return (
            f"The TCP sockets of these hosts{chosen}, as of {now}. The limits and times"
            " are those of a single host, else Linux's defaults."
        )
    return (
        f"The TCP sockets of this network namespace{chosen}, as of {now}. The limits"
        " and times are those of this host."
    )
