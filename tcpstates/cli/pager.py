"""Show a long text on a terminal page by page.

The system's own `less` is used, from its fixed place: neither PATH nor the value of
PAGER is searched or run, and `less` itself may not start other programs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from tcpstates.cli.output import Output

_LESS = Path("/usr/bin/less")
# Colours are kept, a text that fits the screen is just printed, and stays there.
_OPTIONS = ("-R", "-F", "-X")


def write_paged(output: Output, chunks: Iterable[str]) -> None:
    """Write a text; through `less`, if it is longer than the terminal.

    PAGER=cat, or an empty PAGER, switches that off. Errors as from `Output.write`.
    """
    height = output.height
    if height is None or not _may_ask():
        output.write(chunks)
        return
    text = "".join(chunks)
    if text.count("\n") < height:
        output.write([text])
        return
    output.flush()
    _show(text.encode(output.encoding, "backslashreplace"))


def _may_ask() -> bool:
    """Check for a keyboard, a terminal that can scroll, and `less`."""
    is_off = os.environ.get("PAGER") in ("", "cat") or os.environ.get("TERM") == "dumb"
    has_keyboard = sys.stdin is not None and sys.stdin.isatty()
    return not is_off and has_keyboard and _LESS.exists()


def _show(text: bytes) -> None:
    import signal
    import subprocess

    environment = {**os.environ, "LESSSECURE": "1"}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the pager
    try:
        subprocess.run(  # noqa: S603  (an absolute path of the system)
            [_LESS, *_OPTIONS], input=text, env=environment, check=False
        )
    finally:
        signal.signal(signal.SIGINT, before)
