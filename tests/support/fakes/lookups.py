"""Names that do not depend on this machine, for the tests of filters."""

from __future__ import annotations

from collections.abc import Iterable


class FixedLookup:
    """A small system of its own."""

    compares_names = False

    def ports(self, service: str) -> frozenset[int]:
        known = {"https": {443}, "ssh": {22}, "domain": {53}, "twice": {7, 9}}
        return frozenset(known.get(service.lower(), ()))

    def addresses(self, host: str) -> list[str]:
        known = {"peer.example": ["192.0.2.7", "2001:db8::7"], "web1": ["192.0.2.8"]}
        return known.get(host, [])

    def interface(self, name: str) -> int | None:
        return {"lo": 1, "eth0": 2}.get(name)

    def cgroup(self, path: str) -> int | None:
        return {"/": 1, "/web (old)": 5}.get(path)

    def uid(self, user: str) -> int | None:
        return {"root": 0, "www-data": 33}.get(user)

    def names(self, kind: str) -> Iterable[str]:
        known = {"service": ["https", "ssh"], "interface": ["lo", "eth0"]}
        return known.get(kind, ["root", "www-data"])

    def fin_timeout_ms(self) -> int | None:
        return 60_000

    def port_range(self) -> tuple[int, int]:
        return 32768, 60999
