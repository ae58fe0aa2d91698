"""ssh's shared connections: a second command on a host needs no second login."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress

_SECONDS = 60  # for which an idle connection is kept
_LONGEST = 60  # bytes of a folder's path: that of a socket may have 104, with ssh's own


def multiplexing_options() -> tuple[str, ...]:
    """Return the options that share connections; none where no folder is safe.

    Whoever can write to the folder of the sockets can use the connections.
    """
    is_possible = sys.platform != "win32"  # OpenSSH for Windows has no ControlMaster
    folder = next(filter(_is_private, _folders()), None) if is_possible else None
    if folder is None:
        return ()
    return (
        *("-o", "ControlMaster=auto"),
        *("-o", f"ControlPersist={_SECONDS}"),
        *("-o", f"ControlPath={folder}/%C"),
    )


def _folders() -> Iterator[str]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        yield f"{runtime}/tcpstates-ssh"
    yield os.path.expanduser("~/.ssh/tcpstates")


def _is_private(folder: str) -> bool:
    """Make the folder if its parent is there; check that it is ours alone."""
    if len(os.fsencode(folder)) > _LONGEST or "%" in folder or '"' in folder:
        return False
    if not _is_ours(os.path.dirname(folder)):
        return False
    with suppress(OSError):
        os.mkdir(folder, 0o700)
    return _is_ours(folder)


def _is_ours(folder: str) -> bool:
    if sys.platform != "win32":
        with suppress(OSError):
            found = os.lstat(folder)
            is_shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            is_folder = stat.S_ISDIR(found.st_mode) and not is_shared
            return is_folder and found.st_uid == os.geteuid()
    return False
