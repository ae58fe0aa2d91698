"""OpenMetrics 1.0 of a tally, which Prometheus' older text format reads too.

A label is a column that makes groups. Names in labels come from strangers and may be
many, so there are at most so many series; the rest of the sockets are in one more.
"""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.columns.tally import Tally
from tcpstates.model import KernelCounts

MOST_SERIES = 1000
_OTHERS = "(others)"
_KERNEL = (
    ("orphans", "TCP sockets that no file refers to, in every namespace."),
    ("orphans_limit", "More orphans than these are reset."),
    ("time_wait", "TIME_WAIT sockets in this network namespace."),
    ("time_wait_limit", "More TIME_WAIT sockets than these are dropped."),
    ("memory_bytes", "Memory of TCP sockets, in every namespace."),
    ("memory_pressure_bytes", "From here on the kernel keeps buffers small."),
    ("memory_limit_bytes", "More memory than this is refused."),
)


def render_openmetrics(
    tally: Tally, kernel: KernelCounts | None, most: int | None
) -> Iterator[str]:
    """Yield the number of sockets in each group, then what the kernel counts."""
    yield _heading("tcpstates_sockets", "Sockets by the labels' values.")
    names = [column.key.replace("-", "_") for column in tally.columns]
    limit = MOST_SERIES if most is None else most
    groups, left_groups, left_sockets = tally.groups(limit)
    if left_groups:
        groups.append(((_OTHERS,) * len(names), left_sockets))
    for group, number in groups:
        labels = ",".join(
            f'{name}="{_escaped("" if value is None else str(value))}"'
            for name, value in zip(names, group, strict=True)
        )
        yield f"tcpstates_sockets{{{labels}}} {number}\n"
    for field, text in _KERNEL if kernel is not None else ():
        value = getattr(kernel, field)
        if value is not None:
            yield f"{_heading(f'tcpstates_kernel_{field}', text)}"
            yield f"tcpstates_kernel_{field} {value}\n"
    yield "# EOF\n"


def _heading(name: str, text: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} gauge\n"


def _escaped(value: str) -> str:
    value = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
