"""Resolve numbers to names: users, services, interfaces, cgroups and hosts.

All results are cached. Host names are untrusted: only names that RFC 952 allows (plus
underscores, which occur in practice) are accepted.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress

from tcpstates.collect.proc_files import network_namespace
from tcpstates.collect.settings import read_fin_timeout_ms
from tcpstates.model import WILDCARDS

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_WORKERS = 32  # concurrent lookups


def shared_time(times: Iterable[int | None]) -> int | None:
    """Return the time that several places share; None if they differ."""
    found = set(times)
    return found.pop() if len(found) == 1 else None


class HostNames:
    """Names of services and hosts, which hold whatever machine the sockets are of.

    Users, interfaces and cgroups have none here, nor has anything else of one machine:
    see `SystemNames`.
    """

    def __init__(
        self, *, numeric: bool, state_names: Mapping[str, str] | None = None
    ) -> None:
        self.numeric = numeric
        self.state_names = state_names or {}
        self._services: dict[tuple[int, str], str] | None = None
        self._hosts: dict[str, str | None] = {}

    def user(self, uid: int) -> str | None:
        """See `model.Names`."""
        return None

    def interface(self, index: int) -> str | None:
        """See `model.Names`."""
        return None

    def cgroup(self, cgroup_id: int) -> str | None:
        """See `model.Names`."""
        return None

    def netns(self) -> int | None:
        """See `model.Names`."""
        return None

    def fin_timeout_ms(self) -> int | None:
        """See `model.Names`."""
        return None

    def service(self, port: int, protocol: str) -> str | None:
        """Return a port's service name; None if there is none, or with -n."""
        if self._services is None:
            self._services = {}
            if not self.numeric:
                named = read_services().items()
                self._services = {place: names[0] for place, names in named}
        return self._services.get((port, protocol))

    def host(self, address: str) -> str | None:
        """Return a host's name if `ask_hosts` has found it."""
        return self._hosts.get(address)

    def knows_hosts(self) -> bool:
        """Check whether any host lookup has completed."""
        return bool(self._hosts)

    def ask_hosts(self, addresses: Iterable[str], seconds: float) -> None:
        """Look up host names concurrently, for at most `seconds`.

        The threads are daemons, so a name server that does not answer delays neither
        this method nor the exit of the program.
        """
        unknown = {a for a in addresses if a not in self._hosts} - WILDCARDS
        if self.numeric or not unknown or seconds <= 0:
            return
        from queue import Empty, SimpleQueue
        from threading import Thread
        from time import monotonic

        questions: SimpleQueue[str] = SimpleQueue()
        answers: SimpleQueue[tuple[str, str | None]] = SimpleQueue()
        for address in unknown:
            questions.put(address)

        def work() -> None:
            with suppress(Empty):
                while True:
                    address = questions.get_nowait()
                    answers.put((address, _read_host(address)))

        started = 0
        with suppress(RuntimeError):  # no more threads can be started
            for _ in range(min(_WORKERS, len(unknown))):
                Thread(target=work, daemon=True).start()
                started += 1
        if not started:
            return  # without a thread there are no results
        deadline = monotonic() + seconds
        with suppress(Empty):
            while unknown:
                address, name = answers.get(timeout=max(0.0, deadline - monotonic()))
                unknown.discard(address)
                self._hosts[address] = name
        with suppress(Empty):  # cancel the lookups that have not started
            while True:
                questions.get_nowait()


class SystemNames(HostNames):
    """The names on this system; see `model.Names`.

    With `numeric`, only interfaces and cgroups are looked up, which the kernel knows.
    """

    def __init__(
        self, *, numeric: bool, state_names: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(numeric=numeric, state_names=state_names)
        self._fin_timeouts: list[int | None] = []  # has one item once it is read
        self._users: dict[int, str | None] = {}
        self._interfaces: dict[int, str | None] = {0: None}
        self._cgroups: dict[int, str] | None = None

    def user(self, uid: int) -> str | None:
        """Return a user's login name; None if there is none, or with -n."""
        if uid not in self._users:
            self._users[uid] = None if self.numeric else _read_user(uid)
        return self._users[uid]

    def interface(self, index: int) -> str | None:
        """Return an interface's name; None for index 0 and for removed interfaces."""
        if index not in self._interfaces:
            from socket import if_indextoname

            self._interfaces[index] = None
            with suppress(OSError):
                self._interfaces[index] = if_indextoname(index)
        return self._interfaces[index]

    def cgroup(self, cgroup_id: int) -> str | None:
        """Return a cgroup's path, "/" for the root; None if it is not visible."""
        if self._cgroups is None:
            self._cgroups = _read_cgroups()
        return self._cgroups.get(cgroup_id)

    def netns(self) -> int | None:
        """Return the inode of our network namespace; None if the system has none."""
        return network_namespace("self")

    def fin_timeout_ms(self) -> int | None:
        """Return the system's tcp_fin_timeout in milliseconds; None if it has none."""
        if not self._fin_timeouts:
            self._fin_timeouts.append(read_fin_timeout_ms())
        return self._fin_timeouts[0]


def _read_host(address: str) -> str | None:
    import socket

    try:
        name = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
    except (OSError, ValueError):  # ValueError: a zero byte, or invalid Unicode
        return None
    # A name that ends in a number could be taken for an address (RFC 1123, 2.1).
    is_name = _HOST_NAME.fullmatch(name) and not name.rpartition(".")[2].isdecimal()
    return name if is_name else None


def _read_user(uid: int) -> str | None:
    if sys.platform != "win32":
        import pwd

        with suppress(KeyError):
            return pwd.getpwuid(uid).pw_name
    return None


def read_services() -> dict[tuple[int, str], list[str]]:
    """Read services(5): names by port and protocol, the official name first.

    getservbyport(3) reads the whole file for each port that has no name, which takes
    33 us, and a busy host has tens of thousands of such ports.
    """
    path = "/etc/services"
    if sys.platform == "win32":
        path = os.path.expandvars(r"%SystemRoot%\System32\drivers\etc\services")
    services: dict[tuple[int, str], list[str]] = {}
    with suppress(OSError), open(path, encoding="ascii", errors="replace") as lines:
        for line in lines:
            fields = line.partition("#")[0].split()
            if len(fields) < 2:
                continue
            port, _, protocol = fields[1].partition("/")
            if port.isdecimal():
                names = services.setdefault((int(port), protocol), [])
                names += [fields[0], *fields[2:]]
    return services


def cgroup_mount() -> str | None:
    """Return the mount point of cgroup v2; the second one is used alongside v1."""
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(f"{mount}/cgroup.controllers"):
            return mount
    return None


def _read_cgroups() -> dict[int, str]:
    """Map the IDs of cgroups v2, which are directory inodes, to their paths."""
    mount = cgroup_mount()
    paths = {}
    for folder, _, _ in os.walk(mount) if mount else ():
        with suppress(OSError):  # removed during the walk
            inside = folder.removeprefix(mount or "") or "/"
            paths[os.stat(folder).st_ino] = inside
    return paths
