"""The layout of ss -s (iproute2, misc/ss.c, `print_summary`)."""

from __future__ import annotations

from collections.abc import Mapping

Sockstat = Mapping[str, Mapping[str, int]]  # by protocol, then by name


def render_summary(sockstat: Sockstat, established: int) -> str:
    """Return the kernel's own counts; `established` is CurrEstab of snmp."""

    def number(protocol: str, name: str) -> int:
        return sockstat.get(protocol, {}).get(name, 0)

    waiting = number("TCP", "tw")
    total = number("TCP", "alloc")
    hashed = number("TCP", "inuse") + number("TCP6", "inuse") - waiting
    lines = [
        f"Total: {number('sockets', 'used')}",
        (
            f"TCP:   {total + waiting} (estab {established}, closed {total - hashed},"
            f" orphaned {number('TCP', 'orphan')}, timewait {waiting})"
        ),
        "",
        "Transport Total     IP        IPv6",
    ]
    sums = [0, 0]
    for protocol in ("RAW", "UDP", "TCP", "INET", "FRAG"):
        both = [number(protocol, "inuse"), number(f"{protocol}6", "inuse")]
        if protocol == "INET":
            both = sums
        elif protocol != "FRAG":
            sums = [before + now for before, now in zip(sums, both, strict=True)]
        lines.append(f"{protocol}\t  {sum(both):<9} {both[0]:<9} {both[1]:<9}")
    return "\n".join([*lines, "", ""])
