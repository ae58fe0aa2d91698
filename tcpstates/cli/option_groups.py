"""Options with the heading under which --help shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

SELECTION = "Which sockets"
SHOWN = "What to show"
LIVE = "Over time"
FORM = "Output and source"
HOSTS = "Other hosts"
HELP = "Help"


class GroupedOption(click.Option):
    """An option with the heading under which --help shows it."""

    def __init__(self, *arguments: Any, heading: str, **settings: Any) -> None:
        text = settings.pop("help")
        super().__init__(*arguments, **settings)
        self.heading = heading
        self.help = text  # as it is: click would load `inspect` to tidy it


def flag(heading: str, *names: str, text: str) -> Callable[[F], F]:
    """Make a decorator that adds an option without a value."""
    return click.option(
        *names, cls=GroupedOption, heading=heading, is_flag=True, help=text
    )


def repeatable(heading: str, *names: str, text: str) -> Callable[[F], F]:
    """Make a decorator that adds an option without a value, which is counted."""
    return click.option(
        *names, cls=GroupedOption, heading=heading, count=True, help=text
    )


def hidden(*names: str) -> Callable[[F], F]:
    """Make a decorator that adds a flag which --help does not show."""
    return click.option(*names, is_flag=True, hidden=True)


def value(heading: str, *names: str, text: str, **settings: Any) -> Callable[[F], F]:
    """Make a decorator that adds an option with a value."""
    return click.option(
        *names, cls=GroupedOption, heading=heading, help=text, **settings
    )


def message(
    *names: str, show: Callable[[click.Context], str], text: str
) -> Callable[[F], F]:
    """Make a decorator that adds an option that prints a text and ends the program.

    click's own such options look for translations, which takes 1 ms.
    """

    def callback(context: click.Context, _: click.Parameter, given: Any) -> None:
        if given and not context.resilient_parsing:
            click.echo(show(context), color=context.color)
            context.exit()

    return click.option(
        *names,
        cls=GroupedOption,
        heading=HELP,
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=callback,
        help=text,
    )
