"""What is known of a process that owns sockets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process. None: it is gone, or it may not be inspected."""

    pid: int
    name: bytes | None = None  # as the kernel has it
    user: str | None = None
    started_at: float | None = None  # seconds since the epoch
    command: tuple[bytes, ...] | None = None
    descriptors: int | None = None  # open now
    descriptors_limit: int | None = None  # the soft one, which the kernel applies
    is_stopped: bool = False  # by a signal, or by a debugger
    parent: int | None = None  # its pid; 0: none in this pid namespace
    state: str | None = None  # psutil's word: running, sleeping, disk-sleep, stopped
    # The function of the kernel that it sleeps in (/proc/PID/wchan); it is running, or
    # that is hidden: None.
    waits_in: str | None = None
