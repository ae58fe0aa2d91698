"""The sources by name, and the order in which to try them on this system."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain

from tcpstates.capabilities import Capability
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, Reading, Request, Source


def load_netlink() -> Source:
    """Load the source that asks the kernel's sock_diag."""
    from tcpstates.collect.netlink import NetlinkSource

    return NetlinkSource()


def load_procfs() -> Source:
    """Load the source that reads /proc/net."""
    from tcpstates.collect.procfs import ProcfsSource

    return ProcfsSource()


def load_psutil() -> Source:
    """Load the source that asks psutil."""
    from tcpstates.collect.psutil_ import PsutilSource

    return PsutilSource()


def load_iphlpapi() -> Source:
    """Load the source that asks Windows' IP Helper API."""
    from tcpstates.collect.iphlpapi import IpHelperSource

    return IpHelperSource()


def load_netstat() -> Source:
    """Load the source that reads what Windows' netstat prints."""
    from tcpstates.collect.netstat import NetstatSource

    return NetstatSource()


SOURCES: dict[str, Callable[[], Source]] = {
    "netlink": load_netlink,
    "procfs": load_procfs,
    "iphlpapi": load_iphlpapi,
    "psutil": load_psutil,
    "netstat": load_netstat,
}


def missing_from(name: str) -> tuple[Capability, ...]:
    """Look up what a source does not provide."""
    return SOURCES[name]().lacks


def source_order() -> tuple[str, ...]:
    """List the sources to try on this system, the most complete first."""
    orders = {
        "linux": ("netlink", "procfs", "psutil"),
        "win32": ("iphlpapi", "psutil", "netstat"),
    }
    return orders.get(sys.platform, ("psutil",))


def read_sockets(
    name: str,
    request: Request,
    limitations: list[Limitation],
    load: Callable[[str], Source] | None = None,
) -> Reading:
    """Read from a source; `auto` tries them in order.

    It falls back to the next source when one cannot be used, and says so in
    `limitations`. A source that was asked for by name never falls back. `load` makes a
    source of a name. Raise SourceUnavailable when none is left.
    """
    order = source_order() if name == "auto" else (name,)
    request = request._replace(allow_fallback=name == "auto")
    failures: list[SourceUnavailable] = []
    for candidate in order:
        source = (load or load_source)(candidate)
        try:
            reading = read_source(source, request, limitations)
        except SourceUnavailable as error:
            failures.append(error)
            continue
        if failures:
            text = f"{'; '.join(map(str, failures))}; using {candidate} instead"
            lost = ", ".join(map(str, source.lacks))
            limitations.append(Limitation("fell-back", f"{text}, without {lost}"))
        return reading
    if name == "auto" and len(failures) > 1:
        raise SourceUnavailable("auto", "; ".join(map(str, failures)))
    raise failures[-1]


def load_source(name: str) -> Source:
    """Load the source of that name."""
    return SOURCES[name]()


def read_source(
    source: Source, request: Request, limitations: list[Limitation]
) -> Reading:
    """Start to read one source, so that what fails, fails here."""
    batches = source.read(request, limitations)
    first = next(batches, None)
    whole = batches if first is None else chain((first,), batches)
    return Reading(source.name, source.lacks, source.owners_by, whole)
