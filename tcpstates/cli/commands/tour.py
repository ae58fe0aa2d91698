"""`tcpstates tour`: eight screens, from a listener to a leak that is repaired."""

from __future__ import annotations

import os
import platform
import shlex
import sys

import click

from tcpstates.cli.ask import LETTERS, ask, read_answer
from tcpstates.cli.output import Output
from tcpstates.lifecycle.tour_pages import PAGES, Page
from tcpstates.live.exhibits import Exhibits
from tcpstates.render.paragraphs import filled, readable

_LINES, _FEW_LINES = 15, 5  # of the output of one command, and of each of several
_PATIENCE = 60  # seconds for a command


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_obj
def tour(output: Output, /) -> None:
    """Show the life of a connection on this host, in eight screens.

    Each screen makes real sockets on loopback, runs the commands that show them, and
    asks one question. It needs no privileges, and leaves nothing behind. Answer with a
    letter; Enter alone shows the answer, and q or Ctrl-C ends.
    """
    width = readable(output.width)
    with Exhibits() as exhibits:
        for number, page in enumerate(PAGES, start=1):
            if output.is_terminal:
                click.clear()
            elif number > 1:
                output.write(["\n"])
            getattr(exhibits, page.act)()
            output.write([f"{number}/{len(PAGES)}  {page.title}\n\n"])
            output.write([filled(page.text, width)])
            for command in page.commands:
                room = _LINES if len(page.commands) == 1 else _FEW_LINES
                _run(output, _filled_in(command, exhibits.port), room)
            if not _ask_about(output, page, exhibits.port, width):
                return
    output.write(["\n", filled("That was the tour. Next: tcpstates quiz", width)])


def _filled_in(command: str, port: int) -> str:
    """Name the tour's port; only Linux can perform a sequence."""
    live = " --live" if platform.system() == "Linux" else ""
    return command.format(port=port, live=live)


def _run(output: Output, command: str, room: int) -> None:
    """Run a command of tcpstates; show it, and as many lines of its output."""
    import subprocess

    output.write([f"\n$ {command}\n"])
    output.flush()
    found = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "tcpstates", *shlex.split(command)[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
        env={**os.environ, "COLUMNS": str(output.width)},
    )
    text = (found.stdout or found.stderr).decode(errors="replace")
    parts = text.split("\n\n")
    if len(parts) > 2:  # what follows the drawing of a sequence, the page tells
        text = parts[1]
    shown = text.rstrip("\n").splitlines()
    if len(shown) > room:
        shown = [*shown[: room - 1], "..."]
    output.write(f"{line}\n" for line in shown)


def _ask_about(output: Output, page: Page, port: int, width: int) -> bool:
    """Ask the question of a page; False if the reader wants to end."""
    output.write(["\n", filled(page.question.format(port=port), width)])
    choices = zip(LETTERS, page.choices, strict=False)
    output.write(f"   {letter}  {choice}\n" for letter, choice in choices)
    output.flush()
    answer = ask(len(page.choices))
    if answer is None:
        return False
    right = LETTERS[page.right]
    begin = "Right." if answer == right else f"{right}: {page.choices[page.right]}."
    output.write([filled(f"{begin} {page.why}", width)])
    output.flush()
    return read_answer("Enter goes on, q ends: ") is not None
