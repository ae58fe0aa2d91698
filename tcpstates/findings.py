"""What a diagnosis says: findings, and what could not be looked at."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from tcpstates.model import Limitation


class Process(NamedTuple):
    """What is known of one process; None: it is gone, or may not be seen."""

    pid: int
    name: bytes | None = None  # as the kernel has it
    user: str | None = None
    started_at: float | None = None  # seconds since the epoch
    command: tuple[bytes, ...] | None = None
    descriptors: int | None = None  # open now
    descriptors_limit: int | None = None  # the soft one, which the kernel applies
    is_stopped: bool = False  # by a signal, or by a debugger


class Severity(IntEnum):
    """How grave a finding is; from WARNING on something has to be done."""

    NOTICE = 1
    WARNING = 2
    CRITICAL = 3


class Peer(NamedTuple):
    """A remote endpoint, or an address alone, and how many sockets lead there."""

    name: str
    sockets: int


class Trend(NamedTuple):
    """What a second look saw of a finding."""

    word: str  # grows, shrinks, stays, new, gone
    before: int  # the finding's size at the first look
    after: int
    seconds: float  # between both


class Finding(NamedTuple):
    """Something that is stuck, or about to be."""

    rule: str  # a stable word
    subject: str  # what it is about, the same at a second look
    severity: Severity
    size: int  # how many sockets, bytes ...: what can grow
    verdict: str  # one line
    evidence: tuple[str, ...]
    numbers: dict[str, int | None]  # the evidence for programs; None: not told
    means: str
    do: tuple[str, ...]  # commands, and what cannot be one
    unless: str  # what would make it a false alarm
    holders: tuple[Process, ...] = ()
    hidden: str | None = None  # who it is, where there are no processes to name
    peers: tuple[Peer, ...] = ()
    trend: Trend | None = None
    ages: tuple[float, ...] = ()  # of the sockets, ms at least, the least first
    is_urgent_when_growing: bool = False  # growth alone is a reason to act
    is_provisional: bool = False  # of interest only if a second look sees it grow

    @property
    def key(self) -> tuple[str, str]:
        """Return what is the same at a second look."""
        return self.rule, self.subject


class Gap(NamedTuple):
    """What a rule could not look at, and why."""

    rule: str
    text: str


class Diagnosis(NamedTuple):
    """What is stuck on a host, and what was looked at."""

    findings: tuple[Finding, ...]  # the gravest first
    gaps: tuple[Gap, ...]  # what could not be looked at
    source: str
    taken_at: float  # seconds since the epoch
    seconds: float  # that it took, the pause between two looks included
    filter: str | None  # as it was understood
    limitations: tuple[Limitation, ...]
    counted: dict[str, int]  # the sockets by state
    processes: int  # whose descriptors were looked at
