"""`tcpstates man`: the man page, wherever it is installed."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tcpstates.cli.manual import read_page
from tcpstates.cli.output import Output

# Each formats a page from standard input, and shows it page by page.
_VIEWERS = (("/usr/bin/man", "-l", "-"), ("/usr/bin/mandoc", "-a"))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_obj
def man(output: Output, /) -> None:
    """Show the man page; in a pipe, print its source.

    \b
      tcpstates man
      tcpstates man | man -l -
      tcpstates man > tcpstates.1
    """  # noqa: D301  (click looks for the character)
    page = read_page()
    viewer = next((words for words in _VIEWERS if Path(words[0]).exists()), None)
    if not output.is_terminal or viewer is None:
        output.write([page.decode("utf-8")], encoding="utf-8")
        return
    import subprocess

    output.flush()
    environment = {**os.environ, "LESSSECURE": "1"}
    shown = subprocess.run(  # noqa: S603  (an absolute path of the system)
        viewer, input=page, env=environment, check=False
    )
    if shown.returncode:  # on a small system `man` may not be a program
        output.write([page.decode("utf-8")], encoding="utf-8")
