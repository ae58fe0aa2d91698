"""Decide whether a second process may and can take a part of the work."""

from __future__ import annotations

import os
import threading


def may_fork() -> bool:
    """Whether a fork is possible, safe, and likely to make anything quicker.

    A child of a process with several threads may find a lock that nobody opens again.
    With one processor, the processes would only wait for each other.
    """
    processors = getattr(os, "sched_getaffinity", None)  # not every system has it
    if processors is None or threading.active_count() > 1:
        return False
    return len(processors(0)) > 1
