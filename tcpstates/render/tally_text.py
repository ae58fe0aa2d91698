"""Render tallies as text: a number, lines, a summary of states, or groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tcpstates.columns.tally import Group, Tally, kinds, requested_rows
from tcpstates.model import KernelCounts, Request
from tcpstates.render.plain import WIDEST
from tcpstates.text import format_bytes, sanitise
from tcpstates.wording import plural


def summary_cells(
    tally: Tally, request: Request
) -> tuple[list[str], list[tuple[str, list[int]]]]:
    """Compute the headings and the rows (state, numbers); the last row is the sum.

    The tally has to be by protocol, family and state.
    """
    asked = kinds(request)
    labels = requested_rows(request)
    labels += sorted({group[-1] for group in tally.counts} - set(labels))
    table = [
        (label, _with_total([tally.counts[p, f, label] for p, f in asked]))
        for label in labels
    ]
    sums = [
        sum(column) for column in zip(*(numbers for _, numbers in table), strict=True)
    ]
    table.append(("total", sums))
    headings = [f"{p.upper()} {f.replace('ipv', 'IPv')}" for p, f in asked]
    return [*headings, "total"], table


def _with_total(numbers: Sequence[int]) -> list[int]:
    return [*numbers, sum(numbers)]


def render_summary_plain(
    headings: Sequence[str], rows: Sequence[tuple[str, list[int]]], *, header: bool
) -> str:
    """Render the table as aligned text."""
    names = [heading.replace(" ", "-") for heading in headings]
    lines = [("state", *names)] if header else []
    lines += [(label, *map(str, numbers)) for label, numbers in rows]
    first = max(len(line[0]) for line in lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)][1:]
    return "".join(
        f"{label:<{first}}"
        + "".join(f"  {n:>{w}}" for n, w in zip(numbers, widths, strict=True))
        + "\n"
        for label, *numbers in lines
    )


def render_summary_narrow(
    headings: Sequence[str], rows: Sequence[tuple[str, list[int]]]
) -> str:
    """Render the columns of the table below each other, for a narrow terminal."""
    width = max(len(label) for label, _ in rows)
    columns = zip(*(numbers for _, numbers in rows), strict=True)
    return "".join(
        f"{heading}\n"
        + "".join(
            f"  {label:<{width}}  {number}\n"
            for (label, _), number in zip(rows, column, strict=True)
        )
        for heading, column in zip(headings, columns, strict=True)
    )


def summary_notes(
    tally: Tally,
    without_file: Mapping[str, int],
    kernel: KernelCounts | None,
    hosts: str,
) -> Iterator[str]:
    """Yield the lines below the table of states; `hosts`: see `hosts_answered`."""
    if hosts:
        yield f"on {hosts}"
    listening = sum(n for (*_, label), n in tally.counts.items() if label == "LISTEN")
    if listening:
        yield f"{listening} {plural(listening, 'listener')}"
    if without_file:
        parts = (f"{number} {reason}" for reason, number in without_file.items())
        yield f"without a process: {', '.join(parts)}"
    if kernel is not None:
        counted = ", ".join(_kernel_parts(kernel))
        yield f"the kernel counts {counted}"


def _kernel_parts(kernel: KernelCounts) -> Iterator[str]:
    """Format numbers of /proc/net/sockstat, which cover more than the table above.

    `orphan` and `mem` cover all network namespaces. `tw` also counts FIN_WAIT_2 sockets
    that their process has closed (`sockstat_seq_show`, net/ipv4/proc.c).
    """
    orphans, waiting = "orphans in all namespaces", "in TIME_WAIT or closed FIN_WAIT_2"
    for number, name, limit in (
        (kernel.orphans, orphans, kernel.orphans_limit),
        (kernel.time_wait, waiting, kernel.time_wait_limit),
    ):
        if number is not None:
            yield f"{number} {name}" + ("" if limit is None else f" (limit {limit})")
    if kernel.memory_bytes is not None:
        text = f"{format_bytes(kernel.memory_bytes)} of memory in all namespaces"
        if kernel.memory_limit_bytes is not None:
            text += f" (limit {format_bytes(kernel.memory_limit_bytes)})"
        yield text


def describe_counts(labels: Counter[str], width: int, end: str = "") -> str:
    """Format the line below a table: the number of sockets, in total and by state."""
    from textwrap import fill

    total = labels.total()
    if not total:
        text = f"no sockets match{end}"
        return fill(text, max(1, width), break_on_hyphens=False)
    parts = ", ".join(f"{n} {sanitise(label)}" for label, n in labels.most_common())
    text = f"{total} {plural(total, 'socket')}: {parts}{end}"
    return fill(text, max(1, width), break_on_hyphens=False)


def group_cells(tally: Tally, most: int | None) -> list[tuple[list[str], int]]:
    """Compute the rows of a table of groups: texts and numbers, the sum last.

    Groups beyond `most` share one row before the sum.
    """
    groups, left_groups, left_sockets = tally.groups(most)
    rows = [(_texts(group), number) for group, number in groups]
    blank = [""] * (len(tally.columns) - 1)
    if left_groups:
        noun = plural(left_groups, "group")
        rows.append(([f"({left_groups} more {noun})", *blank], left_sockets))
    rows.append((["total", *blank], tally.total))
    return rows


def _texts(group: Group) -> list[str]:
    return ["-" if value is None else str(value) for value in group]


def render_groups_plain(
    tally: Tally, most: int | None, *, header: bool
) -> Iterator[str]:
    """Yield one line per group, the number first, and the sum."""
    rows = group_cells(tally, most)
    headings = [column.heading.replace(" ", "-") for column in tally.columns]
    width = max(len("Count") * header, *(len(str(number)) for _, number in rows))
    lines = [headings, *(texts for texts, _ in rows)]
    widths = [min(WIDEST, max(map(len, texts))) for texts in zip(*lines, strict=True)]
    widths[-1] = 0
    if header:
        yield _group_line("Count", headings, width, widths)
    for texts, number in rows:
        yield _group_line(str(number), texts, width, widths)


def _group_line(
    number: str, texts: Sequence[str], width: int, widths: Sequence[int]
) -> str:
    padded = (text.ljust(w) for text, w in zip(texts, widths, strict=True))
    return "  ".join((number.rjust(width), *padded)).rstrip() + "\n"


def render_group_numbers(tally: Tally, most: int | None) -> Iterator[str]:
    """Yield one line per group, in the format of uniq -c, and nothing else."""
    for group, number in tally.groups(most)[0]:
        yield f"{number} {' '.join(_texts(group))}\n"
