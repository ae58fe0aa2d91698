"""What a diagnosis needs of another host, as JSON: written there, checked here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, NamedTuple

from tcpstates.fleet.batches import owners_to_json, to_hex
from tcpstates.fleet.checks import (
    LAST_NUMBER,
    BadAnswer,
    by_number,
    items,
    listed,
    member,
    moment,
    number,
    numbers,
    optional,
    owners,
    packed,
    text,
)
from tcpstates.model import KernelCounts, Owner, Reason
from tcpstates.processes import Process
from tcpstates.settings import KernelSettings

_REASONS = frozenset(
    value for name, value in vars(Reason).items() if not name.startswith("_")
)


class Limits(NamedTuple):
    """The settings of a host, and what its kernel counts."""

    settings: KernelSettings
    kernel: KernelCounts | None
    unix_listeners: int


def limits_to_json(limits: Limits) -> dict[str, Any]:
    """Encode what `limits_from_json` reads."""
    kernel = limits.kernel
    return {
        "settings": asdict(limits.settings),
        "kernel": None if kernel is None else kernel._asdict(),
        "unix_listeners": limits.unix_listeners,
    }


def limits_from_json(data: Any) -> Limits:
    """Decode the limits; raise BadAnswer."""
    return Limits(
        _settings(member(data, "settings")),
        optional(_counts)(member(data, "kernel")),
        number(member(data, "unix_listeners")),
    )


def _settings(data: Any) -> KernelSettings:
    """Decode settings; raise BadAnswer for a value that no kernel has."""
    found: dict[str, Any] = {}
    for field in fields(KernelSettings):
        value = member(data, field.name)
        if field.name == "is_known":
            found[field.name] = value is True
        elif type(value) is int and 0 <= value < 1 << 31:
            found[field.name] = value
        else:
            raise BadAnswer(field.name)
    return KernelSettings(**found)


def _counts(data: Any) -> KernelCounts:
    read = optional(number)
    return KernelCounts(*(read(member(data, name)) for name in KernelCounts._fields))


def counters_from_json(data: Any) -> dict[str, int]:
    """Decode the kernel's counters, of which some are limits: -1 is none."""
    return {text(name): number(value, -LAST_NUMBER) for name, value in items(data)}


class View(NamedTuple):
    """The owners of some sockets; see `process_view.ProcessView`."""

    owners: dict[int, tuple[Owner, ...]]
    unseen: str
    processes: dict[int, Process]
    descriptors: dict[int, tuple[int, int]]
    limits: dict[int, int | None]
    hidden: int
    unprivileged: bool
    stopped: frozenset[int]
    stuck: frozenset[int]
    here: frozenset[int]
    elsewhere: dict[int, Sequence[int]]
    unlisted: dict[int, int]


def view_to_json(view: View) -> dict[str, Any]:
    """Encode what `view_from_json` reads."""
    return {
        **view._asdict(),
        "owners": {inode: owners_to_json(o) for inode, o in view.owners.items()},
        "processes": [_process_to_json(each) for each in view.processes.values()],
        "stopped": sorted(view.stopped),
        "stuck": sorted(view.stuck),
        "here": sorted(view.here),
    }


def view_from_json(data: Any) -> View:
    """Decode the owners of sockets; raise BadAnswer."""
    unseen = text(member(data, "unseen"))
    if unseen not in _REASONS:
        raise BadAnswer("unseen")
    processes = [_process(each) for each in listed(member(data, "processes"))]
    return View(
        owners=by_number(data, "owners", owners),
        unseen=unseen,
        processes={process.pid: process for process in processes},
        descriptors=by_number(data, "descriptors", _pair),
        limits=by_number(data, "limits", optional(number)),
        hidden=number(member(data, "hidden")),
        unprivileged=member(data, "unprivileged") is True,
        stopped=frozenset(numbers(member(data, "stopped"))),
        stuck=frozenset(numbers(member(data, "stuck"))),
        here=frozenset(numbers(member(data, "here"))),
        elsewhere=by_number(data, "elsewhere", numbers),
        unlisted=by_number(data, "unlisted", number),
    )


def _process_to_json(process: Process) -> dict[str, Any]:
    command = process.command
    return {
        **asdict(process),
        "name": to_hex(process.name),
        "command": None if command is None else [word.hex() for word in command],
    }


def _process(data: Any) -> Process:
    count, word = optional(number), optional(text)
    command = optional(listed)(member(data, "command"))
    return Process(
        pid=number(member(data, "pid")),
        name=optional(packed)(member(data, "name")),
        user=word(member(data, "user")),
        started_at=optional(moment)(member(data, "started_at")),
        command=None if command is None else tuple(map(packed, command)),
        descriptors=count(member(data, "descriptors")),
        descriptors_limit=count(member(data, "descriptors_limit")),
        is_stopped=member(data, "is_stopped") is True,
        parent=count(member(data, "parent")),
        state=word(member(data, "state")),
        waits_in=word(member(data, "waits_in")),
    )


def _pair(data: Any) -> tuple[int, int]:
    first, second = listed(data, 2)
    return number(first), number(second)
