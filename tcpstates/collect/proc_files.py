"""Read small files of /proc about a process; check which processes are visible."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
# linux/proc_ns.h: the host's own namespaces.
_PROC_PID_INIT_INO, _PROC_TIME_INIT_INO = 0xEFFFFFFC, 0xEFFFFFFA
_START = 19  # index among the fields behind the name
# linux/capability.h
_CAP_DAC_READ_SEARCH, _CAP_SYS_PTRACE, _CAP_SYS_ADMIN = 2, 19, 21
_CAP_PERFMON, _CAP_BPF = 38, 39


def list_in(directory: int, path: str) -> Iterator[str]:
    """Yield the names in a subdirectory; nothing if it no longer exists."""
    with suppress(OSError):
        descriptor = os.open(path, DIRECTORY, dir_fd=directory)
        try:
            yield from os.listdir(descriptor)
        finally:
            os.close(descriptor)


def count_descriptors(pid: int, root: str = "/proc") -> int | None:
    """Return how many descriptors a process has open; None if that is hidden."""
    with suppress(OSError):
        return len(os.listdir(f"{root}/{pid}/fd"))
    return None


def name_of(pid: int) -> bytes | None:
    """Read the name of a process; None if it has exited or is hidden."""
    with suppress(OSError), open(f"/proc/{pid}/comm", "rb") as file:
        return file.read(64).removesuffix(b"\n")
    return None


def read_name(process: int) -> bytes | None:
    """Return a process's name: up to 15 bytes, of any value."""
    found = _read("comm", process)
    return None if found is None else found.removesuffix(b"\n")


def read_title(pid: int, root: str = "/proc") -> bytes | None:
    """Return the first word of a process's command, without its folder.

    A server may have replaced it by a title ("nginx: worker process"). None: hidden.
    """
    found = (_read(f"{root}/{pid}/cmdline", None) or b"").partition(b"\0")[0]
    return found.rpartition(b"/")[2] if found.startswith(b"/") else found or None


def read_start(path: str, process: int | None = None) -> int | None:
    """Return a process's start time in ticks since boot; None if it has exited.

    It is field 22 of proc_pid_stat(5); the name before it may contain any character.
    """
    fields = (_read(path, process) or b"").rpartition(b")")[2].split()
    is_whole = len(fields) > _START and fields[_START].isdigit()
    return int(fields[_START]) if is_whole else None


def read_state(pid: int, root: str = "/proc") -> str:
    """Return the letter of a process's state, as proc_pid_stat(5) lists them.

    The empty text: it has exited, or there is no /proc.
    """
    fields = (_read(f"{root}/{pid}/stat", None) or b"").rpartition(b")")[2].split()
    return fields[0].decode("ascii", "replace") if fields else ""


def count_sleeps(pid: int, root: str = "/proc") -> bytes:
    """Return how often a process has gone to sleep (proc_pid_status(5)), as text."""
    status = _read(f"{root}/{pid}/status", None) or b""
    return status.partition(b"\nvoluntary_ctxt_switches:")[2].partition(b"\n")[0]


def read_wait_channel(pid: int, root: str = "/proc") -> str | None:
    """Return the kernel's function in which a process sleeps; None if not known."""
    name = (_read(f"{root}/{pid}/wchan", None) or b"").decode("ascii", "replace")
    return None if name in ("", "0") else name.partition(".")[0]


def is_kernel_thread(pid: int, root: str = "/proc") -> bool:
    """Check whether a process belongs to the kernel: it has no executable file."""
    try:
        os.readlink(f"{root}/{pid}/exe")
    except FileNotFoundError:
        return True
    except OSError:
        return False  # it may not be inspected
    return False


def parent_of(pid: int, root: str = "/proc") -> int:
    """Return the pid of a process's parent; 0 if it has none, or has ended."""
    # The name before it may contain anything, also ")".
    fields = (_read(f"{root}/{pid}/stat", None) or b"").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def network_namespace(pid: int | str, root: str = "/proc") -> int | None:
    """Return the inode of a process's network namespace; None if it is hidden."""
    with suppress(OSError):
        return os.stat(f"{root}/{pid}/ns/net").st_ino
    return None


def _read(path: str, folder: int | None) -> bytes | None:
    """Return the beginning of a file of /proc; None if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY, dir_fd=folder)
        try:
            return os.read(descriptor, 4096)
        finally:
            os.close(descriptor)
    except OSError:
        return None


def sees_all_processes(root: str = "/proc") -> bool:
    """Check whether we have the privileges to read every process's descriptors.

    Both capabilities are required: one to open the directory, one to follow the links.
    """
    return _has(root, _CAP_DAC_READ_SEARCH, _CAP_SYS_PTRACE)


def may_trace_by_bpf(root: str = "/proc") -> bool:
    """Check whether we have the privileges for BPF programs that read the kernel."""
    return _has(root, _CAP_SYS_ADMIN) or _has(root, _CAP_BPF, _CAP_PERFMON)


def _has(root: str, *capabilities: int) -> bool:
    with suppress(OSError), open(f"{root}/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"CapEff:"):
                held = int(line.split()[1], 16)
                return all(held & 1 << capability for capability in capabilities)
    return False


def in_first_pid_namespace(root: str = "/proc") -> bool:
    """Check whether this is the host's own pid namespace, which has all processes."""
    return _in_namespace(f"{root}/self/ns/pid", _PROC_PID_INIT_INO)


def in_first_time_namespace(root: str = "/proc") -> bool:
    """Check whether times since boot are the host's own (before Linux 5.6: always)."""
    return _in_namespace(f"{root}/self/ns/time", _PROC_TIME_INIT_INO)


def _in_namespace(path: str, first: int) -> bool:
    try:
        return os.stat(path).st_ino == first
    except OSError:
        return True
