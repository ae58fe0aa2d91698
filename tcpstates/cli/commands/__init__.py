"""The commands other than the listing, by name; each is imported when called.

A first argument that is none of these names belongs to a filter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import click

VARIABLE = "_TCPSTATES_COMPLETE"  # set by a completion script


def load_completion() -> click.Command:
    """Import the command that prints a shell's completion script."""
    from tcpstates.cli.commands.completion import completion

    return completion


def load_check() -> click.Command:
    """Import the command that compares counts with thresholds."""
    from tcpstates.cli.commands.check import check

    return check


def load_doctor() -> click.Command:
    """Import the command that finds what is stuck."""
    from tcpstates.cli.commands.doctor import doctor

    return doctor


def load_states() -> click.Command:
    """Import the command that prints the table of state names."""
    from tcpstates.cli.commands.states import states

    return states


def load_explain() -> click.Command:
    """Import the command that explains states."""
    from tcpstates.cli.commands.explain import explain

    return explain


def load_sequence() -> click.Command:
    """Import the command that draws how connections open, close and fail."""
    from tcpstates.cli.commands.sequence import sequence

    return sequence


def load_diagram() -> click.Command:
    """Import the command that draws the state machine."""
    from tcpstates.cli.commands.diagram import diagram

    return diagram


def load_diff() -> click.Command:
    """Import the command that compares two listings."""
    from tcpstates.cli.commands.diff import diff

    return diff


def load_trace() -> click.Command:
    """Import the command that prints changes of states."""
    from tcpstates.cli.commands.trace import trace

    return trace


def load_quiz() -> click.Command:
    """Import the command that asks about states."""
    from tcpstates.cli.commands.quiz import quiz

    return quiz


def load_tour() -> click.Command:
    """Import the command that shows the life of a connection."""
    from tcpstates.cli.commands.tour import tour

    return tour


def report_check_failure(text: str) -> int:
    """Report an error as a monitor expects it; return the exit code."""
    from tcpstates.cli.commands.check import print_unknown

    return print_unknown(text)


class Entry(NamedTuple):
    """A command and its summary in --help."""

    load: Callable[[], click.Command]
    summary: str
    report_failure: Callable[[str], int] | None = None  # None: a line on stderr


def load_exporter() -> click.Command:
    """Load `tcpstates exporter`."""
    from tcpstates.cli.commands.exporter import exporter

    return exporter


def load_kill() -> click.Command:
    """Load `tcpstates kill`, which a build may leave out: see `tcpstates.kill`."""
    try:
        from tcpstates.cli.commands.kill import kill
    except ModuleNotFoundError as error:
        from tcpstates.errors import TcpstatesError

        if not (error.name or "").startswith("tcpstates.kill"):
            raise
        raise TcpstatesError("this build of tcpstates ends no sockets") from error
    return kill


def load_man() -> click.Command:
    """Load `tcpstates man`."""
    from tcpstates.cli.commands.man import man

    return man


def load_install_docs() -> click.Command:
    """Load `tcpstates install-docs`."""
    from tcpstates.cli.commands.install_docs import install_docs

    return install_docs


COMMANDS: dict[str, Entry] = {
    "check": Entry(
        load_check,
        "Compare counts with thresholds, for monitors.",
        report_check_failure,
    ),
    "doctor": Entry(load_doctor, "Find what is stuck and suggest what to do."),
    "diff": Entry(load_diff, "Show what differs between two listings, or since one."),
    "trace": Entry(load_trace, "Print each change of a state as it happens."),
    "kill": Entry(load_kill, "End the sockets that a filter selects; asks first."),
    "explain": Entry(load_explain, "Explain what a state means and what to do."),
    "sequence": Entry(load_sequence, "Draw how connections open, close and fail."),
    "diagram": Entry(load_diagram, "Draw the state machine, with counts."),
    "tour": Entry(load_tour, "Show the life of a connection, in eight screens."),
    "quiz": Entry(load_quiz, "Ask about the states, and explain the answers."),
    "exporter": Entry(load_exporter, "Serve metrics for Prometheus."),
    "states": Entry(load_states, "Print the state names of every system."),
    "man": Entry(load_man, "Show the man page."),
    "install-docs": Entry(load_install_docs, "Install the man page and completions."),
    "completion": Entry(load_completion, "Print a shell completion script."),
}
