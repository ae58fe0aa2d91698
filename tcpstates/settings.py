"""The settings of TCP that explanations and the doctor refer to."""

from __future__ import annotations

from dataclasses import dataclass

_RTO_MAX = 120  # seconds: TCP_RTO_MAX, include/net/tcp.h


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSettings:
    """The settings of a host; the defaults are those of Linux (ip-sysctl.rst)."""

    fin_timeout: int = 60  # seconds
    syn_retries: int = 6
    syn_linear_timeouts: int = 0  # retries before the times double; 0 before Linux 6.5
    synack_retries: int = 5
    keepalive_time: int = 7200  # seconds
    keepalive_intvl: int = 75  # seconds
    keepalive_probes: int = 9
    max_tw_buckets: int = 262144
    somaxconn: int = 4096
    first_port: int = 32768
    last_port: int = 60999
    reserved_ports: int = 0  # within that range, never handed out
    max_syn_backlog: int = 1024
    syncookies: int = 1
    tw_reuse: int = 2  # reuse TIME_WAIT: 0 never, 1 in connect(), 2 loopback only
    retries2: int = 15
    is_known: bool = False  # read from the system; False: these are the defaults

    @property
    def syn_seconds(self) -> int:
        """The number of seconds until the kernel gives up an unanswered SYN."""
        return self._syn_end()[0]

    @property
    def syn_repeats(self) -> int:
        """The number of times that the kernel repeats an unanswered SYN."""
        return self._syn_end()[1]

    def _syn_end(self) -> tuple[int, int]:
        """Return when a SYN is given up, in seconds, and how often it was repeated.

        The first retry follows after one second, and so do `syn_linear_timeouts` more;
        the interval then doubles. The kernel gives up at a timer if it has repeated the
        SYN often enough, or if as much time has passed as `syn_retries` doublings take
        (tcp_write_timeout and retransmits_timed_out, net/ipv4/tcp_timer.c).
        """
        limit = sum(min(1 << n, _RTO_MAX) for n in range(self.syn_retries + 1))
        most = self.syn_retries + self.syn_linear_timeouts
        seconds, interval, repeats = 1, 1, 0
        while repeats < most and seconds < limit:
            repeats += 1
            if repeats > self.syn_linear_timeouts:
                interval = min(2 * interval, _RTO_MAX)
            seconds += interval
        return seconds, repeats

    def syn_seconds_after(self, retries: int) -> int:
        """The number of seconds from a SYN to one of its retries; see `syn_seconds`."""
        doubled = max(retries - self.syn_linear_timeouts, 0)
        return retries - doubled + (1 << doubled) - 1

    @property
    def synack_seconds(self) -> int:
        """The number of seconds until the kernel gives up an unanswered SYN,ACK."""
        return (2 << self.synack_retries) - 1

    @property
    def ports(self) -> int:
        """The number of ports that the system hands out itself."""
        return self.last_port - self.first_port + 1 - self.reserved_ports

    @property
    def keepalive_seconds(self) -> int:
        """The number of seconds until keepalive notices that a peer is gone."""
        return self.keepalive_time + self.keepalive_intvl * self.keepalive_probes
