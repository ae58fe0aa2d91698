"""Parse JSON: our own, as one document or per line, of lsfd and of PowerShell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tcpstates.fields import FIELDS
from tcpstates.late_pattern import late
from tcpstates.model import FAMILIES, Owner
from tcpstates.parse.saved.endpoints import Endpoints
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.lsfd import row_of_object
from tcpstates.parse.saved.powershell import make_row
from tcpstates.parse.saved.recording import Recording, is_event
from tcpstates.parse.saved.rows import MALFORMED, MalformedLine, More, Row
from tcpstates.protocols import PROTOCOLS

_MOST = 64 * 1024 * 1024  # characters of one object over several lines
# The fields that fill one column each.
_READ_BACK = [(field.name, field.read_as) for field in FIELDS if field.read_as]

_BEGINS = late(r'\{\s*("|$)|\[\s*([{\]]|$)')
# The beginnings of a line that continues JSON.
_GOES_ON = late(r'["{}\[\],]|-?\d|true\b|false\b|null\b|$')
_IS_SOCKET = late(r'\{\s*"protocol"')


class OwnJson(Layout):
    """Our JSON, one socket per line, and that of lsfd and PowerShell."""

    name = "json"
    formats = ("json", "powershell", "lsfd")
    has_blocks = True
    is_unmistakable = True

    def __init__(self, endpoints: Endpoints, byte_order: str) -> None:
        super().__init__(endpoints, byte_order)
        self._pending: list[str] = []
        self._size = 0
        self._recording = Recording(None)

    def until(self, moment: float) -> None:
        """Replay events up to a moment: see `Layout`."""
        self._recording = Recording(moment)

    @staticmethod
    def may_be_row(line: str) -> bool:
        """Check for an object, or a list, on a line of its own."""
        text = line.strip()
        return line[:1] in ("[", "{") and (is_object(text) or is_list(text))

    def heading(self, line: str) -> bool:
        """Recognise the first line of an object or list that spans several lines."""
        text = line.strip()
        if not _BEGINS.match(text) or is_object(text) or is_list(text):
            return False
        self.rows(line)
        return True

    def rows(self, line: str) -> Sequence[Row] | None:
        """Parse a complete object; hold back an incomplete one until its end."""
        text = line.strip().rstrip(",")
        if not _GOES_ON.match(text):
            return None  # a line of another tool: the pending object is incomplete
        if is_list(text) and not self._pending:
            return self._objects(text)
        if is_object(text) and (not self._pending or _IS_SOCKET.match(text)):
            return self._objects(text)
        self._pending.append(line)
        self._size += len(line)
        if self._size > _MOST:
            self._pending.clear()
            raise MalformedLine("a JSON object larger than 64 MB")
        return ()

    def _objects(self, text: str) -> Sequence[Row]:
        """Parse the sockets of one or more consecutive objects."""
        import json

        decoder, place = json.JSONDecoder(), 0
        rows: list[Row] = []
        while place < len(text):
            try:
                found, place = decoder.raw_decode(text, place)
            except (ValueError, RecursionError):
                if not rows:
                    raise
                return [*rows, MALFORMED]  # the sockets before the error are valid
            inside = _sockets_in(found)
            sockets = [each for each in inside if isinstance(each, Mapping)]
            rows += filter(None, map(self._row, sockets))
            if len(sockets) < len(inside):
                rows.append(MALFORMED)
            while text[place : place + 1].isspace():
                place += 1
        return rows

    def _row(self, found: Mapping[str, Any]) -> Row | None:
        """Parse one socket; a malformed one does not affect the others.

        None: another open file, in the output of lsfd.
        """
        try:
            if "assoc" in found:
                return row_of_object(self._endpoints, found)
            if "LocalAddress" in found:
                return make_row(self._endpoints, found)
            if is_event(found):
                return self._follow(found)
            return _own_row(found, self._endpoints)
        except (KeyError, TypeError, ValueError, AttributeError, MalformedLine):
            return MALFORMED

    def _follow(self, found: Mapping[str, Any]) -> Row | None:
        """Follow an event of a recording, whose rows come at its end."""
        if "protocol" not in found:  # it is about no socket
            if found["event"] == "resync" and self._recording.counts(found):
                self._recording.begin_anew()
        elif self._recording.counts(found) and not found.get("missed"):
            row = _own_row(found, self._endpoints)
            self._recording.take(found, row._replace(line=self._endpoints.line))
        return None

    def finish(self) -> Sequence[Row]:
        """Return the sockets that a recording leaves, and parse the pending lines."""
        return [*self._recording.rows(), *self._finish_pending()]

    def _finish_pending(self) -> Sequence[Row]:
        """Parse the pending lines of an object that spans several lines.

        In our own JSON, these lines enclose the sockets. If their end is missing,
        sockets may be missing too, so they count as unreadable.
        """
        pending, self._pending = "\n".join(self._pending), []
        self._size = 0
        return self._objects(pending.strip()) if pending.strip() else ()


def _sockets_in(found: Any) -> Sequence[Any]:
    """Return the sockets in an object or a list; an object may be a socket itself."""
    if isinstance(found, Mapping):
        for name in ("sockets", "lsfd"):
            inner = found.get(name)
            if isinstance(inner, list):
                return inner
        return (found,)
    return found if isinstance(found, list) else ()


def is_object(text: str) -> bool:
    """Check whether a line is a complete object."""
    return text[:1] == "{" and text.rstrip(",").endswith("}")


def is_list(text: str) -> bool:
    """Check whether a line is a complete list."""
    return text[:1] == "[" and text[-1:] == "]" and _BEGINS.match(text) is not None


def _own_row(found: Mapping[str, Any], endpoints: Endpoints) -> Row:
    """Parse a socket of our own JSON; `gate` validates the types of most fields."""
    family = found["family"]
    if found["protocol"] not in PROTOCOLS or family not in FAMILIES:
        raise ValueError(found["protocol"])
    more: More = {
        column: found[name]
        for name, column in _READ_BACK
        if found.get(name) not in (None, "")
    }
    if found.get("truncated"):
        more["truncated"] = tuple(found["truncated"])
    timer = found.get("timer")
    if timer:
        more["timer"], more["timer_ms"] = timer["kind"], timer["expires_ms"]
        more["retransmits"] = timer["retransmits"]
    elif PROTOCOLS[found["protocol"]].has_timers and found.get("inode") is not None:
        more |= {"timer": "off", "timer_ms": 0, "retransmits": 0}
    owners = found.get("processes")
    more["processes"] = None if owners is None else tuple(map(_owner, owners))
    more["no_process_reason"] = found.get("no_process_reason")
    local, remote = (
        _address(found[name], family, endpoints)
        for name in ("local_address", "remote_address")
    )
    return Row(
        found["protocol"],
        family,
        found["raw_state"],
        local,
        found["local_port"],
        remote,
        found["remote_port"],
        found["recv_q"],
        found["send_q"],
        more,
    )


def _address(value: Any, family: str, endpoints: Endpoints) -> str:
    """Normalise an address; raise an error if it is invalid."""
    if not isinstance(value, str):
        raise TypeError(value)
    address = endpoints.address(value)
    if address.scope or address.family not in (None, family):
        raise MalformedLine(value)
    return address.text


def _owner(found: Mapping[str, Any]) -> Owner:
    name, raw = found.get("name"), found.get("name_raw")
    packed = bytes.fromhex(raw) if raw else None if name is None else name.encode()
    return Owner(found["pid"], packed, found.get("fd"))
