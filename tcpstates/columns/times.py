"""The values in the columns of timers and times."""

from __future__ import annotations

from math import inf

from tcpstates.ages import UNKNOWN, Bounds, age_bounds_ms, ages_ms, idle_ms
from tcpstates.batch import Batch
from tcpstates.columns.values import Cells
from tcpstates.model import Names
from tcpstates.text import Texts, format_age, format_ms, sanitise, shown_ms


def timer(batch: Batch, names: Names) -> Cells:
    """Show running timers, with the remaining time and retransmissions."""
    kinds = batch.get("timer")
    if kinds is None:
        return [None] * len(batch)
    if kinds.count("off") == len(batch):
        return [None] * len(batch)
    rows = batch.rows("timer", "timer_ms", "retransmits")
    return [None if row[0] in ("off", None) else _TIMER_TEXTS[row] for row in rows]


def _timer_text(row: tuple[str, int | None, int | None]) -> str:
    kind, ms, retransmits = row
    return f"{sanitise(kind)}({'?' if ms is None else format_ms(ms)},{retransmits})"


_TIMER_TEXTS = Texts(_timer_text)


def timer_kind(batch: Batch, names: Names) -> Cells:
    """Show the names of timers; None: no timer runs."""
    kinds = batch.column("timer")
    shown = {k: None if k in (None, "off") else sanitise(k) for k in set(kinds)}
    return list(map(shown.__getitem__, kinds))


def timer_ms(batch: Batch, names: Names) -> Cells:
    """Show the milliseconds until timers fire; None: no timer runs."""
    running = zip(batch.column("timer"), batch.column("timer_ms"), strict=True)
    return [None if kind in ("off", None) else ms for kind, ms in running]


def _age_bounds(batch: Batch, names: Names) -> list[Bounds]:
    return age_bounds_ms(batch, names.fin_timeout_ms())


def age(batch: Batch, names: Names) -> Cells:
    """Show how long sockets have been in their states, as far as it is known."""
    least, others = ages_ms(batch, names.fin_timeout_ms())
    if len(_AT_LEAST) > _MANY:
        least = shown_ms(least)
    texts = list(map(_AT_LEAST.__getitem__, least))
    for place, bounds in others.items():
        texts[place] = _AGE_TEXTS[bounds]
    return texts


# From so many texts on, ages are rounded before their texts are looked up, which takes
# 0.1 us, because a new text takes 1 us.
_MANY = 4000
_AT_LEAST = Texts(lambda least: format_age(least, inf))
_AGE_TEXTS = Texts(lambda bounds: format_age(*bounds))


def age_min(batch: Batch, names: Names) -> Cells:
    """Show the lower bounds of ages in milliseconds; None: nothing is known."""
    return [
        None if bounds == UNKNOWN else bounds[0] for bounds in _age_bounds(batch, names)
    ]


def age_max(batch: Batch, names: Names) -> Cells:
    """Show the upper bounds of ages in milliseconds; None: no bound is known."""
    return [None if most == inf else most for _, most in _age_bounds(batch, names)]


def idle(batch: Batch, names: Names) -> Cells:
    """Show for how many milliseconds connections have transferred no data."""
    return idle_ms(batch)
