"""End chosen sockets one by one, and look afterwards whether they are gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from tcpstates.batch import Batch
from tcpstates.errors import SourceUnavailable
from tcpstates.kill.destroy import Destroyer, Outcome, Target
from tcpstates.kill.select import Chosen, targets
from tcpstates.model import Request
from tcpstates.origin import LiveHost
from tcpstates.pipeline import list_sockets
from tcpstates.states import ALL_STATES

if TYPE_CHECKING:
    import _socket as socket

_CAP_NET_ADMIN = 12  # linux/capability.h
Connect = Callable[[int | None], "socket.socket"]  # by the namespace's number


class Result(NamedTuple):
    """What has become of the sockets of a batch."""

    batch: Batch
    outcomes: list[Outcome]
    reasons: list[str]  # why a socket was refused; else empty


def may_end_sockets() -> bool:
    """Check whether this process has CAP_NET_ADMIN; the kernel has the last word."""
    with open("/proc/self/status") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name == "CapEff":
                return bool(int(value, 16) >> _CAP_NET_ADMIN & 1)
    return False


def end_all(
    chosen: Chosen, connect: Connect, results: list[Result], *, rate: float | None
) -> None:
    """End the chosen sockets, at most `rate` of them a second; None: no limit.

    What has been done is in `results`, also if this is interrupted.
    """
    destroyers: dict[int | None, Destroyer] = {}
    start, done = time.monotonic(), 0
    try:
        for batch in chosen.batches:
            outcomes: list[Outcome] = []
            reasons: list[str] = []
            numbers = batch.column("netns_id")
            try:
                for target, number in zip(targets(batch), numbers, strict=True):
                    if rate is not None:
                        time.sleep(max(0.0, start + done / rate - time.monotonic()))
                    outcome, reason = _end(destroyers, connect, number, target)
                    outcomes.append(outcome)
                    reasons.append(reason)
                    done += 1
            finally:
                tried = len(outcomes)
                first = batch.select([i < tried for i in range(len(batch))])
                results.append(Result(first, outcomes, reasons))
    finally:
        for destroyer in destroyers.values():
            destroyer.close()


def _end(
    destroyers: dict[int | None, Destroyer],
    connect: Connect,
    number: int | None,
    target: Target,
) -> tuple[Outcome, str]:
    try:
        if number not in destroyers:
            destroyers[number] = Destroyer(connect(number))
        return destroyers[number].end(target)
    except SourceUnavailable as error:
        return Outcome.REFUSED, error.reason


def verify(results: list[Result], origin: LiveHost, request: Request) -> None:
    """Look again, and mark what has been ended and is still there."""
    asked = Request(
        protocols=request.protocols, families=request.families, states=ALL_STATES
    )
    ended = {
        cookie
        for result in results
        for cookie, outcome in _with_cookies(result)
        if outcome is Outcome.ENDED
    }
    alive = set(_still_there(ended, list_sockets(asked, origin).batches))
    for result in results:
        for place, (cookie, outcome) in enumerate(_with_cookies(result)):
            if outcome is Outcome.ENDED and cookie in alive:
                result.outcomes[place] = Outcome.ALIVE


def _with_cookies(result: Result) -> list[tuple[int, Outcome]]:
    return list(zip(result.batch.column("cookie"), result.outcomes, strict=True))


def _still_there(cookies: Collection[int], batches: Iterator[Batch]) -> Iterator[int]:
    for batch in batches:
        yield from filter(cookies.__contains__, batch.column("cookie"))
