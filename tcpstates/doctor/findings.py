"""What the doctor reports: findings, and what it could not examine."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from tcpstates.model import Limitation
from tcpstates.processes import Process

# The stable identifiers of everything that can be found, for whoever counts findings.
RULES = (
    *("accept-drops", "accept-queue", "close-wait", "closing", "closing-full"),
    *("connect", "connect-failed", "descriptors", "fin-wait-2", "growing", "half-open"),
    *("idle", "memory", "orphans", "ports", "short-lived", "silent-peer", "stopped"),
    *("time-wait", "udp-drops", "unlisted", "unread", "waiting", "zero-window"),
)


class Severity(IntEnum):
    """How severe a finding is; WARNING and above need action."""

    NOTICE = 1
    WARNING = 2
    CRITICAL = 3


class Peer(NamedTuple):
    """A remote endpoint, or an address alone, and how many sockets lead there."""

    name: str
    sockets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How a finding differs between two scans."""

    change: str  # grows, shrinks, stays, new, gone
    before: int  # the finding's size in the first scan
    after: int
    seconds: float  # between both scans


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is stuck, or about to be."""

    rule: str  # a stable identifier
    subject: str  # what it is about; the same in a second scan
    severity: Severity
    size: int  # how many sockets, bytes ...: what can grow
    verdict: str  # one line
    evidence: tuple[str, ...]
    numbers: dict[str, int | None]  # the evidence for programs; None: unknown
    means: str
    commands: tuple[str, ...]  # to be typed; some end in a comment
    advice: tuple[str, ...] = ()  # what no command does
    last_resort: str | None = None  # the command that ends the sockets, if that helps
    unless: str  # what would make it a false alarm
    processes: tuple[Process, ...] = ()
    no_process: str | None = None  # who it is, where there are no processes to name
    peers: tuple[Peer, ...] = ()
    trend: Trend | None = None
    ages: tuple[float, ...] = ()  # of the sockets, ms at least, in ascending order
    # What the sockets have moved so far, by their ends: bytes, which only grow.
    moved: Mapping[Hashable, int] = field(default_factory=dict)
    # What a second scan makes of it: see `trends`.
    is_urgent_when_growing: bool = False  # growth alone is a reason to act
    is_urgent_when_staying: bool = False  # so is that the same sockets are still there
    is_harmless_when_staying: bool = False  # it only matters if it grows
    starts_at_zero: bool = False  # without a finding before, the size was 0
    notable_growth: int | None = None  # so many more make it worth a notice
    netns: str | None = None  # the network namespace; None: our own
    host: str | None = None  # another host; None: this one
    is_provisional: bool = False  # reported only if a second scan sees it grow, or stay

    @property
    def key(self) -> tuple[str, str]:
        """The identity of the finding across scans."""
        return self.rule, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExamined:
    """What a rule could not examine, and why."""

    rule: str
    text: str
    command: str | None = None  # that examines it
    is_fixed: bool = False  # nobody here can examine it: people need not read that


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The findings about a host, and the extent of the examination."""

    findings: tuple[Finding, ...]  # the most severe first
    not_examined: tuple[NotExamined, ...]
    source: str
    taken_at: float  # seconds since the epoch
    seconds: float  # that it took, the pause between two scans included
    filter: str | None  # as it was understood
    limitations: tuple[Limitation, ...]
    counted: dict[str, int]  # the sockets by state
    processes: int  # whose descriptors were examined
    has_udp: bool = False  # the drops of UDP sockets were examined, too
    namespaces: int = 1  # network namespaces that were examined
    hosts: int = 1
    note: str | None = None  # about the commands: whose host they are for


def gravity(finding: Finding) -> tuple[int, bool, int]:
    """Sort key: the most severe first, then the largest.

    A stopped process explains much of what the other findings describe.
    """
    return -finding.severity, finding.rule != "stopped", -finding.size
