"""Ask a reader questions, on a terminal or through a pipe."""

from __future__ import annotations

import sys

import click

LETTERS = "abcd"


def read_answer(prompt: str) -> str | None:
    """Read a line in lower case, without blanks around it.

    None: the reader wants to end, by q, by Ctrl-C or by the end of the input.
    """
    try:
        click.echo(prompt, nl=False, err=True)
        line = sys.stdin.readline()
    except KeyboardInterrupt:
        line = ""
    answer = line.strip().lower()
    if line and answer not in ("q", "quit", "exit"):
        return answer
    click.echo(err=True)
    return None


def ask(number: int) -> str | None:
    """Read one of the first letters, or "" for Enter; None: see `read_answer`."""
    letters = LETTERS[:number]
    while True:
        answer = read_answer("answer: ")
        if not answer or answer in letters:
            return answer
        text = f"type a letter from {letters[0]} to {letters[-1]}; q ends"
        click.echo(text, err=True)
