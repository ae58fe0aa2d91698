"""Resolve the names in filters on this system: see `filters.values.Lookup`."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from threading import Thread

from tcpstates.collect.names import cgroup_mount, read_services
from tcpstates.collect.settings import read_fin_timeout_ms, read_numbers

_HOST_SECONDS = 5.0
_PORT_RANGE = (32768, 60999)  # Linux's default; for other systems, RFC 6335
_DYNAMIC_PORTS = (49152, 65535)
_PORT_RANGE_FILE = "/proc/sys/net/ipv4/ip_local_port_range"


class HostLookup:
    """Services, hosts and cgroups; users and interfaces are another machine's.

    Each question is asked when a filter needs it.
    """

    compares_names = True

    def __init__(self, protocols: Collection[str]) -> None:
        self._protocols = protocols

    def ports(self, service: str) -> frozenset[int]:
        """Return the ports of a service for the requested protocols."""
        wanted = service.lower()
        return frozenset(
            port
            for (port, protocol), names in read_services().items()
            if protocol in self._protocols and wanted in map(str.lower, names)
        )

    def addresses(self, host: str) -> list[str]:
        """Resolve a host; empty if the name servers do not answer."""
        found: list[str] = []

        def ask() -> None:
            from socket import SOCK_STREAM, getaddrinfo

            with suppress(OSError, UnicodeError):
                for *_, address in getaddrinfo(host, None, type=SOCK_STREAM):
                    found.append(str(address[0]))

        asking = Thread(target=ask, daemon=True)
        try:
            asking.start()
            asking.join(_HOST_SECONDS)
        except RuntimeError:  # cannot start a thread: resolve without a deadline
            ask()
        return list(dict.fromkeys(found))

    def interface(self, name: str) -> int | None:
        """See `filters.values.Lookup`."""
        return None

    def cgroup(self, path: str) -> int | None:
        """Return the ID of a cgroup, which is the inode of its directory."""
        mount = cgroup_mount()
        if mount is not None:
            inside = os.path.normpath("/" + path.removeprefix(mount).strip("/"))
            # The final "." makes sure that it is a directory, not a settings file.
            with suppress(OSError, ValueError):  # ValueError: a zero byte
                return os.stat(f"{mount}{inside}/.").st_ino
        return None

    def uid(self, user: str) -> int | None:
        """See `filters.values.Lookup`."""
        return None

    def names(self, kind: str) -> Iterable[str]:
        """Return all names of a kind: service, interface or user."""
        if kind == "service":
            return (
                name
                for (_, protocol), names in read_services().items()
                if protocol in self._protocols
                for name in names
            )
        if kind == "interface":
            from socket import if_nameindex

            with suppress(OSError):
                return [name for _, name in if_nameindex()]
        if kind == "user" and sys.platform != "win32":
            import pwd

            return [entry.pw_name for entry in pwd.getpwall()]
        return ()

    def fin_timeout_ms(self) -> int | None:
        """Return the system's tcp_fin_timeout in milliseconds; None if it has none."""
        return read_fin_timeout_ms()

    def port_range(self) -> tuple[int, int]:
        """Return the first and last port of the system's ephemeral port range."""
        numbers = read_numbers(_PORT_RANGE_FILE)
        if len(numbers) == 2:
            return numbers[0], numbers[1]
        return _PORT_RANGE if sys.platform == "linux" else _DYNAMIC_PORTS


class SystemLookup(HostLookup):
    """Names of this system."""

    compares_names = False

    def interface(self, name: str) -> int | None:
        """Return the index of an interface."""
        from socket import if_nametoindex

        try:
            return if_nametoindex(name)
        except (OSError, ValueError):  # ValueError: a zero byte
            return None

    def uid(self, user: str) -> int | None:
        """Return the uid of a user."""
        if sys.platform != "win32":
            import pwd

            with suppress(KeyError, ValueError):
                return pwd.getpwnam(user).pw_uid
        return None
