"""The rows that layouts produce, and their conversion to batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tcpstates.batch import ColumnBatch
from tcpstates.fields import ColumnName
from tcpstates.model import Owner, Reason, reason_without_file
from tcpstates.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from tcpstates.states import RFC_STATES, OtherState, TcpState, find_state

_AT_ONCE = 2000  # rows per batch, approximately
# Further columns of a row.
More = dict[ColumnName, Any]


class Row(NamedTuple):
    """One socket; None if the listing does not show a field."""

    protocol: str
    family: str
    raw_state: str | None  # in the tool's spelling
    local_address: str
    local_port: int | None
    remote_address: str
    remote_port: int | None
    recv_q: int | None = None
    send_q: int | None = None
    # Further columns by name; "state_label" is the displayed state, for a layout whose
    # `raw_state` no general table can translate.
    more: Mapping[ColumnName, Any] | None = None
    line: int = 0  # where the row began; 0: on the current line


# The columns that are a row's own, after protocol and family.
FIXED: tuple[ColumnName, ...] = Row._fields[2:9]  # type: ignore[assignment]


class MalformedLine(Exception):
    """A line that looks like a socket but is malformed."""


# A layout returns this very list for a socket that is neither TCP nor UDP.
NOT_OURS: list[Row] = []
# Stands for a malformed row among valid ones: `gate` rejects it, so it is counted.
MALFORMED = Row("", "", None, "", None, "", None)


def row_or_malformed(make: Callable[[], Row], line: int) -> Row:
    """Make the row of a block that began on this line; MALFORMED if that fails."""
    try:
        row = make()
    except (MalformedLine, ValueError, OverflowError):
        row = MALFORMED
    return row._replace(line=line)


# Encodings of Windows consoles; they matter for translated state names only.
_CODE_PAGES = ("cp850", "cp1252", "cp852", "cp1250", "cp437", "cp866")


class StateLabels(dict[str | None, str]):
    """Displayed states by the tool's spelling; an unknown one is kept."""

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        super().__init__()

    def __missing__(self, raw: str | None) -> str:
        """Translate a spelling; the bound keeps untrusted text from filling memory."""
        state = None if raw is None else state_of(raw, self._protocol)
        if state is None:
            label = "UNKNOWN" if raw is None else f"UNKNOWN({raw})"
        else:
            label = str(state)
        if len(self) > 1000:
            self.clear()
        self[raw] = label
        return label


def state_of(
    raw: str, protocol: str = DEFAULT_PROTOCOL
) -> TcpState | OtherState | None:
    """Translate a tool's state, even if its bytes are not UTF-8."""
    has_states = PROTOCOLS[protocol].has_states
    found = find_state(raw, has_states=has_states)
    if found is not None or raw.isascii():
        return found
    packed = raw.encode("utf-8", "surrogateescape")
    for page in _CODE_PAGES:
        found = find_state(packed.decode(page, "replace"), has_states=has_states)
        if found is not None:
            return found
    return None


_STATE_NAMES = {protocol: StateLabels(protocol) for protocol in PROTOCOLS}


def to_batches(rows: Sequence[Row]) -> Iterator[ColumnBatch]:
    """Convert rows to batches of limited size."""
    for start in range(0, len(rows), _AT_ONCE):
        yield from _by_kind(rows[start : start + _AT_ONCE])


def _by_kind(rows: Sequence[Row]) -> Iterator[ColumnBatch]:
    """Group the rows into batches by protocol and family."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault(row[:2], []).append(row)
    for (protocol, family), same in groups.items():
        yield _batch(protocol, family, same)


def _batch(protocol: str, family: str, rows: Sequence[Row]) -> ColumnBatch:
    fields = list(zip(*rows, strict=True))
    columns: dict[ColumnName, Sequence[Any]] = dict(
        zip(FIXED, fields[2:9], strict=True)
    )
    known = _STATE_NAMES[protocol]
    by_peer = PROTOCOLS[protocol].labels_by_peer
    if by_peer is not None:
        labels = [
            known[raw] if raw else by_peer[bool(port)]
            for raw, port in zip(fields[2], columns["remote_port"], strict=True)
        ]
    else:
        labels = list(map(known.__getitem__, fields[2]))
    more = [each or {} for each in fields[9]]
    if any("state_label" in each for each in more):
        labels = [
            e.get("state_label", label) for e, label in zip(more, labels, strict=True)
        ]
    columns["state_label"] = labels
    columns["state"] = [label if label in RFC_STATES else None for label in labels]
    for name in dict.fromkeys(
        key for each in more for key in each if key != "state_label"
    ):
        columns[name] = [each.get(name) for each in more]
    owners = [each.get("processes", ()) for each in more]
    columns["processes"] = owners
    columns["no_process_reason"] = [
        None if found else _reason(label, each)
        for found, label, each in zip(owners, labels, more, strict=True)
    ]
    return ColumnBatch(protocol, family, len(rows), columns)


def label_columns(
    protocol: str, raw_states: Sequence[str], owners: Sequence[Any] | None
) -> dict[ColumnName, Sequence[Any]]:
    """Make the columns of states and owners, and why there is no owner.

    `owners` None: no row has one.
    """
    labels = list(map(_STATE_NAMES[protocol].__getitem__, raw_states))
    states = {label: label if label in RFC_STATES else None for label in set(labels)}
    reasons = {label: _reason(label, {}) for label in states}
    shown = list(map(reasons.__getitem__, labels))
    if owners is not None:
        shown = [None if o else r for o, r in zip(owners, shown, strict=True)]
    return {
        "state_label": labels,
        "state": list(map(states.__getitem__, labels)),
        "processes": [()] * len(labels) if owners is None else owners,
        "no_process_reason": shown,
    }


def _reason(label: str, more: Mapping[ColumnName, Any]) -> str | None:
    """Return why a row names no process; listings rarely show the reason."""
    if "no_process_reason" in more:
        reason: str | None = more["no_process_reason"]
        return reason
    if more.get("inode") == 0 or label in (TcpState.TIME_WAIT, TcpState.SYN_RECEIVED):
        return reason_without_file(label)
    return Reason.UNKNOWN


# The timers as ss and net-tools spell them.
TIMERS = {
    "on": "retransmit",
    "timewait": "time-wait",
    "persist": "probe",
    "delack": "delayed-ack",
}


def owner(pid: str | None, name: str | None, fd: str | None = None) -> Owner:
    """Make an owner from its text; the name may contain any bytes."""
    packed = None if name is None else encode_name(name)
    number = int(pid) if pid is not None else None
    return Owner(number, packed, int(fd) if fd is not None else None)


def encode_name(name: str) -> bytes:
    """Return the bytes of a name as they were in the file."""
    return name.encode("utf-8", "surrogateescape")


def take_user(text: str, more: More) -> None:
    """Store a user, which tools print by uid or by name."""
    if text.isdecimal():
        more["uid"] = int(text)
    else:
        more["user_name"] = text


def take_windows_pid(text: str, more: More) -> None:
    """Store a Windows pid; pid 0, the idle process, owns sockets without a process."""
    if text.isdecimal() and len(text) <= 10:
        more["pid"] = int(text)
        if more["pid"]:
            more["processes"] = (owner(text, None),)
