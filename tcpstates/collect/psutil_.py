"""Read sockets and process names through psutil; the only file that imports it.

psutil provides the state, endpoints and process of a socket, on every system. It merges
sockets that it cannot tell apart (of other users, with SO_REUSEPORT) into one. It names
one process even if several own a socket. It has no states for UDP sockets, so their
state is derived from whether they have a peer.
"""

from __future__ import annotations

import sys
from _socket import SOCK_DGRAM, SOCK_STREAM
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from tcpstates.batch import Batch, ColumnBatch
from tcpstates.capabilities import ONLY_STATES_AND_PIDS
from tcpstates.collect.restrict import refuse_bound
from tcpstates.errors import SourceUnavailable
from tcpstates.model import WILDCARD, Limitation, OwnersBy, Request
from tcpstates.processes import Process
from tcpstates.protocols import PROTOCOLS, TCP, UDP
from tcpstates.states import RFC_STATES, find_state
from tcpstates.wording import missing_package

# As this system numbers them: on MIPS, a stream is 2.
_BY_SOCKET_TYPE = {int(SOCK_STREAM): TCP, int(SOCK_DGRAM): UDP}
_LONGEST_NAME = 15  # TASK_COMM_LEN without the zero, linux/sched.h


class PsutilSource:
    """The data of psutil.net_connections: state, endpoints, one process."""

    name = "psutil"
    lacks = ONLY_STATES_AND_PIDS
    owners_by = OwnersBy.PID
    reads_everything = True

    def read(self, request: Request, limitations: list[Limitation]) -> Iterator[Batch]:
        """Yield all sockets once psutil has returned; see `model.Source`.

        macOS and AIX show all sockets to root only. Other users get the sockets of
        processes that they can inspect.
        """
        refuse_bound(self.name, request.states, limitations)
        rows = self._read_rows(_kind(request))
        if rows is None:
            yield from self._of_own_processes(request, limitations)
            return
        hidden = [row for row in rows if row.pid is None]
        if any(not row.raddr for row in hidden):
            text = "psutil merges identical sockets of processes that it cannot inspect"
            limitations.append(Limitation("sockets-merged", text))
        yield from _batches(rows, request)

    def _of_own_processes(
        self, request: Request, limitations: list[Limitation]
    ) -> Iterator[Batch]:
        """Yield the sockets visible to an unprivileged user, and report the limitation.

        On macOS, netstat shows every socket and its process.
        """
        if sys.platform == "darwin":
            from tcpstates.collect.netstat import read_macos

            try:
                batches = list(read_macos(request, limitations))
            except SourceUnavailable as error:
                limitations.append(Limitation("own-processes-only", str(error)))
            else:
                text = "psutil needs root for all sockets; using netstat -anv instead"
                limitations.append(Limitation("fell-back", text))
                yield from batches
                return
        text = "only sockets of processes that you can inspect; run as root for all"
        limitations.append(Limitation("own-processes-only", text))
        yield from _batches(_own_rows(_kind(request)), request)

    def _read_rows(self, kind: str) -> list[Any] | None:
        """Return psutil's rows; None if a privilege is missing."""
        try:
            import psutil

            return list(psutil.net_connections(kind))
        except ModuleNotFoundError as error:
            text = missing_package("psutil")
            raise SourceUnavailable(self.name, text) from error
        except Exception as error:  # psutil passes on the errors of system calls
            if type(error).__name__ == "AccessDenied":
                return None
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise SourceUnavailable(self.name, reason) from error


class _Row(NamedTuple):
    """A record of psutil.net_connections, with its process."""

    fd: int
    family: Any
    type: Any
    laddr: Any
    raddr: Any
    status: str
    pid: int


def _own_rows(kind: str) -> list[_Row]:
    """Return the sockets of every process that we may inspect."""
    import psutil

    rows: list[_Row] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            # The method has had this name since psutil 6.
            read: Any = getattr(process, "net_connections", None) or process.connections
            for row in read(kind):
                known = (row.fd, row.family, row.type, row.laddr, row.raddr, row.status)
                rows.append(_Row(*known, pid=process.pid))
    return rows


