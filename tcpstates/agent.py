"""The far side of `fleet`: answers questions about this host, a line of JSON each.

The first line says what to read; each further line is a question. The answer is a line
for each batch of sockets, and one with `done` or `error`. It only reads, and ends with
its input.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from tcpstates.errors import TcpstatesError
from tcpstates.fleet.answers import About, about_to_json, request_from_json
from tcpstates.fleet.batches import BEGIN, batch_to_json
from tcpstates.model import Request
from tcpstates.origin import LiveHost
from tcpstates.pipeline import list_sockets

Question = Mapping[str, Any]


def serve() -> None:
    """Answer until the input ends."""
    lines = iter(sys.stdin.buffer.readline, b"")
    origin: LiveHost | None = None
    for line in lines:
        question = json.loads(line)
        try:
            if origin is None:
                origin = _origin(question)
                continue
            done = _ANSWERS[question["ask"]](origin, question)
            _write(json.dumps({"done": done}))
        except TcpstatesError as error:
            _write(json.dumps({"error": str(error)}))
            return


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _origin(question: Question) -> LiveHost:
    if not question["netns"]:
        return LiveHost(question["source"])
    from tcpstates.namespaces import Namespaces

    return Namespaces(question["netns"])


def _sockets(origin: LiveHost, question: Question) -> dict[str, Any]:
    """Write the sockets of a request, and return what is known about them."""
    request: Request = request_from_json(question["request"])
    taken_at = time.time()
    listing = list_sockets(request, origin)
    names = origin.names(numeric=False)
    for batch in listing.batches:
        if len(batch):
            sys.stdout.write(f"{BEGIN}{json.dumps(batch_to_json(batch, names))}}}\n")
    lacks = origin.missing(listing.source)
    about = About(
        listing.source,
        tuple(lacks),
        taken_at,
        listing.boot_id,
        names.fin_timeout_ms(),
        tuple(listing.limitations),
    )
    return about_to_json(about)


def _counters(origin: LiveHost, question: Question) -> dict[str, int]:
    return origin.counters()


def _limits(origin: LiveHost, question: Question) -> dict[str, Any]:
    from tcpstates.fleet.host_facts import Limits, limits_to_json

    found = Limits(origin.settings(), origin.kernel_counts(), origin.unix_listeners())
    return limits_to_json(found)


def _user(origin: LiveHost, question: Question) -> str | None:
    return origin.names(numeric=False).user(question["uid"])


def _processes(origin: LiveHost, question: Question) -> dict[str, Any]:
    """Inspect the owners of sockets, given by inode, and their parent processes."""
    from tcpstates.fleet.host_facts import View, view_to_json

    inodes = [int(inode) for inode in question["inodes"]]
    view = origin.processes(inodes, (), question["sockets"])
    owners = {inode: found for inode in inodes if (found := view.owners(inode))}
    pids = {owner.pid for found in owners.values() for owner in found if owner.pid}
    processes = {pid: view.process(pid) for pid in sorted(pids)}
    parents = {p.parent for p in processes.values() if p.parent} - processes.keys()
    processes |= {pid: view.process(pid) for pid in sorted(parents)}
    seen = View(
        owners=owners,
        unseen=view.unseen,
        processes=processes,
        descriptors=dict(view.descriptors),
        limits={pid: view.descriptors_limit(pid) for pid in view.descriptors},
        hidden=view.hidden_processes,
        unprivileged=view.is_unprivileged,
        stopped=frozenset(filter(view.is_stopped, pids)),
        stuck=view.stuck_in_kernel(pids),
        here=frozenset(filter(view.is_here, pids)),
        elsewhere=dict(view.elsewhere()),
        unlisted=dict(view.unlisted()),
    )
    return view_to_json(seen)


_ANSWERS: dict[str, Callable[[LiveHost, Question], Any]] = {
    "sockets": _sockets,
    "counters": _counters,
    "limits": _limits,
    "processes": _processes,
    "user": _user,
}
