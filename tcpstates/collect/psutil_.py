"""Read sockets and process names through psutil; the only file that imports it.

psutil knows state, endpoints and process of a socket, on every system. It merges
sockets that it cannot tell apart (SO_REUSEPORT twins of other users) into one,
names one process where several hold a socket, and has no word for a UDP socket's
state, so that is told from whether it has a peer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from tcpstates.collect.procfs import refuse_bound
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Batch, ColumnBatch, Limitation, Process, Request
from tcpstates.states import OtherState, TcpState, find_state

_SOCK_STREAM = 1  # the same number on every system
_WILDCARD = {"ipv4": "0.0.0.0", "ipv6": "::"}  # noqa: S104  (compared, not bound)


class PsutilSource:
    """What psutil.net_connections tells: state, endpoints, one process."""

    name = "psutil"

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield batches of everything at once; see `model.Source`."""
        refuse_bound(self.name, request.states, limitations)
        groups = self._read_groups(request)
        hidden = [r for rows in groups.values() for r in rows if r.pid is None]
        if any(not row.raddr for row in hidden):
            text = "psutil merges alike sockets of processes that it may not see"
            limitations.append(Limitation("sockets-merged", text))
        for (protocol, family), rows in groups.items():
            batch = parse_connections(protocol, family, rows)
            words = batch.column("word")
            wanted = {word: request.wants(word) for word in set(words)}
            yield batch.keep(list(map(wanted.__getitem__, words)))

    def _read_groups(self, request: Request) -> dict[tuple[str, str], list[Any]]:
        """Return psutil's rows by protocol and family."""
        try:
            import psutil

            rows = psutil.net_connections(_kind(request))
        except Exception as error:  # psutil raises what its system's calls raise
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise SourceUnavailable(self.name, reason) from error
        from socket import AF_INET

        groups: dict[tuple[str, str], list[Any]] = {}
        for row in rows:
            protocol = "tcp" if row.type == _SOCK_STREAM else "udp"
            family = "ipv4" if row.family == AF_INET else "ipv6"
            groups.setdefault((protocol, family), []).append(row)
        return groups


def _kind(request: Request) -> str:
    """Return psutil's word for the protocols and families asked for."""
    kind = "inet" if len(request.protocols) > 1 else next(iter(request.protocols))
    if len(request.families) > 1:
        return kind
    return kind + next(iter(request.families)).removeprefix("ipv")


def parse_connections(protocol: str, family: str, rows: Sequence[Any]) -> ColumnBatch:
    """Return psutil's records as a batch; an empty address is the wildcard."""
    wildcard = (_WILDCARD[family], 0)
    local = [row.laddr or wildcard for row in rows]
    remote = [row.raddr or wildcard for row in rows]
    raw = [row.status for row in rows]
    if protocol == "udp":
        words = [_UDP_WORDS[port != 0] for _, port in remote]
    else:
        known = {status: _word(str(status)) for status in set(raw)}
        words = list(map(known.__getitem__, raw))
    states = {word: word if word in _STATES else None for word in set(words)}
    return ColumnBatch(
        protocol,
        family,
        len(rows),
        {
            "word": words,
            "state": list(map(states.__getitem__, words)),
            "raw_state": list(map(str, raw)),
            "local_address": [address for address, _ in local],
            "local_port": [port for _, port in local],
            "remote_address": [address for address, _ in remote],
            "remote_port": [port for _, port in remote],
            "pid": [row.pid for row in rows],
            "fd": [None if row.fd == -1 else row.fd for row in rows],
        },
    )


_STATES = frozenset(map(str, TcpState))
# A UDP socket's, by whether it has a peer.
_UDP_WORDS = (str(OtherState.UNCONN), str(TcpState.ESTABLISHED))


def _word(status: str) -> str:
    """Return what to show for psutil's status of a TCP socket."""
    state = find_state(status)
    return f"UNKNOWN({status})" if state is None else str(state)


def read_process(pid: int) -> Process:
    """Return what there is to know of a process; None is what may not be known."""
    import os

    import psutil

    found = Process(pid)
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        wanted = ["name", "username", "create_time", "cmdline", "status"]
        known = process.as_dict([name for name in wanted if hasattr(process, name)])
        name, command = known["name"], known["cmdline"]
        found = Process(
            pid,
            None if name is None else os.fsencode(name),
            known["username"],
            known["create_time"],
            None if command is None else tuple(map(os.fsencode, command)),
            None,
            read_descriptors_limit(pid),
            known["status"] in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP),
        )
    return found


def read_descriptors_limit(pid: int) -> int | None:
    """Return how many descriptors a process may have (RLIMIT_NOFILE, the soft one).

    None: there is no such limit, or it may not be known.
    """
    if sys.platform != "linux":
        return None
    import resource

    try:
        limit, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except (OSError, ValueError):
        return None
    return None if limit == resource.RLIM_INFINITY else limit


def read_process_name(pid: int) -> bytes | None:
    """Return a process's name; None when it is gone or not to be known."""
    import os

    import psutil

    try:
        return os.fsencode(psutil.Process(pid).name())
    except (psutil.Error, OSError):
        return None
