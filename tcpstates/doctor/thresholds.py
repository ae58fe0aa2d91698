"""Limits at which the doctor reports a finding; each can be set by name.

Sources: common practice and the kernel's documentation (ip-sysctl.rst). Numbers without
a source here are our own, as none has been published.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

_SECOND, _MINUTE, _HOUR = 1000, 60_000, 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Limits in milliseconds, in percent or as numbers, depending on the name."""

    # A socket in CLOSE_WAIT or FIN_WAIT_2 of this age is kept open, not being closed.
    # Practice: eghostbuster ends CLOSE_WAIT after 60 s.
    kept_ms: int = _MINUTE
    # Fewer sockets per process than this, and younger ones, belong to a connection
    # pool: it notices that a peer has closed when it next uses the connection.
    pool_count: int = 5
    pool_ms: int = 30 * _MINUTE
    # So many connections of a process to one peer may be an idle pool, whose end of the
    # stream nobody has read yet. Pools keep 10 by default (urllib3, HikariCP) to 50.
    pool_size: int = 50
    # This many sockets per process, this old, are a problem already before a minute.
    many_count: int = 100
    many_ms: int = 5 * _SECOND
    # Share of a process's descriptor limit: its CLOSE_WAIT sockets; all descriptors.
    leaked_percent: int = 50
    descriptors_percent: int = 80
    # Share of an accept queue's limit if a connection waits this long; longest wait.
    accept_queue_percent: int = 50
    accept_wait_ms: int = _SECOND
    accept_never_ms: int = 10 * _SECOND
    # Half-open connections with an unanswered SYN,ACK: share of a listener's limit;
    # number.
    half_open_percent: int = 50
    half_open_count: int = 100
    # Share of the ports for one destination.
    ports_percent: int = 50
    ports_critical_percent: int = 80
    # Share of tcp_max_tw_buckets, of tcp_max_orphans, and of the limit in tcp_mem,
    # whose pressure mark usually comes first.
    limit_percent: int = 80
    # Retries of an unanswered SYN: 2 take two or three seconds. After half a minute
    # even a single socket is a warning: nobody has set a timeout.
    syn_retries: int = 2
    connect_ms: int = 30 * _SECOND
    # Unanswered retransmissions, and the percentage of connections from which on they
    # (and zero windows) are a problem of this machine rather than of some peers.
    retransmits: int = 4
    share_percent: int = 1
    # The same for clients of this host, some of which always vanish (mobile ones).
    clients_percent: int = 10
    # How long a peer accepts no data: worth a notice, a warning. A download of 50 kB/s
    # was seen to pause for 26 s. How long received data stay unread; there is no
    # traffic.
    zero_window_ms: int = 10 * _SECOND
    zero_window_long_ms: int = 2 * _MINUTE
    unread_ms: int = 30 * _SECOND
    idle_ms: int = 2 * _HOUR  # tcp_keepalive_time
    # How long a request stays without an answer.
    waiting_ms: int = 10 * _SECOND
    # Closed sockets whose FIN is not acknowledged: the number that is worth a notice,
    # and the number that is worth a warning.
    closing_count: int = 5
    closing_many: int = 1000


def unit(name: str) -> str:
    """Return the unit of a threshold: ms, percent or the empty string."""
    suffix = name.rpartition("_")[2]
    return suffix if suffix in ("ms", "percent") else ""


def option_name(name: str) -> str:
    """Convert a field to its name on the command line: kept, ports-percent."""
    return name.removesuffix("_ms").replace("_", "-")


NAMES = {option_name(field.name): field.name for field in fields(Thresholds)}
