"""Batches and names made up for the tests of renderers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tcpstates.batch import ColumnBatch
from tcpstates.model import Owner

COLUMNS: dict[str, Any] = {
    "state_label": "ESTABLISHED",
    "state": "ESTABLISHED",
    "raw_state": "ESTAB",
    "local_address": "192.0.2.1",
    "local_port": 443,
    "remote_address": "198.51.100.7",
    "remote_port": 51234,
    "recv_q": 0,
    "send_q": 0,
    "uid": 33,
    "inode": 4242,
    "cookie": 0x1A2B,
    "interface_index": 0,
    "timer": "off",
    "timer_ms": 0,
    "retransmits": 0,
    "mark": 0,
    "cgroup_id": 1,
    "processes": (Owner(70, b"nginx", 9),),
    "no_process_reason": None,
}


def batch(
    *rows: dict[str, Any], protocol: str = "tcp", family: str = "ipv4"
) -> ColumnBatch:
    """Return a batch; each row says how it differs from an ordinary one."""
    names = list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))
    columns: dict[Any, list[Any]] = {
        n: [(COLUMNS | row).get(n) for row in rows] for n in names
    }
    return ColumnBatch(protocol, family, len(rows), columns)


class FixedNames:
    """Names that do not depend on this machine."""

    numeric = True

    def __init__(self, *, numeric: bool = True) -> None:
        self.numeric = numeric
        self.state_names: Mapping[str, str] = {}

    def user(self, uid: int) -> str | None:
        return None if self.numeric else {0: "root", 33: "www-data"}.get(uid)

    def interface(self, index: int) -> str | None:
        return {1: "lo", 2: "eth0"}.get(index)

    def cgroup(self, cgroup_id: int) -> str | None:
        return {1: "/", 5: "/system.slice/nginx.service"}.get(cgroup_id)

    def netns(self) -> int | None:
        return 4026531840

    def fin_timeout_ms(self) -> int | None:
        return 60_000

    def service(self, port: int, protocol: str) -> str | None:
        return None if self.numeric else {443: "https"}.get(port)

    def host(self, address: str) -> str | None:
        return None if self.numeric else {"198.51.100.7": "peer.example"}.get(address)

    def knows_hosts(self) -> bool:
        return not self.numeric
