"""Render a tally as OpenMetrics 1.0, which is also valid Prometheus text format.

Each grouping column is a label. Label values may be untrusted names, and there may be
many, so the number of series is limited; one more series counts all other sockets.
"""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.columns.tally import Tally
from tcpstates.metrics import GROUPS, KERNEL, SOCKETS
from tcpstates.model import KernelCounts

MOST_SERIES = 1000
_OTHERS = "(others)"


def render_openmetrics(
    tally: Tally,
    kernel: KernelCounts | None,
    most: int | None,
    *,
    filter_text: str | None = None,
    is_grouped: bool = False,
) -> Iterator[str]:
    """Yield the number of sockets in each group, then the kernel's own counts.

    Several outputs may be collected together, which is an error if a series occurs
    twice. So a grouped one has a metric of its own, and a filtered one a label of its
    own; neither has the kernel's counts, which are not about the groups anyway.
    """
    names = [column.key.replace("-", "_") for column in tally.columns]
    metric = "_".join([GROUPS.name, *names]) if is_grouped else SOCKETS.name
    yield _heading(metric, "Number of sockets with these label values.")
    view = "" if filter_text is None else f',filter="{_escaped(filter_text)}"'
    limit = MOST_SERIES if most is None else most
    groups, left_groups, left_sockets = tally.groups(limit)
    if left_groups:
        groups.append(((_OTHERS,) * len(names), left_sockets))
    for group, number in groups:
        labels = ",".join(
            f'{name}="{_escaped("" if value is None else str(value))}"'
            for name, value in zip(names, group, strict=True)
        )
        yield f"{metric}{{{labels}{view}}} {number}\n"
    is_whole = not is_grouped and filter_text is None
    for field, counted in KERNEL.items() if is_whole and kernel is not None else ():
        value = getattr(kernel, field)
        if value is not None:
            yield _heading(counted.name, counted.text)
            yield f"{counted.name} {value}\n"
    yield "# EOF\n"


def _heading(name: str, text: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} gauge\n"


def _escaped(value: str) -> str:
    value = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
