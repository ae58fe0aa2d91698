"""What sources of sockets provide, and what each lacks, as one typed list.

A source declares what it lacks; filters, columns and the doctor ask for it by name.
"""

from __future__ import annotations

from enum import Enum


class Capability(str, Enum):
    """What not every source provides, in the words that messages use."""

    QUEUES = "queues"
    TIMERS = "timers"
    UID = "uid"
    INODE = "inode"
    OTHER_PROCESSES = "other processes of a socket"
    COOKIE = "cookie"
    TCP_INFO = "tcp_info"
    AGES = "ages"
    MEMORY = "memory"
    INTERFACE = "interface"
    CGROUP = "cgroup"
    MARK = "mark"
    BACKLOG_LIMIT = "backlog limit"
    HOST_LIMITS = "counters and limits of the host"

    def __str__(self) -> str:
        return self.value


# What Linux's sock_diag alone provides.
NETLINK_ALONE = (
    Capability.COOKIE,
    Capability.TCP_INFO,
    Capability.AGES,
    Capability.MEMORY,
    Capability.INTERFACE,
    Capability.CGROUP,
    Capability.MARK,
)

# What a source lacks that has state, endpoints and one pid of each socket.
ONLY_STATES_AND_PIDS: tuple[Capability, ...] = (
    Capability.QUEUES,
    Capability.TIMERS,
    Capability.UID,
    Capability.INODE,
    Capability.OTHER_PROCESSES,
    *NETLINK_ALONE,
)
