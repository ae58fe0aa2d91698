"""The commands beside the listing, by name; each is loaded when it is called.

A first word that is none of these belongs to a filter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import click

VARIABLE = "_TCPSTATES_COMPLETE"  # set by a shell that asks what can come next


def load_completion() -> click.Command:
    """Return the command that prints a shell's completion script."""
    from tcpstates.cli.commands.completion import completion

    return completion


def load_check() -> click.Command:
    """Return the command that compares counts with thresholds."""
    from tcpstates.cli.commands.check import check

    return check


def load_doctor() -> click.Command:
    """Return the command that finds what is stuck."""
    from tcpstates.cli.commands.doctor import doctor

    return doctor


def load_states() -> click.Command:
    """Return the command that prints the table of state names."""
    from tcpstates.cli.commands.states import states

    return states


def load_explain() -> click.Command:
    """Return the command that says what states mean."""
    from tcpstates.cli.commands.explain import explain

    return explain


def load_sequence() -> click.Command:
    """Return the command that draws how a connection goes."""
    from tcpstates.cli.commands.sequence import sequence

    return sequence


def load_diagram() -> click.Command:
    """Return the command that draws the state machine."""
    from tcpstates.cli.commands.diagram import diagram

    return diagram


class Entry(NamedTuple):
    """A command, and what --help says of it."""

    load: Callable[[], click.Command]
    summary: str


COMMANDS: dict[str, Entry] = {
    "check": Entry(load_check, "Compare counts with thresholds, for monitors."),
    "doctor": Entry(load_doctor, "Find what is stuck, and say what to do."),
    "explain": Entry(load_explain, "Say what a state means, and what to do."),
    "sequence": Entry(load_sequence, "Draw how connections open, close and fail."),
    "diagram": Entry(load_diagram, "Draw the state machine, with counts."),
    "states": Entry(load_states, "Print what every system calls the states."),
    "completion": Entry(load_completion, "Print a script that completes words."),
}
