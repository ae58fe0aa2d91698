"""The sources by name, and which of them to try on this system."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain

from tcpstates.capabilities import Capability
from tcpstates.errors import SourceUnavailable
from tcpstates.model import (
    SAVED,
    Batch,
    Limitation,
    Request,
    Source,
)


def load_netlink() -> Source:
    """Return the source that asks the kernel's sock_diag."""
    from tcpstates.collect.netlink import NetlinkSource

    return NetlinkSource()


def load_procfs() -> Source:
    """Return the source that reads /proc/net."""
    from tcpstates.collect.procfs import ProcfsSource

    return ProcfsSource()


def load_psutil() -> Source:
    """Return the source that asks psutil."""
    from tcpstates.collect.psutil_ import PsutilSource

    return PsutilSource()


def load_netstat() -> Source:
    """Return the source that reads what Windows' netstat prints."""
    from tcpstates.collect.netstat import NetstatSource

    return NetstatSource()


SOURCES: dict[str, Callable[[], Source]] = {
    "netlink": load_netlink,
    "procfs": load_procfs,
    "psutil": load_psutil,
    "netstat": load_netstat,
}


def missing_from(name: str) -> tuple[Capability, ...]:
    """Return what a source does not provide; of a file it is not known in advance."""
    return () if name == SAVED else SOURCES[name]().lacks


def source_order() -> tuple[str, ...]:
    """Return the names to try, the one that tells most first."""
    orders = {"linux": ("netlink", "procfs", "psutil"), "win32": ("psutil", "netstat")}
    return orders.get(sys.platform, ("psutil",))


def read_sockets(
    name: str | Source, request: Request, limitations: list[Limitation]
) -> tuple[str, Iterator[Batch]]:
    """Return the source used and its batches.

    It is named, or given, as saved files are. `auto` steps down to the next source
    when one cannot be used, and says so in `limitations`. A source that was asked for
    by name never steps down. Raise SourceUnavailable when none is left.
    """
    if not isinstance(name, str):
        batches = name.read(request, limitations)
        first = next(batches, None)
        return name.name, batches if first is None else chain((first,), batches)
    order = source_order() if name == "auto" else (name,)
    request = request._replace(step_down=name == "auto")
    failures: list[SourceUnavailable] = []
    for candidate in order:
        batches = SOURCES[candidate]().read(request, limitations)
        try:
            first = next(batches, None)  # what fails, fails here
        except SourceUnavailable as error:
            failures.append(error)
            continue
        if failures:
            text = f"{'; '.join(map(str, failures))}. Using {candidate} instead"
            lost = ", ".join(map(str, missing_from(candidate)))
            limitations.append(Limitation("fell-back", f"{text}, without {lost}"))
        return candidate, batches if first is None else chain((first,), batches)
    if name == "auto" and len(failures) > 1:
        raise SourceUnavailable("auto", "; ".join(map(str, failures)))
    raise failures[-1]
