"""From where on a number is trouble; each can be set by name.

Sources: people's practice and the kernel's documentation (ip-sysctl.rst). Numbers that
nobody has published are our own, and are those without a source here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

_SECOND, _MINUTE, _HOUR = 1000, 60_000, 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Milliseconds, percent or numbers, as the names say."""

    # A socket in CLOSE_WAIT or FIN_WAIT_2 that is so old is kept, not being closed.
    # Practice: eghostbuster ends CLOSE_WAIT after 60 s.
    kept_ms: int = _MINUTE
    # Fewer of a process than this, and younger than that, are a connection pool's:
    # it notices that a peer has closed when it next uses the connection.
    pool_count: int = 5
    pool_ms: int = 30 * _MINUTE
    # So many of a process that are so old are trouble before they are a minute old.
    many_count: int = 100
    many_ms: int = 5 * _SECOND
    # Of a process's limit of descriptors: its CLOSE_WAIT sockets; all it has open.
    leaked_percent: int = 50
    descriptors_percent: int = 80
    # Of an accept queue's limit, if a connection waits so long; the longest wait.
    accept_queue_percent: int = 50
    accept_wait_ms: int = _SECOND
    accept_never_ms: int = 10 * _SECOND
    # Half-open connections whose SYN,ACK was not answered: of a listener's limit; any.
    half_open_percent: int = 50
    half_open_count: int = 100
    # Of the ports for one destination.
    ports_percent: int = 50
    ports_critical_percent: int = 80
    # Of tcp_max_tw_buckets, of tcp_max_orphans, and of the limit in tcp_mem, whose
    # pressure mark comes first as a rule.
    limit_percent: int = 80
    # SYNs sent again without an answer: 2 take two or three seconds.
    syn_retries: int = 2
    # Segments sent again without an answer, and how many percent of the connections
    # make it (and zero windows) this machine's trouble rather than some peers'.
    retransmits: int = 4
    share_percent: int = 1
    # For how long a peer takes nothing; received data stay unread; nothing moves.
    zero_window_ms: int = 10 * _SECOND
    unread_ms: int = 30 * _SECOND
    idle_ms: int = 2 * _HOUR  # tcp_keepalive_time
    # Closed sockets whose FIN nobody acknowledges, above which they are worth a line;
    # and above which they are trouble.
    closing_count: int = 5
    closing_many: int = 1000


def unit(name: str) -> str:
    """Return what a threshold's value is: ms, percent or nothing."""
    suffix = name.rpartition("_")[2]
    return suffix if suffix in ("ms", "percent") else ""


def option_name(name: str) -> str:
    """Return a threshold's name on the command line: kept, ports-percent."""
    return name.removesuffix("_ms").replace("_", "-")


NAMES = {option_name(field.name): field.name for field in fields(Thresholds)}
