"""Ask a question with a few possible answers, on a terminal or through a pipe."""

from __future__ import annotations

import sys

import click

LETTERS = "abcd"


def ask(number: int) -> str | None:
    """Read one of the first letters, or "" for Enter; None: the reader wants to end."""
    letters = LETTERS[:number]
    while True:
        click.echo("answer: ", nl=False, err=True)
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            line = ""
        answer = line.strip().lower()
        if not line or answer in ("q", "quit", "exit"):
            click.echo(err=True)
            return None
        if not answer or answer in letters:
            return answer
        text = f"a letter from {letters[0]} to {letters[-1]}, please; q ends"
        click.echo(text, err=True)
