"""The state argument of teaching commands, and options that they share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import click

from tcpstates.cli.completions import spelled_like
from tcpstates.states import TcpState, find_states, nearest_states, state_names
from tcpstates.wording import did_you_mean, nearest

Function = TypeVar("Function", bound=Callable[..., Any])


class StateName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A state or a group in any system's spelling, or one of a few other words."""

    name = "state"

    def __init__(self, more: Collection[str] = ()) -> None:
        self._more = more

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return a known word; for an unknown one, fail with suggestions."""
        name = str(value)
        other = name.lower().replace("_", "-")
        if other in self._more:
            return other
        if find_states(name) is None:
            near = [found.lower() for found in nearest_states(name)]
            near += [n for n in nearest(other, self._more, most=1) if n not in near]
            hint = did_you_mean(near, "for all states: tcpstates explain")
            what = "state or topic" if self._more else "state"
            self.fail(f"unknown {what} '{value}'{hint}", param, ctx)
        return name

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """List the words that begin this way."""
        from click.shell_completion import CompletionItem

        names = (*state_names(), *self._more)
        spelled = (spelled_like(name, incomplete) for name in names)
        return [CompletionItem(name) for name in spelled if name]


def states_of(name: str) -> list[TcpState]:
    """List the states of RFC 9293 that a word means, in their order."""
    meant = find_states(name) or frozenset()
    return [state for state in TcpState if state in meant]


def json_option(function: Function) -> Function:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def color_option(function: Function) -> Function:
    """Add --color."""
    return click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="Colour the states.",
    )(function)
