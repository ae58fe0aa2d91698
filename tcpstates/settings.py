"""The settings of TCP that explanations and the doctor refer to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSettings:
    """The settings of a host; the defaults are Linux's (ip-sysctl.rst)."""

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
    reserved_ports: int = 0  # of these, which the system does not hand out
    max_syn_backlog: int = 1024
    syncookies: int = 1
    tw_reuse: int = 2  # of TIME_WAIT: 0 never, 1 by connect(), 2 on loopback only
    retries2: int = 15
    is_known: bool = False  # by the system; False: these are the defaults

    @property
    def syn_seconds(self) -> int:
        """Return after how many seconds a SYN without an answer is given up.

        The first retry comes after a second; so do some more, then times double.
        """
        return self.syn_linear_timeouts + (2 << self.syn_retries) - 1

    @property
    def synack_seconds(self) -> int:
        """Return after how many seconds a SYN,ACK without an answer is given up."""
        return (2 << self.synack_retries) - 1

    @property
    def ports(self) -> int:
        """Return how many ports the system hands out itself."""
        return self.last_port - self.first_port + 1 - self.reserved_ports

    @property
    def keepalive_seconds(self) -> int:
        """Return after how many seconds keepalive notices a peer that is gone."""
        return self.keepalive_time + self.keepalive_intvl * self.keepalive_probes
