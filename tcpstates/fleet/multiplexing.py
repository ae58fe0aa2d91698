"""ssh's shared connections: a second command on a host needs no second login.

Where the user's own configuration says how connections are shared, it stays as it is.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256

_SECONDS = 60  # for which an idle connection is kept
_PATIENCE = 5  # seconds at most for ssh to print its configuration
_LONGEST = 50  # bytes of a folder's path: that of a socket may have 104, with ssh's own
_PLAIN = re.compile(r"/[A-Za-z0-9._/-]+")  # ssh expands $ and %, and splits at blanks


def multiplexing_options(
    ssh: Sequence[str], host: str, seconds: float
) -> tuple[str, ...]:
    """Return the options that share connections; none where no folder is safe.

    `seconds`: the longest time that connecting may take.

    Whoever can write to the folder of the sockets can use the connections. Another
    command than ssh's may lead elsewhere under the same name, so it has its own.
    """
    is_possible = sys.platform != "win32"  # OpenSSH for Windows has no ControlMaster
    folder = next(filter(_is_private, _folders()), None) if is_possible else None
    if folder is None or _has_own(ssh, host, min(_PATIENCE, seconds / 2)):
        return ()
    mark = sha256("\0".join(ssh).encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return (
        *("-o", "ControlMaster=auto"),
        *("-o", f"ControlPersist={_SECONDS}"),
        *("-o", f"ControlPath={folder}/{mark}%C"),
    )


def _has_own(ssh: Sequence[str], host: str, seconds: float) -> bool:
    """Check whether the user's configuration shares connections, or forbids it."""
    try:
        asked = subprocess.run(  # noqa: S603  (words, never a shell)
            [*ssh, "-G", "--", host],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    settings = dict(
        line.split(b" ", 1) for line in asked.stdout.splitlines() if b" " in line
    )
    return asked.returncode != 0 or settings.get(b"controlpath", b"none") != b"none"


def _folders() -> Iterator[str]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        yield f"{runtime}/tcpstates-ssh"
    yield os.path.expanduser("~/.ssh/tcpstates")


def _is_private(folder: str) -> bool:
    """Make the folder if its parent is there; check that it is ours alone."""
    if len(os.fsencode(folder)) > _LONGEST or not _PLAIN.fullmatch(folder):
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
