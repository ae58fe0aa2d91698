"""Format the kernel's details of connections for people: the short form of tcp_info."""

from __future__ import annotations

from collections.abc import Mapping

from tcpstates.batch import Batch
from tcpstates.columns.algorithm_text import congestion_text, upper_protocol_text
from tcpstates.columns.info_text import InfoFormat, Part, have_info, number
from tcpstates.text import format_ms, format_rate, sanitise


def _round_trip(rtt: int, variance: int | None) -> str:
    """Format the round-trip time and its variance, in microseconds; 0: unmeasured."""
    return f" rtt:{rtt / 1000:g}/{(variance or 0) / 1000:g}ms" if rtt else ""


def _retransmits(total: int, now: int | None) -> str:
    """Format segments in flight again, and all that were; nothing without any."""
    return f" retransmits:{now or 0}/{total}" if total or now else ""


_SHORT = InfoFormat(
    Part(("info.rtt", "info.rtt_variance"), _round_trip),
    Part(("info.rto",), lambda us: f" rto:{format_ms(us / 1000)}"),
    number("cwnd", "info.congestion_window"),
    number("unacked", "info.unacked"),
    number("lost", "info.lost"),
    number("sent", "info.bytes_sent"),
    number("acked", "info.bytes_acked"),
    number("received", "info.bytes_received"),
    number("not_sent", "info.not_sent_bytes"),
    Part(("info.total_retransmits", "info.retransmitting"), _retransmits),
    Part(("info.last_sent_ms",), lambda ms: f" last_sent:{format_ms(ms)}"),
    Part(("info.last_received_ms",), lambda ms: f" last_received:{format_ms(ms)}"),
    Part(("info.last_ack_ms",), lambda ms: f" last_ack:{format_ms(ms)}"),
    Part(
        ("info.delivery_rate",),
        lambda rate: f" delivery_rate:{format_rate(rate)}" if rate else "",
    ),
    Part(("info.app_limited",), lambda is_so: " app_limited" if is_so else ""),
    Part(
        ("congestion_info",),
        lambda found: congestion_text(found, format_rate),
        is_kept=False,
    ),
    Part(("ulp",), upper_protocol_text),
)


def info_texts(batch: Batch) -> list[str | None]:
    """Format tcp_info as `name:value` pairs; None for a socket that has none.

    A listener has no peer, so its numbers are meaningless and left out.
    """
    has_info = have_info(batch)
    if not any(has_info):
        return [None] * len(batch)
    congestion = batch.column("congestion")
    named = {name: sanitise(name) if name else "" for name in set(congestion)}
    rows = zip(
        _SHORT.texts(batch),
        has_info,
        congestion,
        batch.column("state_label"),
        strict=True,
    )
    return [
        f"{named[name]}{'' if label == 'LISTEN' else text}".lstrip(" ") if has else None
        for text, has, name, label in rows
    ]


def format_memory(memory: Mapping[str, int]) -> str:
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
