"""The man page, from the package, from the one-file program or from a checkout."""

from __future__ import annotations

import os
import pkgutil
from contextlib import suppress
from pathlib import Path

from tcpstates import cli
from tcpstates.errors import TcpstatesError

NAME = "tcpstates.1"


def read_page() -> bytes:
    """Return the page in roff; raise TcpstatesError if this build lacks it."""
    with suppress(OSError):
        found = pkgutil.get_data("tcpstates", NAME)
        if found is not None:
            return found
    beside = Path(os.path.abspath(cli.__file__)).parents[2] / "man" / NAME
    with suppress(OSError):
        return beside.read_bytes()
    raise TcpstatesError("this build has no man page; see tcpstates --help")
