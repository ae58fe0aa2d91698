"""Run a command in this process: quick, and seen by coverage and mutation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

from tcpstates.cli.app import run


class _Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def told(
    arguments: Sequence[str], *, is_terminal: bool = False
) -> tuple[int, str, str]:
    """Return the exit code of a command, and what it wrote to both streams."""
    kind = _Terminal if is_terminal else io.TextIOWrapper
    written, errors = io.BytesIO(), io.StringIO()
    output = kind(written, encoding="utf-8", newline="")
    with redirect_stdout(output), redirect_stderr(errors):
        code = run(list(arguments))
    output.flush()
    return (
        code,
        written.getvalue().decode("utf-8", "surrogateescape"),
        errors.getvalue(),
    )
