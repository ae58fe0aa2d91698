"""Format the kernel's details of connections for people, whole columns at a time.

One table, `_PARTS`, describes the text. If all sockets of a batch have the same fields
of tcp_info, the fields are cut out as columns, and a row is one `%`: 3 us per socket,
of which most is making numbers into text. Other sockets are formatted one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tcpstates.batch import Batch
from tcpstates.fields import InfoColumn
from tcpstates.text import Texts, format_ms, format_rate, sanitise


class _Part(NamedTuple):
    """A part of the text; a row without its fields, or an empty text, leaves it out."""

    label: str
    fields: tuple[InfoColumn, ...]
    # Makes the text of the fields' values; None: the number itself. With several
    # fields, it takes one tuple.
    text: Callable[[Any], str] | None = None


def _rtt_text(times: tuple[int, int | None]) -> str:
    """Format the round-trip time and its variance, in microseconds; 0: unmeasured."""
    rtt, variance = times
    return f"{rtt / 1000:g}/{(variance or 0) / 1000:g}ms" if rtt else ""


def _retransmits_text(counts: tuple[int, int | None]) -> str:
    total, now = counts
    return f"{now or 0}/{total}"


# The fields of tcp_info to show, in this order; rto is in microseconds.
_PARTS = (
    _Part("rtt", ("info.rtt", "info.rtt_variance"), _rtt_text),
    _Part("rto", ("info.rto",), lambda us: format_ms(us / 1000)),
    _Part("cwnd", ("info.congestion_window",)),
    _Part("unacked", ("info.unacked",)),
    _Part("lost", ("info.lost",)),
    _Part("sent", ("info.bytes_sent",)),
    _Part("acked", ("info.bytes_acked",)),
    _Part("received", ("info.bytes_received",)),
    _Part("not_sent", ("info.not_sent_bytes",)),
    _Part(
        "retransmits",
        ("info.total_retransmits", "info.retransmitting"),
        _retransmits_text,
    ),
    _Part("last_sent", ("info.last_sent_ms",), format_ms),
    _Part("last_received", ("info.last_received_ms",), format_ms),
    _Part("last_ack", ("info.last_ack_ms",), format_ms),
    _Part(
        "delivery_rate",
        ("info.delivery_rate",),
        lambda rate: format_rate(rate) if rate else "",
    ),
)


def _labelled(part: _Part) -> Callable[[Any], str]:
    """Make the text of a part with its label and a blank before it; "" for no text."""
    make = part.text or str

    def text(value: Any) -> str:
        shown = make(value)
        return f" {part.label}:{shown}" if shown else ""

    return text


# The texts of the parts that are not plain numbers: few sockets have new values.
_TEXTS = {part.label: Texts(_labelled(part)) for part in _PARTS if part.text}


def info_texts(batch: Batch) -> list[str | None]:
    """Format tcp_info as `name:value` pairs; None for a socket that has none.

    A listener has no peer, so its numbers are meaningless and left out.
    """
    fields = batch.info_columns()
    found: Sequence[str | None]
    if fields is None:
        found = [
            None if info is None else _info_text(info) for info in batch.column("info")
        ]
    elif not fields:
        return [None] * len(batch)
    else:
        found = _uniform_texts(batch, frozenset(fields))
    congestion = batch.column("congestion")
    named = {name: sanitise(name) if name else "" for name in set(congestion)}
    labels = batch.column("state_label")
    return [
        None
        if text is None
        else f"{named[name]}{'' if label == 'LISTEN' else text}".lstrip(" ")
        for text, name, label in zip(found, congestion, labels, strict=True)
    ]


def _uniform_texts(batch: Batch, fields: frozenset[InfoColumn]) -> list[str]:
    """Format sockets that have the same fields; each text begins with a blank."""
    template = ""
    columns: list[Iterable[Any]] = []
    for part in _PARTS:
        if not fields.issuperset(part.fields):
            continue
        values = list(map(batch.column, part.fields))
        if part.text is None:
            template += f" {part.label}:%d"
            columns += values
            continue
        template += "%s"
        keys = values[0] if len(values) == 1 else zip(*values, strict=True)
        columns.append(map(_TEXTS[part.label].__getitem__, keys))
    if not columns:
        return [""] * len(batch)
    return list(map(template.__mod__, zip(*columns, strict=True)))


def _info_text(info: Mapping[str, int]) -> str:
    """Format the fields of one socket; the text begins with a blank."""
    text = ""
    for part in _PARTS:
        first, *others = (info.get(f.removeprefix("info.")) for f in part.fields)
        if first is not None:
            value = (first, *others) if others else first
            text += _labelled(part)(value)
    return text


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
