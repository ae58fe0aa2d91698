"""Options that know under which heading --help shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

SELECTION = "Which sockets"
SHOWN = "What of them"
FORM = "How"


class GroupedOption(click.Option):
    """An option that knows under which heading --help shows it."""

    def __init__(self, *arguments: Any, heading: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.heading = heading


def flag(heading: str, *names: str, text: str) -> Callable[[F], F]:
    """Return a decorator that adds an option without a value."""
    return click.option(
        *names, cls=GroupedOption, heading=heading, is_flag=True, help=text
    )


def value(heading: str, *names: str, text: str, **settings: Any) -> Callable[[F], F]:
    """Return a decorator that adds an option with a value."""
    return click.option(
        *names, cls=GroupedOption, heading=heading, help=text, **settings
    )
