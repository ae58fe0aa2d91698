"""Parse the details of ss -p, -e, -o, -i and -m, on the line of a row or the next."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from tcpstates.fields import ColumnName
from tcpstates.late_pattern import late
from tcpstates.parse.saved.rows import TIMERS, More, owner

# A name may contain quotes, commas and parentheses; the numbers behind it may not.
# With -Z, the process context precedes the descriptor, and the socket context follows.
_OWNER = late(
    r'\((?:"(.{0,80}?)",(?:pid=)?|([^",()]{1,80}),pid=)(\d+),(?:proc_ctx=\S{0,200}?,)?(?:fd=)?(\d+)'
    r"(?:,sock_ctx=[^)]{0,200})?\)(?=,\(|\))"
)
_USERS = "users:(("
_TIMER = late(r"timer:\((\w+),([^,]*),(\d+)\)")
_TIME = late(r"(\d+(?:\.\d+)?)(ms|sec|min|hour|hours|day|days)?")
_SECONDS = {"ms": 0.001, "sec": 1, "min": 60, "hour": 3600, "day": 86400}
_FIELD = late(
    r"(?<!\S)(uid|ino|sk|cgroup|fwmark|rto|rtt|cwnd|unacked|lost|retrans"
    r"|lastsnd|lastrcv|lastack|bytes_sent|bytes_acked|bytes_received"
    r"|notsent|backoff|v6only|dev):(\S+)"
)
_SHUTDOWN = {"<->": 0, "---": 3, "-->": 1, "<--": 2}  # the directions still open
_SKMEM = late(r"skmem:\(([^)]{0,300})\)")
_MEMORY = {
    "r": "receive_allocated",
    "rb": "receive_buffer",
    "t": "send_allocated",
    "tb": "send_buffer",
    "f": "forward_allocated",
    "w": "send_queued",
    "o": "options",
    "bl": "backlog",
    "d": "drops",
}
_MEMORY_ITEM = late(r"(?<![a-z])([a-z]{1,2})(\d{1,20})")
_COUNTS = {
    "cwnd": "congestion_window",
    "unacked": "unacked",
    "lost": "lost",
    "bytes_sent": "bytes_sent",
    "bytes_acked": "bytes_acked",
    "bytes_received": "bytes_received",
    "notsent": "not_sent_bytes",
    "backoff": "backoff",
}
_LAST = {"lastsnd": "last_sent_ms", "lastrcv": "last_received_ms"}
_LAST |= {"lastack": "last_ack_ms"}


def take_details(text: str, more: More) -> bool:
    """Parse the output of -p, -e, -o, -i and -m; True if there was any."""
    before = len(more)
    start, end = text.find(_USERS), text.rfind("))")
    if 0 <= start < end:
        owners = _OWNER.findall(text[start:end] + "))")
        more["processes"] = tuple(
            owner(pid, quoted or bare, fd) for quoted, bare, pid, fd in owners
        )
        text = text[:start] + text[end + 2 :]
    timer = _TIMER.search(text)
    if timer:
        more["timer"] = TIMERS.get(timer[1], timer[1])
        more["timer_ms"] = _milliseconds(timer[2])
        more["retransmits"] = int(timer[3])
    memory = _SKMEM.search(text)
    if memory:
        items = _MEMORY_ITEM.findall(memory[1])
        more["memory"] = {_MEMORY[k]: int(n) for k, n in items if k in _MEMORY}
    ways = _SHUTDOWN.keys() & set(text.split())
    if ways:
        more["shutdown"] = _SHUTDOWN[ways.pop()]
    _take_fields(dict(_FIELD.findall(text)), more)
    return len(more) > before


_NO_TIMER: tuple[tuple[ColumnName, Any], ...] = (
    ("timer", "off"),
    ("timer_ms", 0),
    ("retransmits", 0),
)
# What ss calls a number, its column and its base.
_NUMBERS: tuple[tuple[str, ColumnName, int], ...] = (
    ("sk", "cookie", 16),
    ("fwmark", "mark", 0),
    ("v6only", "v6only", 10),
)


def _take_fields(fields: dict[str, str], more: More) -> None:
    """Parse details of the form name:value."""
    if fields.get("ino", "").isdecimal():
        uid = fields.get("uid", "0")  # ss omits the uid of root
        more |= {"uid": int(uid) if uid.isdecimal() else None}
        more["inode"] = int(fields["ino"])
        for name, value in _NO_TIMER:
            more.setdefault(name, value)  # -e prints running timers only
    for key, name, base in _NUMBERS:
        with suppress(ValueError):
            if key in fields:
                more[name] = int(fields[key], base)
    if "v6only" in more:
        more["v6only"] = bool(more["v6only"])
    if "cgroup" in fields:
        more["cgroup_name"] = fields["cgroup"]
    if "cwnd" in fields:
        with suppress(ValueError):  # truncated, or from another tool
            more["info"] = _info(fields)


def _info(fields: dict[str, str]) -> dict[str, int]:
    """Convert the output of -i to the kernel's units; ss omits fields that are 0."""
    info = {name: int(fields[key]) for key, name in _COUNTS.items() if key in fields}
    for key, name in _LAST.items():
        info[name] = int(fields.get(key, "0"))
    if "rto" in fields:
        info["rto"] = round(float(fields["rto"]) * 1000)
    if "rtt" in fields:
        mean, _, variance = fields["rtt"].partition("/")
        info["rtt"] = round(float(mean) * 1000)
        info["rtt_variance"] = round(float(variance or 0) * 1000)
    if "retrans" in fields:
        now, _, ever = fields["retrans"].partition("/")
        info["retransmitting"], info["total_retransmits"] = int(now), int(ever or 0)
    return info


def _milliseconds(text: str) -> int | None:
    """Parse a time: 520ms, 58sec, 119min, 1.008ms (which is 1.008 s), 7min20sec.

    ss prints seconds with a fraction as `1.008ms` (`print_ms_timer`, misc/ss.c).
    """
    total = 0.0
    parts = _TIME.findall(text)
    for number, unit in parts:
        scale = _SECONDS.get(unit.removesuffix("s") if unit != "ms" else unit, 0.001)
        if unit == "ms" and "." in number:
            scale = 1
        total += float(number) * scale
    return round(total * 1000) if parts else None
