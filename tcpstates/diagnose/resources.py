"""What sockets use up: a process's descriptors, and TCP's memory."""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.diagnose.case import Case, Host
from tcpstates.diagnose.words import counted, percent
from tcpstates.findings import Finding, Gap, Severity
from tcpstates.text import command_line, format_bytes, format_name

_NEAR_PERCENT = 95  # of a limit: the next connections fail


def find_crowded_processes(host: Host, case: Case) -> Iterator[Finding | Gap]:
    """Yield a finding for each process near its limit, through sockets."""
    if not case.descriptors:
        yield Gap("descriptors", "descriptors (there is no /proc to count them in)")
    elif case.hidden_processes:
        text = counted(case.hidden_processes, "process", "processes")
        why = "run as root" if case.is_unprivileged else "not even root sees them"
        yield Gap("descriptors", f"descriptors of {text} ({why})")
    for pid, (used, sockets) in case.descriptors.items():
        limit = case.descriptors_limit(pid) if sockets * 2 > used else None
        share = percent(used, limit)
        if (
            limit is not None
            and share is not None
            and share >= host.thresholds.descriptors_percent
            and case.is_here(pid)
        ):
            yield _near_limit(case, pid, (used, sockets, limit))


def _near_limit(case: Case, pid: int, numbers: tuple[int, int, int]) -> Finding:
    process, (used, sockets, limit) = case.process(pid), numbers
    share = percent(used, limit) or 0
    name = f"{format_name(process.name)}[{pid}]"
    return Finding(
        "descriptors",
        name,
        Severity.CRITICAL if share >= _NEAR_PERCENT else Severity.WARNING,
        used,
        f"{name} runs out of descriptors: {used:,} of {limit:,} open",
        (f"{sockets:,} of them are sockets, of any kind",),
        {"open": used, "limit": limit, "sockets": sockets, "percent": share},
        "At the limit accept() and connect() fail with EMFILE, and so does opening a"
        " file.",
        (
            command_line("tcpstates -tan pid = {} --by state,remote-address", pid),
            command_line(
                "prlimit --pid {} --nofile    # the limits, soft and hard", pid
            ),
            "close what is not needed; a higher limit helps if the number is stable",
        ),
        "the number is stable, and planned so",
        (process,),
    )


def find_memory_pressure(host: Host, case: Case) -> Iterator[Finding | Gap]:
    """Yield a finding where TCP is under pressure: see tcp_mem."""
    kernel = host.kernel
    if (
        kernel is None
        or kernel.memory_bytes is None
        or kernel.memory_limit_bytes is None
    ):
        yield Gap("memory", "tcp_mem (not told here, as in containers)")
        return
    used, limit = kernel.memory_bytes, kernel.memory_limit_bytes
    pressure = kernel.memory_pressure_bytes or limit
    share = percent(used, limit) or 0
    if used < pressure and share < host.thresholds.limit_percent:
        return
    pruned = case.counters.get("PruneCalled", 0)
    yield Finding(
        "memory",
        "host",
        Severity.CRITICAL if share >= _NEAR_PERCENT else Severity.WARNING,
        used,
        f"TCP's memory is short: {format_bytes(used)} of {format_bytes(limit)}",
        (
            (
                f"from {format_bytes(pressure)} on buffers are kept small (tcp_mem);"
                f" buffers were pruned {pruned:,} times so far"
            ),
        ),
        {"bytes": used, "pressure": pressure, "limit": limit, "pruned": pruned},
        "All connections share this. Windows shrink, and at the limit segments are"
        " dropped and sockets reset.",
        (
            "tcpstates -tanpm --sort -recv-q --limit 20    # who does not read",
            "tcpstates -tanpm --sort -send-q --limit 20    # whose peers do not",
            "sysctl net.ipv4.tcp_mem    # pages: low, pressure, limit",
        ),
        "the count is of all network namespaces together",
        hidden="all connections together",
    )
