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
_EVERY_COUNT = " ".join(f"{word}:%({key})d" for word, key in _COUNTS)
_AGES = (
    ("last_sent", "last_sent_ms"),
    ("last_received", "last_received_ms"),
    ("last_ack", "last_ack_ms"),
)


def format_info(info: dict[str, int], congestion: str | None) -> str:
    """Format the readable fields of tcp_info as `name:value` pairs."""
    words = [sanitise(congestion)] if congestion else []
    if info.get("rtt"):
        variance = info.get("rtt_variance", 0) / 1000
        words.append(f"rtt:{info['rtt'] / 1000:g}/{variance:g}ms")
    if "rto" in info:
        words.append(f"rto:{format_ms(info['rto'] / 1000)}")
    try:
        words.append(_EVERY_COUNT % info)  # saves 2 us per socket
    except KeyError:  # an older kernel has fewer fields
        words += [f"{word}:{info[key]}" for word, key in _COUNTS if key in info]
    if "total_retransmits" in info:
        now = info.get("retransmitting", 0)
        words.append(f"retransmits:{now}/{info['total_retransmits']}")
    words += [f"{word}:{format_ms(info[key])}" for word, key in _AGES if key in info]
    if info.get("delivery_rate"):
        words.append(f"delivery_rate:{format_rate(info['delivery_rate'])}")
    return " ".join(words)


def format_memory(memory: dict[str, int]) -> str:
    """Format a socket's memory in bytes, used/allowed, as `name:value` pairs."""
    words = []
    for key in ("receive", "send"):
        used, most = memory.get(f"{key}_allocated"), memory.get(f"{key}_buffer")
        if used is not None or most is not None:
            shown = ("?" if number is None else str(number) for number in (used, most))
            words.append(f"{key}:{'/'.join(shown)}")
    rest = ("send_queued", "forward_allocated", "options", "backlog", "drops")
    words += [f"{key}:{memory[key]}" for key in rest if key in memory]
    return " ".join(words)
