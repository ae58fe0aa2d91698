"""Read this host's TCP settings from `/proc/sys/net`; elsewhere, Linux's defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # dataclasses take 2 ms of every start
    from tcpstates.settings import KernelSettings


_FILES = {
    "fin_timeout": "ipv4/tcp_fin_timeout",
    "syn_retries": "ipv4/tcp_syn_retries",
    "syn_linear_timeouts": "ipv4/tcp_syn_linear_timeouts",
    "synack_retries": "ipv4/tcp_synack_retries",
    "keepalive_time": "ipv4/tcp_keepalive_time",
    "keepalive_intvl": "ipv4/tcp_keepalive_intvl",
    "keepalive_probes": "ipv4/tcp_keepalive_probes",
    "max_tw_buckets": "ipv4/tcp_max_tw_buckets",
    "max_syn_backlog": "ipv4/tcp_max_syn_backlog",
    "syncookies": "ipv4/tcp_syncookies",
    "tw_reuse": "ipv4/tcp_tw_reuse",
    "retries2": "ipv4/tcp_retries2",
    "somaxconn": "core/somaxconn",
}


def read_settings(root: str = "/proc/sys/net") -> KernelSettings:
    """Return the settings; those that cannot be read have their defaults."""
    found: dict[str, Any] = {}
    for name, path in _FILES.items():
        numbers = read_numbers(f"{root}/{path}")
        if numbers:
            found[name] = numbers[0]
    ports = read_numbers(f"{root}/ipv4/ip_local_port_range")
    if len(ports) == 2:
        found["is_known"] = True
        found["first_port"], found["last_port"] = ports
        reserved = read_text(f"{root}/ipv4/ip_local_reserved_ports")
        found["reserved_ports"] = count_ports(reserved, *ports)
    from tcpstates.settings import KernelSettings

    return KernelSettings(**found)


def read_fin_timeout_ms(root: str = "/proc/sys/net") -> int | None:
    """Return how long a closed socket stays in FIN_WAIT_2; None if unknown."""
    seconds = read_numbers(f"{root}/{_FILES['fin_timeout']}")
    return seconds[0] * 1000 if seconds else None


def count_ports(text: str, first: int, last: int) -> int:
    """Count the ports of a range that are in a list such as 8080,9000-9010."""
    ports: set[int] = set()
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        if low.isdecimal() and (high or low).isdecimal():
            ports.update(range(max(int(low), first), min(int(high or low), last) + 1))
    return len(ports)


def read_numbers(path: str) -> list[int]:
    """Return the numbers in a settings file; empty if it does not exist."""
    try:
        return list(map(int, read_text(path).split()))
    except ValueError:
        return []


def read_text(path: str) -> str:
    """Return the text of a kernel file; empty if it cannot be read."""
    try:
        with open(path, "rb") as setting:
            return setting.read().decode("ascii", "replace")
    except OSError:
        return ""
