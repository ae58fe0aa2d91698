"""`tcpstates states`: the whole translation table."""

from __future__ import annotations

from collections.abc import Iterator

import click

from tcpstates.cli.output import Output
from tcpstates.cli.pager import write_paged
from tcpstates.cli.state_argument import color_option, json_option
from tcpstates.render.styles import paint
from tcpstates.render.teaching_json import render_names_json
from tcpstates.states import (
    NOT_SHOWN,
    STATE_NAMES,
    SYSTEMS,
    AnyState,
    OtherState,
    TcpState,
    names_in_tool,
    names_of,
)

_STATES: tuple[AnyState, ...] = (*TcpState, OtherState.BOUND, OtherState.DELETE_TCB)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@json_option
@color_option
@click.pass_obj
def states(output: Output, /, *, as_json: bool, color: str) -> None:
    """Print the state names of every system.

    tcpstates accepts all of these names wherever it accepts a state.
    """
    if as_json:
        output.write(render_names_json(_STATES))
    else:
        write_paged(output, _text(color=output.wants_color(color)))


def _text(*, color: bool) -> Iterator[str]:
    """Yield a table of each tool's spelling, then every other known spelling."""
    tools = [(tool, names_in_tool(tool)) for tool in STATE_NAMES[1:]]
    heads = ["RFC 9293", *(tool for tool, _ in tools), "/proc"]
    rows = []
    for state in _STATES:
        names = [
            "-"
            if state in NOT_SHOWN.get(tool, ())
            else known.get(state.value, state.value)
            for tool, known in tools
        ]
        rows.append([state.value, *names, ",".join(names_of(state, "proc")) or "-"])
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        padded = [f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)]
        if color and row is not heads:
            padded[0] = paint(row[0], padded[0])
        yield "  ".join(padded).rstrip() + "\n"
    yield f"\nAlso accepted, from {SYSTEMS['translated']} and others:\n"
    for state in _STATES:
        known = {
            state.value,
            *(name for _, w in tools for name in [w.get(state.value)]),
        }
        others = dict.fromkeys(
            name
            for system in SYSTEMS
            if system != "proc"
            for name in names_of(state, system)
            if name not in known
        )
        if others:
            yield from _wrapped(state.value, ", ".join(others), widths[0])


def _wrapped(name: str, text: str, width: int) -> Iterator[str]:
    """Yield a name and its spellings, in lines of 80 characters."""
    from textwrap import wrap

    first, rest = f"{name:<{width}}  ", " " * (width + 2)
    for line in wrap(
        text, 80, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    ):
        yield line + "\n"