def _batches(rows: Sequence[Any], request: Request) -> Iterator[Batch]:
    """Group psutil's rows by protocol and family; keep the requested states."""
    from socket import AF_INET

    groups: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        protocol = _BY_SOCKET_TYPE.get(row.type)
        if protocol is None:
            continue  # neither TCP nor UDP
        family = "ipv4" if row.family == AF_INET else "ipv6"
        groups.setdefault((protocol.name, family), []).append(row)
    for (name, family), same in groups.items():
        batch = parse_connections(name, family, same)
        labels = batch.column("state_label")
        wanted = {label: request.includes(label) for label in set(labels)}
        yield batch.select(list(map(wanted.__getitem__, labels)))


def _kind(request: Request) -> str:
    """Return psutil's `kind` for the requested protocols and families."""
    kind = "inet" if len(request.protocols) > 1 else next(iter(request.protocols))
    if len(request.families) > 1:
        return kind
    return kind + next(iter(request.families)).removeprefix("ipv")


def parse_connections(protocol: str, family: str, rows: Sequence[Any]) -> ColumnBatch:
    """Convert psutil's records to a batch; an empty address is the wildcard."""
    wildcard = (WILDCARD[family], 0)
    local = [row.laddr or wildcard for row in rows]
    remote = [row.raddr or wildcard for row in rows]
    raw = [row.status for row in rows]
    by_peer = PROTOCOLS[protocol].labels_by_peer
    if by_peer is not None:
        labels = [by_peer[port != 0] for _, port in remote]
    else:
        known = {status: _label(str(status)) for status in set(raw)}
        labels = list(map(known.__getitem__, raw))
    states = {label: label if label in RFC_STATES else None for label in set(labels)}
    return ColumnBatch(
        protocol,
        family,
        len(rows),
        {
            "state_label": labels,
            "state": list(map(states.__getitem__, labels)),
            "raw_state": list(map(str, raw)),
            "local_address": [address for address, _ in local],
            "local_port": [port for _, port in local],
            "remote_address": [address for address, _ in remote],
            "remote_port": [port for _, port in remote],
            # Windows reports pid 0, the idle process, for what no process owns.
            "pid": [row.pid or None for row in rows],
            "fd": [None if row.fd == -1 else row.fd for row in rows],
        },
    )


def _label(status: str) -> str:
    """Return the displayed state for psutil's status of a TCP socket."""
    state = find_state(status)
    return f"UNKNOWN({status})" if state is None else str(state)


def read_process(pid: int) -> Process:
    """Return details of a process; None for a detail that is unknown or hidden."""
    import os

    import psutil

    found = Process(pid=pid)
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        wanted = [
            "name",
            "username",
            "create_time",
            "cmdline",
            "status",
            "ppid",
        ]
        known = process.as_dict([name for name in wanted if hasattr(process, name)])
        name, command = known["name"], known["cmdline"]
        found = Process(
            pid=pid,
            name=None if name is None else os.fsencode(name),
            user=known["username"],
            started_at=known["create_time"],
            command=None if command is None else tuple(map(os.fsencode, command)),
            is_stopped=known["status"]
            in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP),
            parent=known["ppid"],
            state=known["status"],
        )
    return found


def owns_sockets(pid: int) -> bool:
    """Check whether a process has internet sockets, or we may not know."""
    import psutil

    try:
        process: Any = psutil.Process(pid)
        read = getattr(process, "net_connections", None) or process.connections
        return bool(read("inet"))
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OSError):
        return False


def is_process_name(name: str) -> bool:
    """Check whether a process has this name, which Linux cuts off after 15 bytes."""
    import psutil

    found = (process.info["name"] for process in psutil.process_iter(["name"]))
    return any(
        each in (name, name[:_LONGEST_NAME]) or each[:_LONGEST_NAME] == name
        for each in found
        if each
    )


def read_process_name(pid: int) -> bytes | None:
    """Return a process's name; None if it has exited or is hidden."""
    import os

    import psutil

    try:
        return os.fsencode(psutil.Process(pid).name())
    except (psutil.Error, OSError):
        return None
