"""Events as lines for people: what happened, to which socket, of which process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from tcpstates.changes.model import TRAFFIC, Events, Exactness, Resync
from tcpstates.columns.registry import LOCAL, PROCESS_BRIEF, REMOTE
from tcpstates.lifecycle.machine import TRANSITIONS
from tcpstates.model import OWN_NETNS, Names
from tcpstates.render.styles import paint
from tcpstates.states import TcpState
from tcpstates.text import format_bytes, sanitise
from tcpstates.wording import counted

S = TcpState


def _or_none(state: TcpState) -> str | None:
    return None if state is S.CLOSED else str(state)


_EVENT, _STATE, _FORMER, _ENDPOINT = 8, 28, 10, 22  # widths of columns


# The changes that the RFC or Linux has; None: the state of no socket.
_EDGES = frozenset(
    (_or_none(edge.source), _or_none(edge.target)) for edge in TRANSITIONS
)
# From here, the kernel may keep the connection in TIME_WAIT, and traces an end.
_HANDS_OVER = frozenset({S.FIN_WAIT_1, S.FIN_WAIT_2, S.CLOSING})


def event_lines(
    happened: Events | Resync,
    names: Names,
    *,
    color: bool,
    with_time: bool = True,
) -> Iterator[str]:
    """Yield one line for each event."""
    if isinstance(happened, Resync):
        lost = "some" if happened.lost is None else counted(happened.lost, "event")
        yield f"{_clock(happened.time)}  lost     {lost}: {happened.reason}\n"
        return
    columns: list[Sequence[object]] = [
        happened.kinds,
        happened.times,
        happened.old,
        happened.new,
        happened.former_ms,
        happened.former_kind,
        happened.traffic,
        LOCAL.cells(happened.batch, names),
        REMOTE.cells(happened.batch, names),
        PROCESS_BRIEF.cells(happened.batch, names),
    ]
    columns += [
        happened.causes or [None] * len(happened),
        happened.batch.column("netns"),
    ]
    for each in zip(*columns, strict=True):
        event, time, old, new, ms, kind, traffic, *who, cause, netns = each
        state = _states(happened, old, new, names, color=color)
        parts = [f"{event:<{_EVENT}}", state]
        if with_time:
            parts = [_clock(time), *parts, f"{_duration(ms, kind):>{_FORMER}}"]
        local, remote, process = map(str, who)
        process = process.removeprefix("(unknown)")
        parts += [f"{local:<{_ENDPOINT}}", f"{remote:<{_ENDPOINT}}", process]
        parts.append(_transferred(traffic))
        if cause is not None:
            parts.append(f"({cause})")
        if netns not in (None, OWN_NETNS):
            parts.append(f"in {sanitise(netns)}")
        if happened.is_traced and (old, new) not in _EDGES:
            parts.append("(not in RFC 9293)")
        yield "  ".join(parts).rstrip() + "\n"


def _clock(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds)  # noqa: DTZ006  (as a clock shows it)
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"


def _states(
    happened: Events, old: str | None, new: str | None, names: Names, *, color: bool
) -> str:
    """Name the state, or the one before and the one after."""
    if happened.was_missed:
        return f"{'(not seen before)':<{_STATE}}"
    shown = [
        names.state_names.get(label, label) for label in (old, new) if label is not None
    ]
    text = " -> ".join(map(sanitise, shown)) or "?"
    if happened.is_traced and new is None and old in _HANDS_OVER:
        text += " -> (time-wait?)"
    padded = f"{text:<{_STATE}}"
    if not color:
        return padded
    return paint(new or old or "", padded)


def _duration(ms: int | None, kind: Exactness | None) -> str:
    """How long the socket was in the state before; a number only if it is known."""
    if ms is None:
        return ""
    text = f"{ms} ms" if ms < 10_000 else f"{ms / 1000:.0f} s"
    return text if kind is Exactness.EXACT else f">={text}"


def _transferred(traffic: dict[str, int] | None) -> str:
    if traffic is None:
        return ""
    sent, received, again = (traffic[name] for name in TRAFFIC)
    text = f"sent {format_bytes(sent)}, received {format_bytes(received)}"
    return f"{text}, {again} resent" if again else text
