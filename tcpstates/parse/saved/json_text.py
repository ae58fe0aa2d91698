"""JSON: our own, whole or a socket a line, and PowerShell's objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tcpstates.model import Owner
from tcpstates.parse.saved.endpoints import Endpoints
from tcpstates.parse.saved.powershell import make_row
from tcpstates.parse.saved.rows import Row, Unreadable

_MOST = 64 * 1024 * 1024  # characters of one object that is not ours
_PLAIN = (
    "uid",
    "inode",
    "cookie",
    "mark",
    "v6only",
    "shutdown",
    "congestion",
    "memory",
)
_NAMED = {"user": "user_name", "interface": "interface_name", "cgroup": "cgroup_name"}


# A prompt may begin with a bracket, too.
_BEGINS = re.compile(r'\{\s*("|$)|\[\s*([{\]]|$)')
_IS_SOCKET = re.compile(r'\{\s*"protocol"')


class OwnJson:
    """A socket a line, as --jsonl prints them and --json does between brackets."""

    name = "json"

    def __init__(self, endpoints: Endpoints) -> None:
        """Take what reads endpoints, for objects of PowerShell."""
        self._endpoints = endpoints
        self._pending: list[str] = []
        self._size = 0

    def heading(self, line: str) -> bool:
        """Take the first line of an object or a list that goes on."""
        text = line.strip()
        if not _BEGINS.match(text) or is_object(text) or is_list(text):
            return False
        self.rows(line)
        return True

    def rows(self, line: str) -> Sequence[Row] | None:
        """Return a socket; what is no whole object waits for its end."""
        text = line.strip().rstrip(",")
        if is_list(text) and not self._pending:
            return self._objects(text)
        if is_object(text) and (not self._pending or _IS_SOCKET.match(text)):
            return self._objects(text)
        self._pending.append(line)
        self._size += len(line)
        if self._size > _MOST:
            self._pending.clear()
            raise Unreadable("an object of more than 64 MB")
        return ()

    def _objects(self, text: str) -> Sequence[Row]:
        """Return the sockets of objects that stand one behind the other."""
        import json

        decoder, place = json.JSONDecoder(), 0
        rows: list[Row] = []
        while place < len(text):
            found, place = decoder.raw_decode(text, place)
            rows += map(self._row, _sockets_in(found))
            while text[place : place + 1].isspace():
                place += 1
        return rows

    def _row(self, found: Any) -> Row:
        if not isinstance(found, Mapping):
            raise Unreadable(str(found)[:80])
        if "LocalAddress" in found:
            return make_row(self._endpoints, found)
        try:
            return _own_row(found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unreadable(str(found)[:80]) from error

    def finish(self) -> Sequence[Row]:
        """Return the sockets of what took several lines.

        Of our own JSON that is what stands around the sockets; if it has no end, some
        may be missing, and it is unreadable.
        """
        pending, self._pending = "\n".join(self._pending), []
        self._size = 0
        return self._objects(pending.strip()) if pending.strip() else ()


def _sockets_in(found: Any) -> Iterable[Any]:
    """Return the sockets of an object or a list: it may be one itself."""
    if isinstance(found, Mapping):
        inner = found.get("sockets")
        return inner if isinstance(inner, list) else (found,)
    return found if isinstance(found, list) else ()


def is_object(text: str) -> bool:
    """Tell whether a line is an object of its own."""
    return text[:1] == "{" and text.rstrip(",").endswith("}")


def is_list(text: str) -> bool:
    """Tell whether a line is a list of its own."""
    return text[:1] == "[" and text[-1:] == "]" and _BEGINS.match(text) is not None


def _own_row(found: Mapping[str, Any]) -> Row:
    """Return a socket of our own JSON."""
    if found["protocol"] not in ("tcp", "udp") or found["family"] not in (
        "ipv4",
        "ipv6",
    ):
        raise ValueError(found["protocol"])
    more: dict[str, Any] = {
        name: found[name] for name in _PLAIN if found.get(name) is not None
    }
    more |= {to: found[name] for name, to in _NAMED.items() if found.get(name)}
    if found.get("info"):
        more["info"] = dict(found["info"])
    if found.get("truncated"):
        more["truncated"] = tuple(found["truncated"])
    timer = found.get("timer")
    if timer:
        more["timer"], more["timer_ms"] = timer["kind"], timer["expires_ms"]
        more["retransmits"] = timer["retransmits"]
    elif found["protocol"] == "tcp" and found.get("inode") is not None:
        more |= {"timer": "off", "timer_ms": 0, "retransmits": 0}
    owners = found.get("processes")
    more["processes"] = None if owners is None else tuple(map(_owner, owners))
    more["told_reason"] = found.get("no_process_reason")
    numbers = ("local_port", "remote_port", "recv_q", "send_q")
    local, remote, received, sent = (_number(found[name]) for name in numbers)
    return Row(
        found["protocol"],
        found["family"],
        found["raw_state"],
        str(found["local_address"]),
        local,
        str(found["remote_address"]),
        remote,
        received,
        sent,
        more,
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _owner(found: Mapping[str, Any]) -> Owner:
    name, raw = found.get("name"), found.get("name_raw")
    packed = bytes.fromhex(raw) if raw else None if name is None else name.encode()
    return Owner(int(found["pid"]), packed, _number(found.get("fd")))
