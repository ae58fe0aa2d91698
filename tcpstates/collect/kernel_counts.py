"""Read Linux's TCP counts and limits from `/proc/net/sockstat` and sysctls."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from mmap import PAGESIZE

from tcpstates.collect.settings import read_numbers, read_text
from tcpstates.model import KernelCounts

_LINE = re.compile(r"^TCP: (.*)$", re.MULTILINE)


def read_kernel_counts(
    root: str = "/proc", *, net: str | None = None
) -> KernelCounts | None:
    """Return the counts; None if there is no `sockstat` file; `net`: its folder."""
    text = read_text(f"{net or f'{root}/net'}/sockstat")
    if not text:
        return None
    counted = parse_sockstat(text)
    settings = f"{root}/sys/net/ipv4"
    memory = [pages * PAGESIZE for pages in read_numbers(f"{settings}/tcp_mem")]
    _, pressure, limit = memory if len(memory) == 3 else (None, None, None)
    pages = counted.get("mem")
    return KernelCounts(
        orphans=counted.get("orphan"),
        orphans_limit=next(iter(read_numbers(f"{settings}/tcp_max_orphans")), None),
        time_wait=counted.get("tw"),
        time_wait_limit=next(
            iter(read_numbers(f"{settings}/tcp_max_tw_buckets")), None
        ),
        memory_bytes=None if pages is None else pages * PAGESIZE,
        memory_pressure_bytes=pressure,
        memory_limit_bytes=limit,
    )


def read_sockstat(root: str = "/proc") -> dict[str, dict[str, int]]:
    """Return the counts of sockstat and sockstat6, by protocol and by name."""
    found: dict[str, dict[str, int]] = {}
    for name in ("sockstat", "sockstat6"):
        for line in read_text(f"{root}/net/{name}").splitlines():
            protocol, _, rest = line.partition(":")
            fields = rest.split()
            pairs = zip(fields[::2], fields[1::2], strict=False)
            found[protocol] = {key: int(n) for key, n in pairs if n.isdecimal()}
    return found


def parse_sockstat(text: str) -> dict[str, int]:
    """Parse the line that begins with TCP (`net/ipv4/proc.c`)."""
    found = _LINE.search(text)
    fields = found[1].split() if found else []
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return {name: int(number) for name, number in pairs if number.isdecimal()}


def read_counters(root: str = "/proc") -> dict[str, int]:
    """Return this namespace's TCP counters since boot, by their kernel names.

    Empty if the files do not exist.
    """
    counters: dict[str, int] = {}
    for name in ("snmp", "netstat"):
        text = read_text(f"{root}/net/{name}")
        counters |= parse_counters(text, ("Tcp", "TcpExt"))
    return counters


def count_unix_listeners(root: str = "/proc") -> int:
    """Count this namespace's unix sockets that listen, with a name or without.

    The fourth column has their flags (`__SO_ACCEPTCON`, linux/net.h).
    """
    with suppress(OSError), open(f"{root}/net/unix", "rb") as table:
        rows = (line.split(None, 4) for line in table)
        return sum(len(row) > 3 and row[3] == b"00010000" for row in rows)
    return 0


def parse_counters(text: str, groups: Collection[str]) -> dict[str, int]:
    """Parse the counters of some groups: a line of names, then a line of numbers.

    Layout: `snmp_seq_show`, net/ipv4/proc.c.
    """
    counters: dict[str, int] = {}
    lines = text.splitlines()
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        group, _, rest = names.partition(": ")
        if group in groups and numbers.startswith(f"{group}: "):
            pairs = zip(rest.split(), numbers.split()[1:], strict=False)
            counters |= {name: int(number) for name, number in pairs}
    return counters
