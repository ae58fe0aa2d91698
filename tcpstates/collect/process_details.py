"""One process in detail: on Linux from /proc, elsewhere through psutil."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from tcpstates.collect.proc_files import name_of, read_wait_channel
from tcpstates.processes import Process

_LONGEST_NAME = 15  # TASK_COMM_LEN without the zero, linux/sched.h
_LONGEST_COMMAND = 1 << 16  # bytes
_LONGEST_STAT = 1 << 24  # of /proc/stat, which has a line for each processor
_TABLES = ("tcp", "tcp6", "udp", "udp6")
_INODE = 9  # index of the column, see `parse.proc_net`
# proc_pid_stat(5), in psutil's words.
_WORDS = {
    "R": "running",
    "S": "sleeping",
    "D": "disk-sleep",
    "T": "stopped",
    "t": "tracing-stop",
    "Z": "zombie",
    "X": "dead",
    "K": "wake-kill",
    "W": "waking",
    "I": "idle",
    "P": "parked",
}
_STOPPED = ("T", "t")
_PARENT, _STARTED = 1, 19  # indexes behind the name in the same file
_UID = re.compile(rb"^Uid:\s*(\d+)", re.MULTILINE)
_BOOT = re.compile(rb"^btime (\d+)", re.MULTILINE)

if sys.platform == "linux":

    def read_process(pid: int) -> Process:
        """Return details of a process; None for a detail that is unknown or hidden."""
        fields = (_content(f"/proc/{pid}/stat") or b"").rpartition(b")")[2].split()
        if len(fields) <= _STARTED:
            return Process(pid=pid)
        state = fields[0].decode("ascii", "replace")
        return Process(
            pid=pid,
            name=name_of(pid),
            user=_user(pid),
            started_at=_clock(int(fields[_STARTED])),
            command=_command(pid),
            descriptors_limit=read_descriptors_limit(pid),
            is_stopped=state in _STOPPED,
            parent=int(fields[_PARENT]),
            state=_WORDS.get(state, state or None),
            waits_in=read_wait_channel(pid),
        )

    def read_descriptors_limit(pid: int) -> int | None:
        """Return the soft limit of a process's descriptors (RLIMIT_NOFILE).

        None if there is no limit, or we may not read it.
        """
        import resource

        try:
            limit, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        except (OSError, ValueError):
            return None
        return None if limit == resource.RLIM_INFINITY else limit

    def owns_sockets(pid: int) -> bool:
        """Check whether a process has internet sockets, or we may not know."""
        held = set()
        try:
            for descriptor in os.scandir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    held.add(os.readlink(descriptor.path))
        except PermissionError:
            return True
        except OSError:
            return False
        return not held.isdisjoint(_sockets(pid))

    def is_process_name(name: str) -> bool:
        """Check whether a process has this name, which is cut off after 15 bytes."""
        wanted = os.fsencode(name)[:_LONGEST_NAME]
        pids = (int(entry) for entry in os.listdir("/proc") if entry.isdecimal())
        return any(name_of(pid) == wanted for pid in pids)

else:

    def read_process(pid: int) -> Process:
        """Return details of a process; None for a detail that is unknown or hidden."""
        from tcpstates.collect import psutil_

        return psutil_.read_process(pid)

    def read_descriptors_limit(pid: int) -> int | None:
        """Return None: only Linux reports the limits of other processes."""
        return None

    def owns_sockets(pid: int) -> bool:
        """Check whether a process has internet sockets, or we may not know."""
        from tcpstates.collect import psutil_

        return psutil_.owns_sockets(pid)

    def is_process_name(name: str) -> bool:
        """Check whether a process has this name."""
        from tcpstates.collect import psutil_

        return psutil_.is_process_name(name)


def _content(path: str, most: int = _LONGEST_COMMAND) -> bytes | None:
    with suppress(OSError), open(path, "rb") as file:
        return file.read(most)
    return None


def _user(pid: int) -> str | None:
    """Return the login name of the real user, or the uid."""
    found = _UID.search(_content(f"/proc/{pid}/status") or b"")
    if found is None:
        return None
    if sys.platform != "win32":
        import pwd

        with suppress(KeyError):
            return pwd.getpwuid(int(found[1])).pw_name
    return found[1].decode()


def _clock(ticks: int) -> float | None:
    """Turn ticks since boot into seconds since the epoch."""
    booted = _booted_at()
    if sys.platform != "win32" and booted is not None:
        return booted + ticks / os.sysconf("SC_CLK_TCK")
    return None


@cache
def _booted_at() -> float | None:
    found = _BOOT.search(_content("/proc/stat", _LONGEST_STAT) or b"")
    return float(found[1]) if found else None


def _command(pid: int) -> tuple[bytes, ...] | None:
    """Return the words of a command; a server may have written a title over them."""
    text = _content(f"/proc/{pid}/cmdline")
    if text is None:
        return None
    words = text.removesuffix(b"\0").split(b"\0")
    if len(words) == 1 and not text.endswith(b"\0"):
        words = text.split(b" ")
    return tuple(words) if words != [b""] else ()


def _sockets(pid: int) -> Iterator[str]:
    """Yield the internet sockets of a process's namespace, as its links name them."""
    for table in _TABLES:
        with suppress(OSError), open(f"/proc/{pid}/net/{table}", "rb") as rows:
            for row in rows:
                fields = row.split(None, _INODE + 1)
                if len(fields) > _INODE:
                    yield f"socket:[{fields[_INODE].decode('ascii', 'replace')}]"
