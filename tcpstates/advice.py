"""Commands that texts propose: which of them a system can follow.

Only Linux reports queues, timers, ages and memory, and only there are ss, sysctl and
/proc. Elsewhere, a command that needs them would end in an error, or say nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

_OF_LINUX = re.compile(
    r"^(?:sudo )?(?:ss|ip|sysctl|nstat|nsenter|strace|perf|ethtool|conntrack|iptables"
    r"|nft|tc|top|cat|dmesg|journalctl|ls|grep|echo|gdb|py-spy)\b"
    # Options and keys that need what only netlink or procfs report.
    r"|^tcpstates (?:kill|trace|exporter)\b"
    r"|^tcpstates\b.* -[a-zA-Z]*[oimeN][a-zA-Z]*(?: |$)"
    r"|\b(?:recv-q|send-q|age|idle|rtt|retrans|timer|cgroup|fwmark|inode)\b"
    r"|--netns|--live|/proc/|\bnet\.(?:ipv4|core)\."
)


def is_possible(command: str, platform: str = sys.platform) -> bool:
    """Check whether a system can follow a proposed command."""
    return platform == "linux" or _OF_LINUX.search(command) is None


def possible(commands: Iterable[str], platform: str = sys.platform) -> tuple[str, ...]:
    """Return the commands that a system can follow."""
    return tuple(command for command in commands if is_possible(command, platform))
